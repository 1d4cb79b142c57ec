//! Runs computations on one thread each: rten's parallelism is for one caller, ours is one unit per worker.
//!
//! rten runs operators on a thread pool; every calling thread gets a pool of one thread for itself, so callers never
//! wait for each other and one unit never takes two cores.

use rten::{RunOptions, ThreadPool};
use std::sync::Arc;

thread_local! {
    static POOL: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
}

/// Runs `work` on the calling thread's own single-threaded pool, and waits for it.
///
/// `work` gets the options to pass to [`rten::Model::run`], which then stays on that thread.
pub(crate) fn run<T: Send>(work: impl FnOnce(&RunOptions) -> T + Send) -> T {
    POOL.with(|pool| {
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
        pool.run(|| work(&options))
    })
}
