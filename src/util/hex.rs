//! Hexadecimal text.

/// Returns two lower-case digits for each byte.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or_default();
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.as_ref().iter().flat_map(digits).collect()
}

/// Returns the bytes of `2 * N` digits in either case.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        assert_eq!(encode([0, 0x1f, 0xa0, 0xff]), "001fa0ff");
        assert_eq!(decode("001FA0ff"), Some([0, 0x1f, 0xa0, 0xff]));
        for bad in [
            "",
            "00",
            "001fa0f",
            "001fa0fg",
            "+01fa0ff",
            "001fa0ff0",
            "é01fa0f",
        ] {
            assert_eq!(decode::<4>(bad), None, "{bad}");
        }
    }
}
