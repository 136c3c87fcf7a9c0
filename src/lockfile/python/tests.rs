//! Which locked packages count as exact.

use super::*;

#[test]
fn a_locked_package_is_exact_or_at_an_address_that_was_asked_for() {
    use LockedPackageFault::{Inexact, NoDigest, OtherAddress};

    let wheel = "https://files.example/a-1-py3-none-any.whl";
    let key = PythonKey {
        requirements: vec![
            "idna".to_owned(),
            format!("a @ {wheel}"),
            "b[x]@git+https://git.example/b".to_owned(),
            "c @ https://${TOKEN}@files.example/c.whl".to_owned(),
        ],
        ..PythonKey::default()
    };
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let check = |requirement: &str, digests: &[&str]| {
        AskedAddresses::of(&key).check(&LockedRequirement {
            requirement: requirement.to_owned(),
            sha256: digests.iter().map(|&digest| digest.to_owned()).collect(),
        })
    };
    for good in [
        "idna==3.10".to_owned(),
        "uvicorn[standard,x]==0.30.1+cpu ; python_full_version < '3.11' and os_name != \"nt\""
            .to_owned(),
        format!("a @ {wheel}"),
        format!("a@{wheel} ; os_name == 'posix'"),
        "c @ https://${TOKEN}@files.example/c.whl".to_owned(),
    ] {
        assert_eq!(check(&good, &["0"]), Ok(()), "{good}");
        assert_eq!(check(&good, &[]), Err(NoDigest), "{good}");
    }
    let repository = format!("b @ git+https://git.example/b@{commit}");
    assert_eq!(check(&repository, &[]), Ok(()));
    for (bad, fault) in [
        ("idna>=3", Inexact),
        ("idna==3.*", Inexact),
        ("idna==3,>2", Inexact),
        ("idna==", Inexact),
        ("idna", Inexact),
        ("file:///tmp/evil==1", OtherAddress),
        ("idna==3.10 ; os_name == '${TOKEN}'", Inexact),
        ("idna==3.10 # comment", Inexact),
        ("idna==3.10 \\", Inexact),
        ("idna==3.10 @ https://evil.example/idna.whl", Inexact),
        ("b @ git+https://git.example/b@main", Inexact),
        ("b @ git+https://git.example/b@${TOKEN}", Inexact),
        ("a @ https://evil.example/a.whl", OtherAddress),
        ("a@https://evil.example/a.whl#==", OtherAddress),
        ("a@https://evil.example/${TOKEN}/a.whl#==1", OtherAddress),
        ("a@git+file:///srv/a@0123#==", OtherAddress),
        ("https://evil.example/a.whl#egg==1", OtherAddress),
        (
            "evil @ https://files.example/a-1-py3-none-any.whl",
            OtherAddress,
        ),
    ] {
        assert_eq!(check(bad, &["0"]), Err(fault), "{bad}");
    }
}
