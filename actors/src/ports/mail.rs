//! The port of outgoing mail.

use async_trait::async_trait;

/// A letter in plain text. It may hold a one-time link: it never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// The mail server did not take a letter; the cause holds no part of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the mail could not be sent: {0}")]
pub struct MailError(pub String);

/// Sends letters.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands a letter to the mail server; bounded in time.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}
