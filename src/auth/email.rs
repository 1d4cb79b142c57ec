//! What counts as an e-mail address. Whether mail arrives there is not known here.

/// Longest address that mail can have (RFC 5321: 64 before the @, 255 after it).
const MAX_CHARS: usize = 320;

/// Returns the address in lower case if it looks like one.
pub fn checked_email(email: &str) -> Option<String> {
    let (local, domain) = email.split_once('@')?;
    let usable = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && !domain.starts_with('.')
        && !email.contains(|c: char| c.is_whitespace() || c.is_control())
        && email.chars().count() <= MAX_CHARS;
    usable.then(|| email.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lowered_and_nonsense_is_refused() {
        assert_eq!(checked_email("Me@Example.ORG").as_deref(), Some("me@example.org"));
        assert_eq!(checked_email("owner@localhost").as_deref(), Some("owner@localhost"));
        let long = format!("{}@example.org", "x".repeat(400));
        for bad in ["", "me", "@example.org", "me@", "me@@x", "me @example.org", "me@x\n", "me@.x", &long] {
            assert_eq!(checked_email(bad), None, "{bad:?}");
        }
    }
}
