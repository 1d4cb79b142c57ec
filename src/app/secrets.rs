//! The keys that the server signs with: configured, or in embedded mode made at random on the first start and kept in the
//! data folder, readable by its owner only.

use crate::auth::access_token::TokenKeys;
use crate::config::{Config, JwtKey};
use crate::http::cursor::CursorKey;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::os::unix::fs::DirBuilderExt;

/// The id of the key that is kept in the data folder.
const KEPT_KEY_ID: &str = "kept";
/// Who signs, where no public address is configured.
const LOCAL_ISSUER: &str = "sottovoce";

/// What was made of the keys.
pub(super) struct Secrets {
    pub(super) tokens: TokenKeys,
    pub(super) cursors: CursorKey,
}

/// Reads or makes the keys. Blocks: called once, at start.
pub(super) fn load(config: &Config) -> std::io::Result<Secrets> {
    let mut keys = config.auth.keys();
    if keys.is_empty() {
        let file = config.kept_key_file();
        if let Some(folder) = file.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let secret = crate::system::kept_random(&file)?.to_vec();
        keys.push(JwtKey { id: KEPT_KEY_ID.into(), secret });
    }
    let issuer = match config.http.public_url.trim_end_matches('/') {
        "" => LOCAL_ISSUER,
        url => url,
    };
    let tokens = TokenKeys::new(issuer, keys.iter().map(|key| (key.id.as_str(), key.secret.as_slice())));
    Ok(Secrets { tokens, cursors: CursorKey::new(derived(&keys[0].secret, b"page cursors")) })
}

/// Derives a key for one purpose, so that all nodes of one configuration have it (HMAC-SHA256 of the purpose).
fn derived(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!("HMAC takes any key"));
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}
