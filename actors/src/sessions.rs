//! Registry of live sessions.
