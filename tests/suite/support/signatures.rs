//! Keys and signatures of publishers, made in memory.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use blake2::Digest as _;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, Signature,
    },
};
use serde_json::{Value, json};

use super::Server;

/// A key of minisign.
pub(crate) struct Minisign {
    pair: Ed25519KeyPair,
}

impl Minisign {
    pub(crate) fn new(seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("it is long enough");
        Self { pair }
    }

    /// Returns the public key as minisign prints it.
    pub(crate) fn public(&self) -> String {
        BASE64_STANDARD.encode([b"Ed", &self.id()[..], self.pair.public_key().as_ref()].concat())
    }

    fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        id.copy_from_slice(&self.pair.public_key().as_ref()[..8]);
        id
    }

    /// Returns the text of the `.minisig` file of `content`, which does not name the file.
    pub(crate) fn sign(&self, content: &[u8]) -> String {
        self.sign_with(content, "timestamp:1790000000")
    }

    /// Returns the text of the `.minisig` file of `content`, with this trusted comment.
    pub(crate) fn sign_with(&self, content: &[u8], comment: &str) -> String {
        let hash = blake2::Blake2b512::digest(content);
        let signature = self.pair.sign(&hash);
        let global = self
            .pair
            .sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let line = BASE64_STANDARD.encode([b"ED", &self.id()[..], signature.as_ref()].concat());
        format!(
            "untrusted comment: signature\n{line}\ntrusted comment: {comment}\n{}\n",
            BASE64_STANDARD.encode(global)
        )
    }
}

/// A key of an npm registry.
pub(crate) struct NpmKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl NpmKey {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("the system has random");
        let pair = EcdsaKeyPair::from_pkcs8(kind, key.as_ref(), &random).expect("it is a key");
        Self { pair, random }
    }

    /// Returns the public key as the registry's page of keys has it.
    pub(crate) fn public(&self) -> String {
        let head = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=";
        let head = BASE64_STANDARD.decode(head).expect("it is base64");
        BASE64_STANDARD.encode([&head, self.pair.public_key().as_ref()].concat())
    }

    fn sign(&self, text: &str) -> Signature {
        let signature = self.pair.sign(&self.random, text.as_bytes());
        signature.expect("the system has random")
    }

    /// Signs every version of a package that is served below `/npm`.
    pub(crate) fn sign_package(&self, server: &Server, name: &str) {
        let public: devsh::package::RegistryKey = self.public().parse().expect("it is a key");
        let path = format!("/npm/{name}");
        let mut document: Value =
            serde_json::from_slice(&server.content(&path)).expect("it is JSON");
        let versions = document["versions"].as_object_mut().expect("it is a table");
        for (version, about) in versions {
            let integrity = about["dist"]["integrity"].as_str().unwrap_or_default();
            let signature = self.sign(&format!("{name}@{version}:{integrity}"));
            let signature = BASE64_STANDARD.encode(signature);
            about["dist"]["signatures"] = json!([{ "keyid": public.id(), "sig": signature }]);
        }
        server.serve(&path, document.to_string());
    }
}
