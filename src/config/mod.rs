//! Configuration: compiled-in defaults, file, environment.
