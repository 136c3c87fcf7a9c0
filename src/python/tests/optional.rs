//! Needs that count by an extra only.

use super::*;

#[test]
fn an_optional_need_of_a_poetry_project_counts_by_its_extra_whatever_its_markers() {
    for (platform, brought) in [("linux", true), ("win32", false)] {
        let redis = format!("optional = true, markers = \"sys_platform == '{platform}'\" }}");
        let project = POETRY.replace("optional = true }", &redis);
        let lock = lock("poetry.lock", &poetry(false), &project);
        let always = chosen(&lock, "3.11.4", &[], &[]);
        assert_eq!(always, ["click==8.1.7", "-e ."], "{platform}");
        let cached = chosen(&lock, "3.11.4", &[], &["cache"]);
        assert_eq!(cached.contains(&"redis==5.2.1".to_owned()), brought);
    }
}
