//! Access tokens: short JWTs (HS256, `kid`) that name an account and what ends them. Made and checked here only; whether
//! the login or key behind one still holds is asked of the index at each use.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sottovoce_actors::ports::identity::TokenEpoch;
use sottovoce_actors::ports::store::EpochMs;
use sottovoce_protocol::ids::{AccountId, ApiKeyId, SessionId};
use std::fmt;
use uuid::Uuid;

/// The one algorithm.
const ALGORITHM: Algorithm = Algorithm::HS256;
/// Clocks of two nodes may differ by so much, in seconds.
const LEEWAY_S: i64 = 5;
/// Shortest key: what HS256 can use in full (RFC 7518 §3.2).
pub const MIN_KEY_BYTES: usize = 32;

/// What a token is for; each has an audience and a media type of its own, so that none passes for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenUse {
    /// Everything the account may do.
    Access,
    /// `/v1/listen` only (`POST /v1/auth/grant`).
    Listen,
}

impl TokenUse {
    const fn audience(self) -> &'static str {
        match self {
            Self::Access => "sottovoce",
            Self::Listen => "sottovoce:listen",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Listen => "grant+jwt",
        }
    }
}

/// What stands behind a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Behind {
    /// A login, and the account's epoch when the token was made.
    #[serde(rename = "sid")]
    Session(SessionId),
    /// An API key.
    #[serde(rename = "key")]
    Key(ApiKeyId),
}

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is for.
    pub token_use: TokenUse,
    /// Whose.
    pub account: AccountId,
    /// What ends it.
    pub behind: Behind,
    /// The account's epoch when it was made.
    pub epoch: TokenEpoch,
    /// Ends at, to the second.
    pub expires_at: EpochMs,
}

/// The claims as they stand in the token; all are required and no other is taken.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    iat: i64,
    exp: i64,
    jti: Uuid,
    behind: Behind,
    epoch: i64,
}

/// Why a token is refused. Callers are told no more than that it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the token is not valid")]
pub struct BadToken;

/// A key that signs or only checks.
struct Key {
    id: String,
    sign: EncodingKey,
    check: DecodingKey,
}

/// The keys: the first signs, all check, so that a key can be replaced without logging anybody out.
pub struct TokenKeys {
    issuer: String,
    keys: Vec<Key>,
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

impl TokenKeys {
    /// Takes keys with their ids, the signing one first. They were checked with the configuration.
    pub fn new<'a>(issuer: &str, keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let keys = keys.into_iter().map(|(id, secret)| Key {
            id: id.to_owned(),
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
        });
        Self { issuer: issuer.to_owned(), keys: keys.collect() }
    }

    /// Signs a token. `id` is its own, for the case that two are made in one second.
    ///
    /// # Errors
    /// There is no key, or the signing failed.
    pub fn sign(&self, token: &Token, now: EpochMs, id: Uuid) -> Result<String, BadToken> {
        let key = self.keys.first().ok_or(BadToken)?;
        let mut header = Header::new(ALGORITHM);
        header.kid = Some(key.id.clone());
        header.typ = Some(token.token_use.media_type().to_owned());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: token.token_use.audience().to_owned(),
            sub: token.account,
            iat: now.0.div_euclid(1000),
            exp: token.expires_at.0.div_euclid(1000),
            jti: id,
            behind: token.behind,
            epoch: token.epoch.0,
        };
        jsonwebtoken::encode(&header, &claims, &key.sign).map_err(|_| BadToken)
    }

    /// Checks a token: algorithm, key, type, signature, issuer, audience, times, and that nothing else stands in it.
    ///
    /// # Errors
    /// It is not ours, not of this use, over, or not yet good.
    pub fn check(&self, text: &str, token_use: TokenUse, now: EpochMs) -> Result<Token, BadToken> {
        let header = jsonwebtoken::decode_header(text).map_err(|_| BadToken)?;
        if header.typ.as_deref() != Some(token_use.media_type()) || header.alg != ALGORITHM {
            return Err(BadToken);
        }
        let key = self.keys.iter().find(|key| Some(&key.id) == header.kid.as_ref()).ok_or(BadToken)?;
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[token_use.audience()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are held against our own clock, below.
        validation.validate_exp = false;
        let claims =
            jsonwebtoken::decode::<Claims>(text, &key.check, &validation).map_err(|_| BadToken)?.claims;
        let now_s = now.0.div_euclid(1000);
        if now_s >= claims.exp.saturating_add(LEEWAY_S)
            || claims.iat > now_s.saturating_add(LEEWAY_S)
            || claims.exp <= claims.iat
        {
            return Err(BadToken);
        }
        Ok(Token {
            token_use,
            account: claims.sub,
            behind: claims.behind,
            epoch: TokenEpoch(claims.epoch),
            expires_at: EpochMs(claims.exp.saturating_mul(1000)),
        })
    }

    /// Returns what a token claims to be for, unchecked: which check it must pass.
    pub fn claimed_use(text: &str) -> Option<TokenUse> {
        let media_type = jsonwebtoken::decode_header(text).ok()?.typ?;
        [TokenUse::Access, TokenUse::Listen].into_iter().find(|one| one.media_type() == media_type)
    }
}
