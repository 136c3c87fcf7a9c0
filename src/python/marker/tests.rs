//! Tests of environment markers.

use super::*;

#[test]
fn markers_hold_as_the_specification_says() {
    let mut on = Environment::new(&"3.11.7".parse().unwrap(), System::LinuxX86_64);
    on.extras = BTreeSet::from(["postgres".to_owned(), "extra-3-app-cpu".to_owned()]);
    on.groups = BTreeSet::from(["dev".to_owned()]);
    for (text, expected) in [
        ("", true),
        ("python_version < '3.12'", true),
        ("python_version >= '3.9' and python_version < '4'", true),
        ("python_version == '3.1'", false),
        ("python_version > '3.9'", true),
        ("'3.9' <= python_version", true),
        ("python_full_version < '3.11.3'", false),
        ("python_version ~= '3.8'", true),
        ("python_version != '3.11.*'", false),
        ("python_version in '3.10, 3.11'", true),
        ("python_version not in '3.1 3.2'", true),
        ("sys_platform == 'win32' or os_name == 'nt'", false),
        (
            "(sys_platform == \"linux\") and (os_name == 'nt' or os.name == 'posix')",
            true,
        ),
        (
            "sys_platform == 'darwin' and python_version < '3' or platform_machine == 'x86_64'",
            true,
        ),
        ("platform_python_implementation != 'PyPy'", true),
        ("platform_system in 'Linux Darwin'", true),
        ("'linux' in sys_platform", true),
        ("extra == 'Postgres'", true),
        ("extra == 'other'", false),
        (
            "extra == 'extra-3-app-cpu' or extra != 'extra-3-app-gpu'",
            true,
        ),
        ("'dev' in dependency_groups and 'x' not in extras", true),
        ("implementation_name == 'cpython'", true),
    ] {
        let marker: Marker = text.parse().unwrap();
        assert_eq!(marker.holds(&on), expected, "{text}");
    }
}

#[test]
fn what_is_no_marker_is_refused() {
    for bad in [
        "python_version",
        "python_version <",
        "(os_name == 'a'",
        "os_name = 'a'",
        "os_name == 'a",
        "os_name == 'a' os_name",
        "not os_name == 'a'",
        "; rm",
        "a == 'b' and",
    ] {
        assert!(bad.parse::<Marker>().is_err(), "{bad}");
    }
    let deep = format!("{}os_name == 'a'{}", "(".repeat(9999), ")".repeat(9999));
    assert!(deep.parse::<Marker>().is_err());
    assert!(
        "os_name == 'posix'"
            .parse::<Marker>()
            .unwrap()
            .and("os_name == 'x'".parse().unwrap())
            != Marker::default()
    );
}
