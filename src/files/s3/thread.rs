//! The thread that talks to the object server. Connections live as long as the runtime that opened them, and whoever waits
//! for one needs that runtime to turn: on a thread of their own they outlive every arbiter, and a decoder on a blocking
//! thread can wait for them. Bounds how many requests are under way.

use sottovoce_actors::ports::files::FileError;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::AbortOnDropHandle;

/// Requests under way; more wait, within their callers' patience.
const REQUESTS_AT_ONCE: usize = 64;

/// A handle; the thread ends when it is dropped.
pub struct S3Thread {
    handle: Handle,
    places: Arc<Semaphore>,
    _end: oneshot::Sender<()>,
}

fn stopped(error: impl std::fmt::Display) -> FileError {
    FileError::Unavailable(format!("a request was cut off: {error}"))
}

impl S3Thread {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        std::thread::Builder::new().name("s3".into()).spawn(move || {
            // An error is the sender's end: the store is gone.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { handle, places: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)), _end: end })
    }

    /// Makes a request; it is cut off if the caller stops waiting.
    pub async fn run<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, FileError>> + Send + 'static,
    ) -> Result<T, FileError> {
        AbortOnDropHandle::new(self.handle.spawn(placed(self.places.clone(), request)))
            .await
            .map_err(stopped)?
    }

    /// Does some work that makes requests and waits for it, on a thread that may block.
    pub fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, FileError>> + Send + 'static,
    ) -> Result<T, FileError> {
        let (answer, answered) = sync_channel(1);
        self.handle.spawn(async move {
            // Nobody waits any more only if the thread that did is gone.
            let _ = answer.send(work.await);
        });
        answered.recv().map_err(stopped)?
    }

    /// Makes a request that nobody waits for.
    pub fn leave(&self, request: impl Future<Output = Result<(), FileError>> + Send + 'static) {
        let request = placed(self.places.clone(), request);
        self.handle.spawn(async move {
            if let Err(error) = request.await {
                tracing::warn!(cause = %error, "clean-up in the bucket failed, the sweep will do it");
            }
        });
    }
}

/// Makes a request when there is a place for it.
async fn placed<T>(
    places: Arc<Semaphore>,
    request: impl Future<Output = Result<T, FileError>>,
) -> Result<T, FileError> {
    let _place = places.acquire_owned().await.map_err(stopped)?;
    request.await
}
