//! Subscriptions of one status socket.
