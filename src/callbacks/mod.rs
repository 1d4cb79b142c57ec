//! The way out to the addresses that job owners name for the end of their jobs: which may be named (`policy`), how a
//! request is signed (`signature`) and sent (`sender`). Nothing else in the server connects to an address a user gave.

mod policy;
mod sender;
mod signature;

pub use policy::CallbackPolicy;
pub use sender::HttpCallbackSender;
pub use signature::generate_secret;
