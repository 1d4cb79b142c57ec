//! Secrets that we make: a prefix that tells what it is (so that a leak can be searched for), and 256 random bits in base
//! 62. They exist in memory only; the index holds their SHA-256.

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::identity::SecretHash;
use std::fmt;
use std::marker::PhantomData;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Base-62 digits that hold 256 bits: ceil(256 / log2 62).
const DIGIT_COUNT: usize = 43;
/// Characters shown in lists, enough to tell keys apart and too few to guess one.
const SHOWN: usize = 8;

/// What a secret is for.
pub trait SecretKind: 'static {
    /// What every such secret begins with.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $secret:ident, $kind:ident = $prefix:literal;)*) => {
        $(
            /// Marks a kind of secret.
            #[derive(Clone, Copy, PartialEq, Eq, Debug)]
            pub enum $kind {}
            impl SecretKind for $kind {
                const PREFIX: &'static str = $prefix;
            }
            $(#[$doc])*
            pub type $secret = Secret<$kind>;
        )*
    };
}

kinds! {
    /// An API key.
    ApiKeySecret, ApiKeyKind = "sv_";
    /// A refresh token.
    RefreshSecret, RefreshKind = "svr_";
    /// A one-time ticket for a browser's socket.
    TicketSecret, TicketKind = "svt_";
    /// A one-time link: password, confirmation, invitation.
    LinkSecret, LinkKind = "svl_";
    /// `state` and the browser's own secret of a login through a provider.
    LoginSecret, LoginKind = "svs_";
}

/// A secret of one kind. `Debug` shows only its beginning.
pub struct Secret<K> {
    text: String,
    kind: PhantomData<K>,
}

impl<K: SecretKind> Secret<K> {
    /// Makes a new secret from the operating system's random numbers.
    ///
    /// # Errors
    /// The operating system has none to give.
    pub fn generate() -> std::io::Result<Self> {
        let mut bits = [0u8; 32];
        SysRng.try_fill_bytes(&mut bits).map_err(std::io::Error::other)?;
        Ok(Self { text: format!("{}{}", K::PREFIX, base62(bits)), kind: PhantomData })
    }

    /// Wraps a secret that a client presented.
    pub fn presented(text: &str) -> Self {
        Self { text: text.to_owned(), kind: PhantomData }
    }

    /// Returns whether a text could be a secret of this kind, so that nothing else is looked up.
    pub fn looks_like(text: &str) -> bool {
        text.strip_prefix(K::PREFIX).is_some_and(|digits| {
            digits.len() == DIGIT_COUNT && digits.bytes().all(|byte| DIGITS.contains(&byte))
        })
    }

    /// Returns the whole secret, to be shown to its owner once.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Returns the first characters, for lists.
    pub fn shown(&self) -> String {
        self.text.chars().take(SHOWN).collect()
    }

    /// Returns what the index holds: the SHA-256 in hex. No salt or stretching: the secret is 256 random bits.
    pub fn hash(&self) -> SecretHash {
        SecretHash(hex(Sha256::digest(self.text.as_bytes())))
    }
}

impl<K> Clone for Secret<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Secret<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<K> Eq for Secret<K> {}

impl<K: SecretKind> fmt::Debug for Secret<K> {
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
    fn a_kind_is_told_by_its_prefix_and_length() {
        let (key, refresh) =
            (ApiKeySecret::generate().expect("random"), RefreshSecret::generate().expect("random"));
        assert!(ApiKeySecret::looks_like(key.expose()) && !RefreshSecret::looks_like(key.expose()));
        assert!(RefreshSecret::looks_like(refresh.expose()) && !ApiKeySecret::looks_like(refresh.expose()));
        for other in ["", "sv_", &key.expose()[1..], &format!("{}x", key.expose()), "sv_!"] {
            assert!(!ApiKeySecret::looks_like(other), "{other}");
        }
    }

    #[test]
    fn the_hash_is_sha_256_in_hex() {
        let hash = ApiKeySecret::presented("abc").hash();
        assert_eq!(hash.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
