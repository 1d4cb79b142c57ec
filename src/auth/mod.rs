//! Credentials: how secrets are made and hashed. Knows no HTTP and no SQL.

mod api_key;

pub use api_key::ApiKeySecret;
