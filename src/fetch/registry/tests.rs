//! Tests of the client of registries without a server.

use super::authorization::parameters;

#[test]
fn challenges_are_read() {
    let read =
        parameters(r#"realm="https://auth.example/token?a=b,c",service="r.example", error=x"#);
    let pairs: Vec<(&str, &str)> = read
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("realm", "https://auth.example/token?a=b,c"),
            ("service", "r.example"),
            ("error", "x"),
        ]
    );
    assert!(parameters("").is_empty());
}
