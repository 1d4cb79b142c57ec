//! Passwords: hashed and compared with argon2id on threads that may block, few at a time. How many callers wait for that
//! is bounded: every hash takes memory and a core. Says nothing about which passwords are good (`password_policy.rs`).

use argon2::password_hash::phc::{Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use rand::TryRng;
use rand::rngs::SysRng;
use sottovoce_actors::ports::identity::PasswordHash;
use sottovoce_protocol::auth::Confidential;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Callers that may wait for each place; at the default cost the last one waits about a second.
const WAITING_PER_PLACE: usize = 32;
const SALT_BYTES: usize = 16;

type Phc = argon2::PasswordHash;

/// What one hash costs, and how many are computed at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Hashes computed at once.
    pub at_once: usize,
}

/// How a comparison ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is the password; its hash was made at another cost and should be renewed.
    RightButOutdated,
    /// It is not.
    Wrong,
}

/// Why there is no hash and no verdict.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PasswordError {
    /// As many callers wait as may.
    #[error("too many passwords are being checked")]
    Busy,
    /// The cost is out of range, a stored hash is damaged, or the system gave no memory or no random numbers.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

impl From<argon2::password_hash::Error> for PasswordError {
    fn from(error: argon2::password_hash::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Hashes and compares.
pub struct Passwords {
    params: Params,
    /// Compared where there is no hash; no password has it.
    nobodys: PasswordHash,
    places: Arc<Semaphore>,
    callers: Arc<Semaphore>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

impl Passwords {
    /// Takes a cost, which was checked with the configuration.
    ///
    /// # Errors
    /// Argon2 does not know this cost.
    pub fn new(cost: HashCost) -> Result<Self, PasswordError> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None)
            .map_err(|error| PasswordError::Failed(error.to_string()))?;
        let nobodys = Phc {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::default().into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(Salt::new(&[0; SALT_BYTES]).map_err(argon2::password_hash::Error::from)?),
            hash: Some(
                Output::new(&[0; Params::DEFAULT_OUTPUT_LEN]).map_err(argon2::password_hash::Error::from)?,
            ),
        };
        Ok(Self {
            params,
            nobodys: PasswordHash(nobodys.to_string()),
            places: Arc::new(Semaphore::new(cost.at_once)),
            callers: Arc::new(Semaphore::new(cost.at_once.saturating_mul(1 + WAITING_PER_PLACE))),
        })
    }

    /// Hashes a password with a new salt.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn hash(&self, password: Confidential) -> Result<PasswordHash, PasswordError> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::default(), self.params.clone());
        self.in_turn(move || {
            let mut salt = [0; SALT_BYTES];
            SysRng.try_fill_bytes(&mut salt).map_err(|error| PasswordError::Failed(error.to_string()))?;
            let hash: Phc = argon2.hash_password_with_salt(password.0.as_bytes(), &salt)?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Compares a password with a hash, whatever its cost. Without a hash the work is done all the same and the answer
    /// is [`Verdict::Wrong`], so that the time does not tell whether there is one.
    ///
    /// # Errors
    /// See [`PasswordError`].
    pub async fn verify(
        &self,
        password: Confidential,
        hash: Option<PasswordHash>,
    ) -> Result<Verdict, PasswordError> {
        let params = self.params.clone();
        let is_nobodys = hash.is_none();
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        self.in_turn(move || {
            let hash = Phc::new(&hash.0).map_err(argon2::password_hash::Error::from)?;
            match Argon2::default().verify_password(password.0.as_bytes(), &hash) {
                Ok(()) if is_nobodys => Ok(Verdict::Wrong),
                Ok(()) if is_of(&hash, &params) => Ok(Verdict::Right),
                Ok(()) => Ok(Verdict::RightButOutdated),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Runs work when its turn comes. Whoever asked may go away: the places are held until the work has ended.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let caller = self.callers.clone().try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let place = self.places.clone().acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let working = tokio::task::spawn_blocking(move || {
            let _held = (caller, place);
            work()
        });
        working.await.unwrap_or_else(|error| Err(PasswordError::Failed(error.to_string())))
    }
}

fn is_of(hash: &Phc, params: &Params) -> bool {
    hash.algorithm == ARGON2ID_IDENT
        && Params::try_from(hash).is_ok_and(|own| {
            (own.m_cost(), own.t_cost(), own.p_cost()) == (params.m_cost(), params.t_cost(), params.p_cost())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(passes: u32) -> Passwords {
        Passwords::new(HashCost { memory_kib: 64, passes, at_once: 1 }).expect("a cost that argon2 knows")
    }

    fn secret(text: &str) -> Confidential {
        Confidential(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_is_salted_and_opens_to_its_password_only() {
        let passwords = passwords(1);
        let hash = passwords.hash(secret("canary-password")).await.expect("a hash");
        assert!(hash.0.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        assert_ne!(hash, passwords.hash(secret("canary-password")).await.expect("a hash"));
        for (password, verdict) in [
            ("canary-password", Verdict::Right),
            ("canary-Password", Verdict::Wrong),
            ("canary-password\0", Verdict::Wrong),
            ("", Verdict::Wrong),
        ] {
            assert_eq!(passwords.verify(secret(password), Some(hash.clone())).await, Ok(verdict));
        }
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_opens_and_is_told_apart() {
        let hash = passwords(1).hash(secret("canary-password")).await.expect("a hash");
        let dearer = passwords(3);
        let verdict = dearer.verify(secret("canary-password"), Some(hash.clone())).await;
        assert_eq!(verdict, Ok(Verdict::RightButOutdated));
        assert_eq!(dearer.verify(secret("another"), Some(hash)).await, Ok(Verdict::Wrong));
    }

    /// Made by the reference implementation: `argon2.low_level` of PyPI's argon2-cffi, the same hash as in its manual.
    #[tokio::test]
    async fn hashes_of_others_are_understood() {
        let hash = "$argon2id$v=19$m=65536,t=3,p=4$MIIRqgvgQbgj220jfp0MPA$YfwJSVjtjSU0zzV/P3S9nnQ/USre2wvJMjfCIjrTQbg";
        let passwords = passwords(1);
        let verdict =
            passwords.verify(secret("correct horse battery staple"), Some(PasswordHash(hash.into())));
        assert_eq!(verdict.await, Ok(Verdict::RightButOutdated));
    }

    #[tokio::test]
    async fn nobody_has_a_password_and_a_damaged_hash_is_a_fault() {
        let passwords = passwords(1);
        assert_eq!(passwords.verify(secret("canary-password"), None).await, Ok(Verdict::Wrong));
        let damaged = passwords.verify(secret("x"), Some(PasswordHash("$argon2id$".into()))).await;
        assert!(matches!(damaged, Err(PasswordError::Failed(_))));
    }

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_sent_away() {
        let passwords = passwords(1);
        let busy = passwords.places.clone().acquire_owned().await.expect("a place");
        let waiting: Vec<_> = (0..=WAITING_PER_PLACE).map(|_| passwords.verify(secret("x"), None)).collect();
        let mut waiting = Box::pin(futures_util::future::join_all(waiting));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(passwords.verify(secret("x"), None).await, Err(PasswordError::Busy));
        drop(busy);
        assert!(waiting.await.into_iter().all(|verdict| verdict == Ok(Verdict::Wrong)));
        assert_eq!(passwords.verify(secret("x"), None).await, Ok(Verdict::Wrong));
    }
}
