//! `gen-secrets`: random secrets as lines for the environment of a production server. Nothing keeps a copy.

use super::Failure;
use crate::config::Config;
use crate::system::SystemClock;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::TryRng;
use rand::rngs::SysRng;
use sottovoce_actors::hex::hex;
use sottovoce_actors::ports::clock::Clock;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_actors::time::rfc3339;
use std::io::Write;

/// Bytes of a signing key (HS256).
const KEY_BYTES: usize = 32;
/// Bytes that tell the keys of one day apart.
const ID_BYTES: usize = 3;

/// Prints the lines and nothing else, so that they can go straight into a file. With the configuration of a running
/// server, the new key comes before the one that signs now, which goes on being taken.
pub(super) fn print(rotating: Option<&Config>) -> Result<(), Failure> {
    let mut keys = vec![new_key(SystemClock.now()).map_err(Failure::of)?];
    if let Some(config) = rotating {
        let signing = config.auth.jwt_keys.first();
        let signing = signing.ok_or_else(|| {
            Failure::Failed(
                "auth.jwt_keys is empty, so there is nothing to rotate; leave --rotate out for a first key"
                    .into(),
            )
        })?;
        keys.push(signing.expose().to_owned());
    }
    let line = format!("SOTTOVOCE__AUTH__JWT_KEYS={}\n", keys.join(","));
    std::io::stdout().write_all(line.as_bytes()).map_err(Failure::of)
}

/// Makes a signing key, `ID:BASE64`; the id is the day and something that tells two of one day apart.
fn new_key(now: EpochMs) -> std::io::Result<String> {
    let mut random = [0; KEY_BYTES + ID_BYTES];
    SysRng.try_fill_bytes(&mut random).map_err(std::io::Error::other)?;
    let (secret, id) = random.split_at(KEY_BYTES);
    let id = hex(id);
    let day: String = rfc3339(now).chars().take_while(|c| *c != 'T').collect();
    Ok(format!("{day}-{id}:{}", STANDARD.encode(secret)))
}
