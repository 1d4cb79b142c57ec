//! Sessions in virtual time, with scripted ports.
