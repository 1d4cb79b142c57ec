//! Which passwords are taken: long ones that are not the first to be guessed. No rules about kinds of characters (NIST
//! SP 800-63B §3.1.1.2). Pure.

use std::collections::HashSet;

/// Longest password: far over what anybody types, and short enough that hashing it costs nothing beside argon2id.
const MAX_BYTES: usize = 1024;
/// Fewer different characters are a key held down.
const MIN_DIFFERENT_CHARS: usize = 4;

/// The passwords of eight and more characters that lists of leaked ones begin with, in lower case.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1029384756",
    "11223344",
    "1122334455",
    "12345678",
    "123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "123456789q",
    "1234567891",
    "123qweasdzxc",
    "147258369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx",
    "1qaz2wsx3edc",
    "9876543210",
    "987654321",
    "abc123456",
    "abcd1234",
    "abcdefghij",
    "adminadmin",
    "administrator",
    "asdfghjkl",
    "asdfghjkl;",
    "baseball1",
    "changeme",
    "changeme123",
    "football1",
    "iloveyou",
    "iloveyou1",
    "iloveyou123",
    "letmein123",
    "liverpool1",
    "manchester",
    "michael123",
    "mypassword",
    "p@ssw0rd",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password1!",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "princess1",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "q1w2e3r4t5y6",
    "qazwsxedc",
    "qazwsxedcrfv",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyui",
    "qwertyuiop",
    "qwertyuiop123",
    "sottovoce",
    "sottovoce1",
    "sottovoce123",
    "sunshine1",
    "superman1",
    "trustno1",
    "welcome123",
    "zaq12wsx",
    "zxcvbnm123",
    "zxcvbnm,./",
];

/// Why a password is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unsuitable {
    /// Fewer characters than the configuration asks for.
    #[error("the password is too short; use {0} or more characters")]
    TooShort(usize),
    /// More bytes than are hashed.
    #[error("the password is too long; use at most {MAX_BYTES} bytes")]
    TooLong,
    /// It is the e-mail address, or the part of it before the @.
    #[error("the password is the e-mail address; choose another")]
    Email,
    /// It is one of the first to be guessed.
    #[error("the password is among the first that anybody guesses; choose another")]
    Common,
}

/// Checks a password that somebody chose; `email` is the account's, where it is known.
///
/// # Errors
/// See [`Unsuitable`].
pub fn check(password: &str, email: Option<&str>, min_chars: usize) -> Result<(), Unsuitable> {
    if password.len() > MAX_BYTES {
        return Err(Unsuitable::TooLong);
    }
    if password.chars().count() < min_chars {
        return Err(Unsuitable::TooShort(min_chars));
    }
    let lower = password.to_lowercase();
    if let Some(email) = email.map(str::to_lowercase)
        && (lower == email || email.split('@').next() == Some(&lower))
    {
        return Err(Unsuitable::Email);
    }
    let different: HashSet<char> = lower.chars().collect();
    if different.len() < MIN_DIFFERENT_CHARS || COMMON.contains(&lower.as_str()) {
        return Err(Unsuitable::Common);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unusual_ones_are_taken() {
        let longest = "canary-password ".repeat(64);
        for good in ["canary-password", "ünïcödé wörds", "correct horse battery", longest.as_str()] {
            assert_eq!(check(good, Some("ada@example.test"), 10), Ok(()), "{good}");
        }
    }

    #[test]
    fn short_huge_and_guessable_ones_are_not() {
        let huge = "canary-password ".repeat(64) + "x";
        for (bad, why) in [
            ("", Unsuitable::TooShort(10)),
            ("ninechars", Unsuitable::TooShort(10)),
            // Nine characters in eighteen bytes.
            ("ääääöööüü", Unsuitable::TooShort(10)),
            (huge.as_str(), Unsuitable::TooLong),
            ("Lovelace.Ada@Example.Test", Unsuitable::Email),
            ("lovelace.ada", Unsuitable::Email),
            ("Password123", Unsuitable::Common),
            ("qwertyuiop", Unsuitable::Common),
            ("aaaaaaaaaaaa", Unsuitable::Common),
            ("ababababababab", Unsuitable::Common),
        ] {
            assert_eq!(check(bad, Some("lovelace.ada@example.test"), 10), Err(why), "{bad}");
        }
        assert_eq!(check("password", None, 8), Err(Unsuitable::Common));
    }
}
