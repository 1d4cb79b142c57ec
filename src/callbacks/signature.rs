//! Signatures of callbacks, as Standard Webhooks (standardwebhooks.com, specification 1.0) has them: HMAC-SHA256 of
//! `id.timestamp.body` under the account's secret. Pure but for the random numbers of a new secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::Sha256;
use sottovoce_actors::ports::callback::CallbackSecret;

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// Makes a secret.
///
/// # Errors
/// The system has no random numbers.
pub fn generate_secret() -> std::io::Result<CallbackSecret> {
    let mut bytes = [0; SECRET_BYTES];
    SysRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    Ok(CallbackSecret(format!("{PREFIX}{}", STANDARD.encode(bytes))))
}

/// Returns the header `webhook-signature`: the version, a comma, base64. A secret that is not base64 signs as it stands.
pub(super) fn sign(secret: &CallbackSecret, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let text = secret.0.strip_prefix(PREFIX).unwrap_or(&secret.0);
    let key = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
    mac.update(format!("{id}.{timestamp_s}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_published_example_comes_out() {
        let secret = CallbackSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into());
        let signed = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, other) = (generate_secret().expect("random"), generate_secret().expect("random"));
        assert!(one != other && one.0.len() == PREFIX.len() + 44);
    }
}
