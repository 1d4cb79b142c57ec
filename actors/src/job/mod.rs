//! One running batch job.
