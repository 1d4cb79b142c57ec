//! Refuses uploads that stand still or crawl. Only time spent waiting for the client counts, never our own disk's.

use crate::http::error::ApiError;
use crate::http::state::HttpLimits;
use sottovoce_protocol::error_code::ErrorCode;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// The pace of one upload.
pub struct Pace {
    idle: Duration,
    min_bytes_per_s: u64,
    window: Duration,
    waited: Duration,
    received: u64,
}

impl Pace {
    pub fn new(limits: &HttpLimits) -> Self {
        Self {
            idle: limits.upload_idle,
            min_bytes_per_s: limits.upload_min_bytes_per_s,
            window: limits.upload_window,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// Waits for something from the client.
    pub async fn wait<T>(&mut self, coming: impl Future<Output = T>) -> Result<T, ApiError> {
        let began = Instant::now();
        let came = timeout(self.idle, coming).await;
        self.waited += began.elapsed();
        let came = came.map_err(|_| too_slow("nothing came for too long; send the file again"))?;
        if self.waited >= self.window {
            let needed = self.waited.as_secs_f64() * self.min_bytes_per_s as f64;
            if (self.received as f64) < needed {
                return Err(too_slow("the upload is too slow; send the file over a better connection"));
            }
            self.waited = Duration::ZERO;
            self.received = 0;
        }
        Ok(came)
    }

    /// Notes how much came.
    pub fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }
}

fn too_slow(detail: &str) -> ApiError {
    ApiError::new(ErrorCode::UploadTooSlow, detail).closing()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{pause, sleep};

    fn pace() -> Pace {
        Pace {
            idle: Duration::from_secs(10),
            min_bytes_per_s: 100,
            window: Duration::from_secs(30),
            waited: Duration::ZERO,
            received: 0,
        }
    }

    async fn upload(pause_s: u64, chunk: usize, chunks: usize) -> Result<(), ErrorCode> {
        let mut pace = pace();
        for _ in 0..chunks {
            pace.wait(sleep(Duration::from_secs(pause_s))).await.map_err(|error| error.code())?;
            pace.received(chunk);
        }
        Ok(())
    }

    #[actix_web::test]
    async fn standing_still_and_crawling_are_refused() {
        pause();
        assert_eq!(upload(11, 1_000_000, 1).await, Err(ErrorCode::UploadTooSlow));
        assert_eq!(upload(5, 400, 100).await, Err(ErrorCode::UploadTooSlow));
        assert_eq!(upload(5, 700, 100).await, Ok(()));
        assert_eq!(upload(0, 1, 100_000).await, Ok(()));
    }

    #[actix_web::test]
    async fn our_own_slowness_is_not_the_clients() {
        pause();
        let mut pace = pace();
        for _ in 0..100 {
            pace.wait(async {}).await.unwrap();
            pace.received(1);
            sleep(Duration::from_secs(60)).await;
        }
    }
}
