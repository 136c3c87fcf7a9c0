//! Keys with which npm registries sign what they publish: ECDSA over P-256, named by their SSH fingerprints.

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD},
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use super::{Invalid, Sha256};

/// The beginning of every public key on P-256 in DER form; the point follows.
const DER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// The public registry's keys. It signed with the first one until January 2025, and old signatures stay.
const PUBLIC: [&str; 2] = [
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Yhl5i6UPp+IhuteBJbuHcA5UogKo0EWtlWwW6KSaKoTNEYL7JlCQiVnkhBktUgg==",
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==",
];

/// A public key of an npm registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryKey {
    /// `SHA256:` and the fingerprint, as the registry names it.
    id: String,
    point: [u8; 65],
}

impl RegistryKey {
    /// Returns the keys of the public registry.
    pub fn public() -> Vec<Self> {
        PUBLIC.iter().filter_map(|key| key.parse().ok()).collect()
    }

    /// Returns the name that signatures have for the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether `signature` (base64) is this key's signature of `message`.
    pub fn accepts(&self, message: &str, signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point);
        BASE64_STANDARD
            .decode(signature)
            .is_ok_and(|signature| key.verify(message.as_bytes(), &signature).is_ok())
    }
}

impl FromStr for RegistryKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("a public key of an npm registry", text);
        let der = BASE64_STANDARD.decode(text).map_err(|_| invalid())?;
        let point = der.strip_prefix(&DER).and_then(|rest| rest.try_into().ok());
        let point: [u8; 65] = point.ok_or_else(invalid)?;
        Ok(Self {
            id: format!("SHA256:{}", fingerprint(&point)),
            point,
        })
    }
}

impl fmt::Debug for RegistryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.id)
    }
}

/// Returns the fingerprint that `ssh-keygen -l` prints.
fn fingerprint(point: &[u8]) -> String {
    let mut key = Vec::new();
    for field in [b"ecdsa-sha2-nistp256".as_slice(), b"nistp256", point] {
        key.extend(u32::try_from(field.len()).unwrap_or_default().to_be_bytes());
        key.extend(field);
    }
    BASE64_STANDARD_NO_PAD.encode(Sha256::of(&key).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_keys_have_the_names_of_the_registry() {
        let names: Vec<String> = RegistryKey::public()
            .into_iter()
            .map(|key| key.id)
            .collect();
        assert_eq!(
            names,
            [
                "SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA",
                "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U",
            ]
        );
        for wrong in ["", "MFkwEwYH", "%", &PUBLIC[0][4..]] {
            assert!(wrong.parse::<RegistryKey>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn signatures_of_the_public_registry_are_accepted() {
        let key = &RegistryKey::public()[1];
        let signed = "@anthropic-ai/claude-code@2.1.97:sha512-8lKM/rFctBl+82bQ+0g0Lkbt9tJU/zYKAjWisNUq436/386n/VZQbnyjnibGkyqqB6mrX/3ub/cpFlpCu4FXLg==";
        let signature = "MEUCICG6rML8JBFMxvrHFFDhofBztC5mvsOLqHbO7G4bdU4MAiEA/TuR+/HzSBvE2e/5XokcLHWOLaw604eahZ4Hy+IFTew=";
        assert!(key.accepts(signed, signature));
        assert!(!key.accepts(&signed.replace("2.1.97", "2.1.98"), signature));
        assert!(!key.accepts(signed, "MEUC"));
        assert!(!RegistryKey::public()[0].accepts(signed, signature));
    }
}
