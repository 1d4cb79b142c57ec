//! The ports: traits that adapters implement and the actor tree calls. Port types mention neither actix nor an adapter.

pub mod bus;
pub mod callback;
pub mod clock;
pub mod ear;
pub mod engine;
pub mod files;
pub mod identity;
pub mod mail;
pub mod media;
pub mod recogniser;
pub mod store;
pub mod translator;
