//! Where a login may go on: a path of this server and nothing that a browser could take for another.

/// Longer paths are not kept.
const MAX_BYTES: usize = 2048;

/// Returns the path if it is one of this server: begins with one `/`, is visible ASCII, and has no backslash, which
/// browsers read as `/`.
pub fn checked_return_to(path: &str) -> Option<&str> {
    let inner = path.strip_prefix('/')?;
    let usable = !inner.starts_with('/')
        && path.len() <= MAX_BYTES
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    usable.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_this_server_pass() {
        for path in ["/", "/app", "/app?job=1&x=//y#part", "/a//b", "/@evil.test", "/%2F%2Fevil.test", "/:80"]
        {
            assert_eq!(checked_return_to(path), Some(path));
        }
        let longest = format!("/{}", "a".repeat(MAX_BYTES - 1));
        assert!(checked_return_to(&longest).is_some());
    }

    #[test]
    fn whatever_may_lead_elsewhere_is_refused() {
        for path in [
            "",
            "app",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/\r\nSet-Cookie: a=b",
            "/a\0b",
            "/\u{7f}",
            " /app",
            "/app ",
            "/ü",
            "https://evil.test/",
            "https:/evil.test",
            "javascript:alert(1)",
            "\u{2f}\u{2f}evil.test",
            "?x",
            "#x",
            ".",
        ] {
            assert_eq!(checked_return_to(path), None, "{path:?}");
        }
        assert_eq!(checked_return_to(&format!("/{}", "a".repeat(MAX_BYTES))), None);
    }
}
