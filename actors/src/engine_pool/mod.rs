//! The scheduler over the engine: queues, admission, worker threads.
