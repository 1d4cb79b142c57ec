//! The REST surface: routes, errors, guards. Knows ports and the actors' messages; no SQL, no actor's inside, no adapter.
//! Sockets are `crate::ws`, which uses the guard, the origins and the errors from here.

pub mod artifacts;
pub mod audit;
pub mod auth;
pub mod body;
mod callback_secret;
pub mod credentials;
pub mod cursor;
pub mod dialect;
pub mod doors;
pub mod error;
pub mod guard;
pub mod headers;
pub mod health;
pub mod jobs;
pub mod limits;
pub mod openapi;
pub mod origin;
pub mod page;
pub mod pairs;
pub mod proxies;
pub mod range;
pub mod request_id;
pub mod routes;
pub mod state;
#[cfg(test)]
mod tests;
pub mod upload;
pub mod view;

pub use error::ApiError;
pub use guard::{Anyone, Guarded, Needs, Person};
pub use origin::Origins;
pub use routes::{Access, ENDPOINTS, Endpoint, configure};
pub use state::{HttpLimits, HttpState};
