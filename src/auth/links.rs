//! One-time links and the letters that carry them. The secret stands behind the `#`, which browsers send to no server and
//! which reaches no access log.

use crate::auth::LinkSecret;
use sottovoce_actors::ports::identity::LinkPurpose;
use sottovoce_actors::ports::mail::Mail;

/// Returns the address that a person opens; `base_url` has no final slash.
pub fn link_url(base_url: &str, purpose: LinkPurpose, secret: &LinkSecret) -> String {
    format!("{base_url}/#{}={}", purpose.as_str(), secret.expose())
}

/// Returns the letter that carries a link; `life_ms` is how long it is good.
pub(super) fn letter(to: String, purpose: LinkPurpose, url: &str, life_ms: i64) -> Mail {
    let (subject, what) = match purpose {
        LinkPurpose::Password => ("Set a new password", "set a new password"),
        LinkPurpose::Verify => ("Confirm your e-mail address", "confirm your e-mail address"),
        LinkPurpose::Invitation => ("Your invitation", "make your account"),
    };
    let text = format!(
        "Open this link to {what}. It is good once, for {}:\n\n{url}\n\nIf you did not ask for it, do nothing.\n",
        life(life_ms)
    );
    Mail { to, subject: subject.into(), text }
}

fn life(life_ms: i64) -> String {
    match life_ms / 60_000 {
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_tells_what_the_link_does_and_how_long() {
        let secret = LinkSecret::presented("svl_x");
        let url = link_url("https://captions.example.org", LinkPurpose::Password, &secret);
        assert_eq!(url, "https://captions.example.org/#password=svl_x");
        let mail = letter("ada@example.test".into(), LinkPurpose::Password, &url, 86_400_000);
        assert_eq!(mail.subject, "Set a new password");
        assert!(mail.text.contains(&format!("\n{url}\n")) && mail.text.contains("for 24 hours"));
        assert!(letter(mail.to, LinkPurpose::Verify, &url, 3_600_000).text.contains("for 60 minutes"));
    }
}
