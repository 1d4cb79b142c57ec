//! The secret of an API key: `sv_` and 256 random bits. Exists in memory only; the index holds its SHA-256.

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use sottovoce_actors::ports::store::SecretHash;
use std::fmt;

const PREFIX: &str = "sv_";
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Base-62 digits that hold 256 bits: ceil(256 / log2 62).
const DIGIT_COUNT: usize = 43;
/// Characters shown in lists, enough to tell keys apart and too few to guess one.
const SHOWN: usize = 8;

/// A key's secret. `Debug` shows only its beginning.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeySecret(String);

impl ApiKeySecret {
    /// Makes a new secret from the operating system's random numbers.
    ///
    /// # Errors
    /// The operating system has none to give.
    pub fn generate() -> std::io::Result<Self> {
        let mut bits = [0u8; 32];
        SysRng.try_fill_bytes(&mut bits).map_err(std::io::Error::other)?;
        Ok(Self(format!("{PREFIX}{}", base62(bits))))
    }

    /// Wraps a secret that a client presented.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the whole secret, to be shown to its owner once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the first characters, for lists.
    pub fn shown(&self) -> String {
        self.0.chars().take(SHOWN).collect()
    }

    /// Returns what the index holds: the SHA-256 in hex. No salt or stretching: the secret is 256 random bits.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.shown())
    }
}

/// Writes a 256-bit number (big endian) in base 62, padded to [`DIGIT_COUNT`] digits.
fn base62(mut number: [u8; 32]) -> String {
    let mut digits = [b'0'; DIGIT_COUNT];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0u32;
        for byte in &mut number {
            let dividend = remainder << 8 | u32::from(*byte);
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        *digit = DIGITS[remainder as usize];
    }
    digits.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_holds_all_256_bits() {
        assert_eq!(base62([0; 32]), "0".repeat(43));
        let mut one = [0; 32];
        one[31] = 61;
        assert_eq!(base62(one), format!("{}z", "0".repeat(42)));
        one[30] = 1;
        assert_eq!(base62(one), format!("{}57", "0".repeat(41)), "256 + 61 = 5 * 62 + 7");
        // 2^256 - 1, computed with Python.
        assert_eq!(base62([0xff; 32]), "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
    }

    #[test]
    fn secrets_differ_and_hide() {
        let (one, other) =
            (ApiKeySecret::generate().expect("random"), ApiKeySecret::generate().expect("random"));
        assert_ne!(one, other);
        assert_eq!(one.expose().len(), 46);
        assert!(one.expose().starts_with("sv_"));
        assert!(!format!("{one:?}").contains(one.expose()));
        assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn the_hash_is_sha_256_in_hex() {
        let hash = ApiKeySecret::presented("abc").hash();
        assert_eq!(hash.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
