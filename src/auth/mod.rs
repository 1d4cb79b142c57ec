//! Credentials: how secrets are made, hashed, signed and checked, and how a provider vouches. Knows no routes and no SQL.

pub mod access_token;
mod caller;
mod email;
pub mod oidc;
mod secret;
mod settings;

pub use caller::{Caller, SignedIn};
pub use email::checked_email;
pub use secret::{ApiKeySecret, LinkSecret, LoginSecret, RefreshSecret, Secret, SecretKind, TicketSecret};
pub use settings::{AuthSettings, RegistrationPolicy};
