//! The PID namespace, without which a process id means nothing to a container with the same files.

use std::sync::OnceLock;

/// Returns the PID namespace of this process; 0 where the system has none.
pub fn pid_namespace() -> u64 {
    static OWN: OnceLock<u64> = OnceLock::new();
    *OWN.get_or_init(|| {
        // `pid:[4026531836]`
        let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let text = link.to_string_lossy();
        let number = text
            .strip_prefix("pid:[")
            .and_then(|text| text.strip_suffix(']'));
        number
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    })
}
