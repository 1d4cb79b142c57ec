//! The adapter of outgoing mail. Knows no account and never logs a letter.

mod smtp;

pub use smtp::{SetupError, SmtpMailer};
