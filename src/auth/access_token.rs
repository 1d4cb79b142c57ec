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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use sottovoce_actors::ports::clock::Ids;
    use sottovoce_actors::testkit::SeededIds;

    const ISSUER: &str = "https://captions.example.org";
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OLDER: &[u8] = b"fedcba9876543210fedcba9876543210";
    const NOW: EpochMs = EpochMs(1_790_000_000_500);

    fn keys() -> TokenKeys {
        TokenKeys::new(ISSUER, [("new", SECRET), ("old", OLDER)])
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 + n)
    }

    fn token(token_use: TokenUse) -> Token {
        Token {
            token_use,
            account: AccountId::from_uuid(id(1)),
            behind: Behind::Session(SessionId::from_uuid(id(2))),
            epoch: TokenEpoch(3),
            // Whole seconds, as they stand in a token.
            expires_at: EpochMs(NOW.0 - 500 + 600_000),
        }
    }

    fn header() -> Value {
        json!({"alg": "HS256", "typ": "at+jwt", "kid": "new"})
    }

    fn claims() -> Value {
        let now_s = NOW.0 / 1000;
        json!({
            "iss": ISSUER, "aud": "sottovoce", "sub": id(1), "iat": now_s, "exp": now_s + 600, "jti": id(4),
            "behind": {"sid": id(2)}, "epoch": 3,
        })
    }

    fn with(mut document: Value, key: &str, value: Value) -> Value {
        document[key] = value;
        document
    }

    fn without(mut document: Value, key: &str) -> Value {
        document.as_object_mut().expect("an object").remove(key).expect("it was there");
        document
    }

    /// Signs whatever a forger may write, with a key and algorithm of the forger's choice.
    fn forged_with(header: &Value, claims: &Value, algorithm: Algorithm, secret: &[u8]) -> String {
        let part = |document: &Value| URL_SAFE_NO_PAD.encode(document.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).expect("a signature");
        format!("{message}.{signature}")
    }

    fn forged(header: &Value, claims: &Value) -> String {
        forged_with(header, claims, Algorithm::HS256, SECRET)
    }

    fn check(text: &str) -> Result<Token, BadToken> {
        keys().check(text, TokenUse::Access, NOW)
    }

    #[test]
    fn what_is_signed_is_read_back_and_written_by_hand_is_the_same() {
        let ids = SeededIds::new(1);
        for token_use in [TokenUse::Access, TokenUse::Listen] {
            let signed = keys().sign(&token(token_use), NOW, ids.uuid()).expect("signed");
            assert_eq!(keys().check(&signed, token_use, NOW), Ok(token(token_use)));
            assert_eq!(TokenKeys::claimed_use(&signed), Some(token_use));
        }
        // Every forgery below differs from this in one thing only.
        assert_eq!(check(&forged(&header(), &claims())), Ok(token(TokenUse::Access)));
    }

    #[test]
    fn another_algorithm_is_refused() {
        for algorithm in ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA"] {
            let text = forged(&with(header(), "alg", json!(algorithm)), &claims());
            assert_eq!(check(&text), Err(BadToken), "{algorithm}");
            let (message, _) = text.rsplit_once('.').expect("a signature");
            assert_eq!(check(&format!("{message}.")), Err(BadToken), "{algorithm} unsigned");
            assert_eq!(check(message), Err(BadToken), "{algorithm} in two parts");
        }
        // Truly signed so, with the right key.
        for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
            let text = forged_with(&with(header(), "alg", json!(name)), &claims(), algorithm, SECRET);
            assert_eq!(check(&text), Err(BadToken), "{name}");
        }
        assert_eq!(check(&forged(&without(header(), "alg"), &claims())), Err(BadToken));
    }

    #[test]
    fn another_key_or_type_is_refused() {
        for kid in [json!("older"), json!(""), json!("NEW"), json!("../new"), json!(0), Value::Null] {
            let text = forged(&with(header(), "kid", kid.clone()), &claims());
            assert_eq!(check(&text), Err(BadToken), "{kid}");
        }
        assert_eq!(check(&forged(&without(header(), "kid"), &claims())), Err(BadToken));
        let other = forged_with(&header(), &claims(), Algorithm::HS256, b"another key of thirty-two bytes!");
        assert_eq!(check(&other), Err(BadToken));
        let swapped = forged_with(&header(), &claims(), Algorithm::HS256, OLDER);
        assert_eq!(check(&swapped), Err(BadToken), "a good key under the other's name");
        for media_type in ["JWT", "at+JWT", "application/at+jwt", "grant+jwt", "id+jwt", ""] {
            let text = forged(&with(header(), "typ", json!(media_type)), &claims());
            assert_eq!(check(&text), Err(BadToken), "{media_type}");
        }
        assert_eq!(check(&forged(&without(header(), "typ"), &claims())), Err(BadToken));
    }

    #[test]
    fn claims_must_be_ours_all_of_them_and_no_others() {
        for (key, value) in [
            ("iss", json!("https://captions.example.org/")),
            ("iss", json!("sottovoce")),
            ("iss", json!([ISSUER])),
            ("aud", json!("sottovoce:listen")),
            ("aud", json!("sottovoce.evil")),
            ("aud", json!(["sottovoce", "another"])),
            ("aud", json!("")),
            ("sub", json!("someone")),
            ("sub", json!("")),
            ("exp", json!("1790000600")),
            ("exp", json!(f64::MAX)),
            ("iat", json!("now")),
            ("epoch", json!("3")),
            ("behind", json!({"sid": id(2), "key": id(2)})),
            ("behind", json!({"user": id(2)})),
            ("behind", json!("sid")),
            ("nbf", json!(0)),
            ("scope", json!("admin")),
        ] {
            let text = forged(&header(), &with(claims(), key, value.clone()));
            assert_eq!(check(&text), Err(BadToken), "{key}: {value}");
        }
        for key in ["iss", "aud", "sub", "iat", "exp", "jti", "behind", "epoch"] {
            assert_eq!(check(&forged(&header(), &without(claims(), key))), Err(BadToken), "no {key}");
        }
    }

    #[test]
    fn a_token_is_good_in_its_time_give_or_take_five_seconds() {
        let now_s = NOW.0 / 1000;
        for (iat, exp, good) in [
            (now_s - 600, now_s + 1, true),
            (now_s - 600, now_s - 4, true),
            (now_s - 600, now_s - 5, false),
            (now_s - 600, now_s - 6, false),
            (0, 1, false),
            (now_s + 5, now_s + 600, true),
            (now_s + 6, now_s + 600, false),
            (now_s, now_s, false),
            (now_s + 2, now_s + 1, false),
            (i64::MIN, i64::MAX, true),
            (now_s, i64::MIN, false),
        ] {
            let times = with(with(claims(), "iat", json!(iat)), "exp", json!(exp));
            assert_eq!(check(&forged(&header(), &times)).is_ok(), good, "from {iat} to {exp} at {now_s}");
        }
    }

    #[test]
    fn neither_use_passes_for_the_other() {
        let ids = SeededIds::new(2);
        for (made_for, tried_as) in
            [(TokenUse::Access, TokenUse::Listen), (TokenUse::Listen, TokenUse::Access)]
        {
            let signed = keys().sign(&token(made_for), NOW, ids.uuid()).expect("signed");
            assert_eq!(keys().check(&signed, tried_as, NOW), Err(BadToken));
        }
        // The type of one with the audience of the other.
        let mixed = forged(&with(header(), "typ", json!("grant+jwt")), &claims());
        assert_eq!(keys().check(&mixed, TokenUse::Listen, NOW), Err(BadToken));
    }

    #[test]
    fn a_damaged_token_is_refused_wherever_it_is_damaged() {
        let good = forged(&header(), &claims());
        for end in 0..good.len() {
            assert_eq!(check(&good[..end]), Err(BadToken), "cut at {end}");
        }
        for at in 0..good.len() {
            let other = if good.as_bytes()[at] == b'A' { "Q" } else { "A" };
            let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            assert_eq!(check(&changed), Err(BadToken), "changed at {at}");
        }
        let (message, signature) = good.rsplit_once('.').expect("a signature");
        for text in [
            format!("{good}."),
            format!("{good}A"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            format!("{message}.{message}.{signature}"),
            format!("..{signature}"),
            "a.b.c".into(),
            "..".into(),
        ] {
            assert_eq!(check(&text), Err(BadToken), "{text}");
        }
    }

    #[test]
    fn a_key_is_replaced_without_logging_anybody_out() {
        let before = TokenKeys::new(ISSUER, [("old", OLDER)]);
        let after = TokenKeys::new(ISSUER, [("new", SECRET)]);
        let ids = SeededIds::new(3);
        let from_before = before.sign(&token(TokenUse::Access), NOW, ids.uuid()).expect("signed");
        let from_between = keys().sign(&token(TokenUse::Access), NOW, ids.uuid()).expect("signed");
        for (keys, old_is_good, new_is_good) in
            [(&before, true, false), (&keys(), true, true), (&after, false, true)]
        {
            let is_good = |text: &str| keys.check(text, TokenUse::Access, NOW).is_ok();
            assert_eq!((is_good(&from_before), is_good(&from_between)), (old_is_good, new_is_good));
        }
    }
}
