//! One running batch job: a lease of a row, from the upload to its artifacts. The row is the truth; the actor only runs
//! one claim of it, and every write carries the claim's epoch.

mod actor;
mod announce;
mod cutter;
mod input;
mod messages;
mod pieces;
mod retry;
mod settle;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use actor::lease_end;
pub use actor::{JobActor, hears};
pub use announce::{announce, state_of};
pub use cutter::{Cutter, Utterance};
pub use messages::{JobConfig, JobOrder, JobPorts, VoiceMaker};
pub(crate) use retry::jitter;
pub use retry::{Fault, Verdict, after_fault};
pub(crate) use settle::{Settled, discard, settle};
