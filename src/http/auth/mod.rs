//! `/auth/*`: the flows of accounts over HTTP. Handlers read, count, call a flow of `crate::auth`, record and answer;
//! nothing is decided here about who is let in.

mod answers;
pub mod cookie;
mod counting;
pub mod login;
pub mod logout;
pub mod me;
pub mod oidc;
pub mod password;
mod presented;
pub mod refresh;
pub mod register;
pub mod verify;

pub use cookie::CSRF_HEADER;

use crate::auth::checked_email;
use crate::http::error::ApiError;

/// Returns an address of a request in lower case.
///
/// # Errors
/// `bad_request`.
fn email_of(text: &str) -> Result<String, ApiError> {
    checked_email(text).ok_or_else(|| ApiError::bad_request("`email` must be an e-mail address"))
}
