//! SHA-256 of a stream's audio, reckoned where the audio is heard: on the listening threads, never on an arbiter.

use crate::hex::hex;
use crate::ports::ear::{Ear, Heard};
use crate::ports::engine::EngineError;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// What the audio heard so far hashes to. The lock is free whenever the ear is at home.
#[derive(Clone, Default, Debug)]
pub struct Fingerprint(Arc<Mutex<Sha256>>);

impl Fingerprint {
    /// Takes the fingerprint of all that this ear hears from now on.
    pub fn taken_by(&self, ear: Box<dyn Ear>) -> Box<dyn Ear> {
        Box::new(Hashing { ear, hash: self.0.clone() })
    }

    /// Returns it in hexadecimal digits.
    pub fn digits(&self) -> String {
        hex(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize())
    }
}

struct Hashing {
    ear: Box<dyn Ear>,
    hash: Arc<Mutex<Sha256>>,
}

impl Ear for Hashing {
    fn hear(&mut self, audio: &[u8]) -> Result<Vec<Heard>, EngineError> {
        self.hash.lock().unwrap_or_else(PoisonError::into_inner).update(audio);
        self.ear.hear(audio)
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        self.ear.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Ear for Deaf {
        fn hear(&mut self, _: &[u8]) -> Result<Vec<Heard>, EngineError> {
            Ok(Vec::new())
        }

        fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn pieces_hash_like_the_whole() {
        let fingerprint = Fingerprint::default();
        let mut ear = fingerprint.taken_by(Box::new(Deaf));
        for piece in ["a", "", "bc"] {
            ear.hear(piece.as_bytes()).unwrap();
        }
        ear.flush().unwrap();
        // The example of FIPS 180-2 for "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(fingerprint.digits(), abc);
    }
}
