//! Leases queued jobs and starts job actors.
