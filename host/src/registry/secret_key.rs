//! The key that secrets are sealed with, and sealing itself.

use super::files;
use super::secrets::SecretError;
use crate::names::FunctionName;
use crate::registry::VarName;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// The variable that gives the key, rather than a file.
pub const SECRET_KEY_VARIABLE: &str = "DUNLIN_SECRET_KEY";

/// What is authenticated beside a secret begins with this.
const CONTEXT: &[u8] = b"dunlin secret 1";

/// Bytes of a nonce: so many that random ones never meet.
const NONCE_BYTES: usize = 24;

/// 32 bytes that seal and open secrets. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A value that nobody may see but the function that it is for. Never printed,
/// wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Keeps `value` to itself from now on.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// A secret as it lies on the disk.
pub(super) struct Sealed {
    pub(super) key_id: String,
    pub(super) nonce: Vec<u8>,
    pub(super) sealed: Vec<u8>,
}

impl SecretKey {
    /// A new one.
    pub(super) fn random() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).expect("the system has random bytes");
        Self(key)
    }

    /// Reads a key: 32 bytes in base64 or hexadecimal. `origin` says where it
    /// comes from, for the message.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn parse(text: &str, origin: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let mut key = Zeroizing::new([0; 32]);
        let bytes = Zeroizing::new(if text.len() == 64 {
            unhex(text).unwrap_or_default()
        } else {
            let engines = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];
            let mut decoded = engines.iter().map(|it| it.decode(text));
            decoded.find_map(Result::ok).unwrap_or_default()
        });
        if bytes.len() != key.len() {
            return Err(SecretError::BadKey {
                origin: origin.to_owned(),
            });
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// The key as it stands in its file.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        files::hex(&*self.0)
    }

    /// Tells keys apart, and nothing of the key.
    pub(super) fn id(&self) -> String {
        let hash = Sha256::new_with_prefix(b"dunlin secret key\0").chain_update(self.0.as_slice());
        files::hex(&hash.finalize()[..8]).to_string()
    }

    pub(super) fn seal(
        &self,
        function: &FunctionName,
        name: &VarName,
        value: &SecretValue,
    ) -> Sealed {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the system has random bytes");
        let sealed = self.cipher().encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: value.expose().as_bytes(),
                aad: &context(function, name),
            },
        );
        Sealed {
            key_id: self.id(),
            nonce: nonce.to_vec(),
            sealed: sealed.expect("a secret is not that long"),
        }
    }

    /// None: another key sealed it, it is another secret, or it is damaged.
    pub(super) fn open(
        &self,
        function: &FunctionName,
        name: &VarName,
        sealed: &Sealed,
    ) -> Option<SecretValue> {
        let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().ok()?;
        let payload = Payload {
            msg: &sealed.sealed,
            aad: &context(function, name),
        };
        let value = self.cipher().decrypt(&XNonce::from(nonce), payload).ok()?;
        Some(SecretValue::new(String::from_utf8(value).ok()?))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// What binds a secret to its place: moved to another, it does not open. Names
/// have no zero bytes.
fn context(function: &FunctionName, name: &VarName) -> Vec<u8> {
    [
        CONTEXT,
        function.as_str().as_bytes(),
        name.as_str().as_bytes(),
    ]
    .join(&0)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|it| char::from(it).to_digit(16));
    let digits = digits.collect::<Option<Vec<_>>>()?;
    let bytes = digits.chunks(2).map(|it| u8::try_from(it[0] * 16 + it[1]));
    bytes.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (FunctionName, VarName) {
        (
            "shop".parse().unwrap(),
            "API_KEY".to_owned().try_into().unwrap(),
        )
    }

    #[test]
    fn a_secret_opens_with_its_key_in_its_place() {
        let key = SecretKey::random();
        let (function, name) = names();
        let value = SecretValue::new("s3cret".to_owned());
        let mut sealed = key.seal(&function, &name, &value);
        assert_eq!(key.open(&function, &name, &sealed), Some(value.clone()));
        let elsewhere = "shops".parse().unwrap();
        assert_eq!(key.open(&elsewhere, &name, &sealed), None);
        let other = "API_KEY2".to_owned().try_into().unwrap();
        assert_eq!(key.open(&function, &other, &sealed), None);
        assert_eq!(SecretKey::random().open(&function, &name, &sealed), None);
        assert_ne!(key.seal(&function, &name, &value).sealed, sealed.sealed);
        for at in 0..sealed.sealed.len() {
            sealed.sealed[at] ^= 1;
            assert_eq!(key.open(&function, &name, &sealed), None);
            sealed.sealed[at] ^= 1;
        }
        sealed.nonce.pop();
        assert_eq!(key.open(&function, &name, &sealed), None);
    }

    #[test]
    fn a_key_is_base64_or_hexadecimal() {
        let key = SecretKey::random();
        let same = |text: &str| SecretKey::parse(text, "there").unwrap().id() == key.id();
        assert!(same(&key.to_text()));
        assert!(same(&key.to_text().to_uppercase()));
        assert!(same(&format!("{}\n", STANDARD.encode(key.0.as_slice()))));
        assert!(same(&URL_SAFE_NO_PAD.encode(key.0.as_slice())));
        for bad in ["", "secret", &"g".repeat(64), &STANDARD.encode([0; 31])] {
            let error = SecretKey::parse(bad, "there").unwrap_err().to_string();
            assert!(
                error.contains("there") && error.contains("openssl"),
                "{error}"
            );
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let value = SecretValue::new("s3cret".to_owned());
        assert!(!format!("{value:?}").contains("s3cret"));
        let key = SecretKey::random();
        assert!(!format!("{key:?}").contains(&*key.to_text()));
    }
}
