//! Status sockets (`/ws`, protocol `saas.v1`): one actor a socket, which subscribes to the bus and reads the index.

mod rate;
mod socket;
mod subscriptions;
#[cfg(test)]
mod tests;

pub use socket::{StatusConfig, StatusPorts, StatusSocket, StatusStart};
