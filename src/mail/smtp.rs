//! Letters over SMTP (lettre): TLS from the first byte (`smtps:`), STARTTLS that must succeed (`smtp:`), or none for a
//! server on this machine (`smtp+plain:`).

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use reqwest::Url;
use sottovoce_actors::ports::mail::{Mail, MailError, Mailer};
use std::time::Duration;

/// Ports of the three forms (RFC 8314, RFC 6409, RFC 5321).
const SMTPS_PORT: u16 = 465;
const SUBMISSION_PORT: u16 = 587;
const PLAIN_PORT: u16 = 25;

/// Why mail cannot be set up. Never holds the URL: it has a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("smtp.{key} cannot be used: {problem}")]
pub struct SetupError {
    key: &'static str,
    problem: String,
}

/// Sends letters through one mail server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    within: Duration,
}

impl SmtpMailer {
    /// Prepares the connection; nothing is sent. `within` bounds each letter.
    ///
    /// # Errors
    /// The URL or the sender's address cannot be used.
    pub fn new(url: &str, from: &str, within: Duration) -> Result<Self, SetupError> {
        let bad = |key, problem: &str| SetupError { key, problem: problem.to_owned() };
        let from = from.parse().map_err(|_| bad("from", "it is no address"))?;
        let url = Url::parse(url).map_err(|_| bad("url", "it is no URL"))?;
        let host = url.host_str().ok_or_else(|| bad("url", "it names no host"))?.to_owned();
        let tls = |host: String| {
            TlsParameters::new(host).map_err(|error| SetupError { key: "url", problem: error.to_string() })
        };
        let (tls, port) = match url.scheme() {
            "smtps" => (Tls::Wrapper(tls(host.clone())?), SMTPS_PORT),
            "smtp" => (Tls::Required(tls(host.clone())?), SUBMISSION_PORT),
            "smtp+plain" => (Tls::None, PLAIN_PORT),
            _ => return Err(bad("url", "its scheme is none of smtps, smtp, smtp+plain")),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(url.port().unwrap_or(port))
            .tls(tls)
            .timeout(Some(within));
        if let Some(password) = url.password() {
            let plain = |text: &str| {
                percent_encoding::percent_decode_str(text)
                    .decode_utf8()
                    .map(std::borrow::Cow::into_owned)
                    .map_err(|_| bad("url", "user and password must be percent-encoded UTF-8"))
            };
            builder = builder.credentials(Credentials::new(plain(url.username())?, plain(password)?));
        }
        Ok(Self { transport: builder.build(), from, within })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let to =
            mail.to.parse().map_err(|_| MailError("the address is none that mail can be sent to".into()))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text)
            .map_err(|error| MailError(error.to_string()))?;
        match tokio::time::timeout(self.within, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            // lettre's errors hold the server's words, never the letter.
            Ok(Err(error)) => Err(MailError(error.to_string())),
            Err(_) => Err(MailError("the mail server did not answer in time".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_told_without_the_url() {
        let within = Duration::from_secs(1);
        for (url, from, key) in [
            ("smtps://u:hunter2@mail.example.org", "nobody", "from"),
            ("mail.example.org:hunter2", "a@example.org", "url"),
            ("imap://u:hunter2@mail.example.org", "a@example.org", "url"),
        ] {
            let error = SmtpMailer::new(url, from, within).err().expect("refused");
            assert_eq!(error.key, key);
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
        for url in [
            "smtps://u:p%40ss@mail.example.org",
            "smtp://mail.example.org:2525",
            "smtp+plain://127.0.0.1:1025",
        ] {
            assert!(SmtpMailer::new(url, "Captions <captions@example.org>", within).is_ok(), "{url}");
        }
    }
}
