//! How actors end, and how a parent hears of it. actix's own `Supervisor` is not used: it keeps the broken value and does
//! not survive a panic.

mod backoff;
mod guard;

pub use backoff::Backoff;
pub use guard::{Exit, ExitGuard};
