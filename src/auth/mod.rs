//! Credentials: how secrets are made, hashed, signed and checked, and how a provider vouches. Knows no routes and no SQL.

pub mod access_token;
mod caller;
mod email;
mod flows;
mod links;
mod login;
pub mod oidc;
mod password;
mod password_change;
mod password_policy;
mod registration;
mod secret;
mod settings;

pub use caller::{Caller, SignedIn};
pub use email::checked_email;
pub use flows::{FlowError, Flows};
pub use links::link_url;
pub use login::LoggedIn;
pub use password::{HashCost, PasswordError, Passwords, Verdict};
pub use password_policy::{Unsuitable, check as check_password};
pub use registration::Joined;
pub use secret::{ApiKeySecret, LinkSecret, LoginSecret, RefreshSecret, Secret, SecretKind, TicketSecret};
pub use settings::{AuthSettings, RegistrationPolicy};
