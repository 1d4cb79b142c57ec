//! Typed identifiers. Every id on the wire and in the index is one of these, never a bare UUID or string.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The text is not the lower-case hyphenated form of a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MalformedId;

impl fmt::Display for MalformedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a lower-case hyphenated UUID")
    }
}

impl std::error::Error for MalformedId {}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID made by the `Ids` port or read from the index.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Returns the UUID inside.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            /// Accepts the hyphenated lower-case form only, so that one job has one name.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match Uuid::try_parse(text) {
                    Ok(uuid) if uuid.as_hyphenated().to_string() == text => Ok(Self(uuid)),
                    _ => Err(MalformedId),
                }
            }
        }
    };
}

uuid_id!(
    /// A job: batch transcription, translation, or a live stream.
    JobId
);
uuid_id!(
    /// An account (a row of `users`).
    AccountId
);
uuid_id!(
    /// An API key (a row of `api_keys`), never its secret.
    ApiKeyId
);
uuid_id!(
    /// A login (a row of `sessions`): the family of its refresh tokens.
    SessionId
);
uuid_id!(
    /// One refresh token of a login, never its secret.
    RefreshTokenId
);
uuid_id!(
    /// A line of the audit log.
    AuditId
);
uuid_id!(
    /// A stored artifact (a row of `artifacts`).
    ArtifactId
);
uuid_id!(
    /// One HTTP request or socket, for logs and error bodies.
    RequestId
);
uuid_id!(
    /// One running server process; owner of leases.
    NodeId
);

/// The catalogue id of a speech model, e.g. `moonshine` or `moonshine-tiny`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Names a model; whether it exists is the engine's to say.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
