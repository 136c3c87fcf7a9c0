//! Tests of environment markers.

use super::*;

#[test]
fn markers_hold_as_the_specification_says() {
    let target = TargetEnvironment::new(&"3.11.7".parse().unwrap(), System::LinuxX86_64).with(
        &BTreeSet::from(["postgres".to_owned(), "extra-3-app-cpu".to_owned()]),
        &BTreeSet::from(["dev".to_owned()]),
    );
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
        assert_eq!(marker.holds(&target), expected, "{text}");
    }
}

#[test]
fn invalid_markers_are_errors() {
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
    for unbalanced in ["(os_name == 'a'))", "()", "os_name == 'a' ('b' == os_name)"] {
        assert!(unbalanced.parse::<Marker>().is_err(), "{unbalanced}");
    }
}

#[test]
fn hostile_markers_take_linear_time() {
    let target = TargetEnvironment::new(&"3.11.7".parse().unwrap(), System::LinuxX86_64);
    let deep = format!("{}os_name == 'a'{}", "(".repeat(99_999), ")".repeat(99_999));
    assert!(!deep.parse::<Marker>().unwrap().holds(&target));
    // As one decision diagram this would have 2 to the power of 200 nodes.
    let pairs: Vec<String> = (0..200)
        .map(|at| format!("extra == 'a{at}' and extra == 'b{at}'"))
        .collect();
    assert!(!pairs.join(" or ").parse::<Marker>().unwrap().holds(&target));
}

#[test]
fn markers_are_joined() {
    let target = TargetEnvironment::new(&"3.11.7".parse().unwrap(), System::LinuxX86_64);
    let marker = |text: &str| text.parse::<Marker>().unwrap();
    let (yes, no) = (marker("os_name == 'posix'"), marker("os_name == 'nt'"));
    assert!(!yes.clone().and(no.clone()).holds(&target));
    assert!(yes.clone().and(Marker::default()).holds(&target));
    assert!(Marker::any(vec![no.clone(), yes]).holds(&target));
    assert!(!Marker::any(vec![no.clone(), no.clone()]).holds(&target));
    assert!(Marker::any(vec![no, Marker::default()]).holds(&target));
    assert!(Marker::any(Vec::new()).holds(&target));
}

#[test]
fn comparisons_without_meaning_are_ignored() {
    let target = TargetEnvironment::new(&"3.11.7".parse().unwrap(), System::LinuxX86_64);
    for (text, expected) in [
        ("'a' == 'b'", true),
        ("'a' == 'b' and os_name == 'nt'", false),
        ("os_name == 'posix' or 'a' == 'b'", true),
        ("os_name == 'nt' or 'a' == 'b'", false),
    ] {
        assert_eq!(
            text.parse::<Marker>().unwrap().holds(&target),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_condition_that_no_system_of_devsh_meets_never_holds() {
    for (text, expected) in [
        ("", true),
        ("platform_python_implementation == 'PyPy'", false),
        ("sys_platform == 'win32'", false),
        (
            "platform_system == 'Windows' or python_version < '3.8'",
            true,
        ),
        (
            "platform_system == 'Windows' and python_version > '3.8'",
            false,
        ),
        ("os_name != 'nt' and implementation_name == 'cpython'", true),
        (
            "platform_machine == 'arm64' and sys_platform == 'darwin'",
            true,
        ),
        (
            "platform_machine == 'arm64' and sys_platform == 'linux'",
            false,
        ),
        ("python_full_version == '3.11.4' and extra == 'x'", true),
        ("platform_release >= '20'", true),
    ] {
        let marker: Marker = text.parse().unwrap();
        assert_eq!(marker.may_hold(), expected, "{text}");
    }
}
