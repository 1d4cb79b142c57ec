//! Credentials: how secrets are made, hashed, signed and checked. Knows no HTTP and no SQL.

pub mod access_token;
mod caller;
mod email;
mod secret;
mod settings;

pub use caller::{Caller, SignedIn};
pub use email::checked_email;
pub use secret::{ApiKeySecret, LinkSecret, LoginSecret, RefreshSecret, Secret, SecretKind, TicketSecret};
pub use settings::{AuthSettings, RegistrationPolicy};
