//! Fetches single files from the model hub over HTTPS.

use super::pull::PullError;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes the file at `url` to `target`, at most `most_bytes` of it: the size is known, so more is a wrong file.
pub(super) fn fetch(url: &str, target: &Path, most_bytes: u64) -> Result<(), PullError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|cause| PullError::Hub { url: url.to_owned(), cause: cause.to_string() })?;
    runtime.block_on(async {
        let refused = |cause: reqwest::Error| PullError::Hub {
            url: url.to_owned(),
            cause: causes(&cause.without_url()),
        };
        let client =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT).build();
        let client = client.map_err(refused)?;
        let mut response =
            client.get(url).send().await.and_then(|r| r.error_for_status()).map_err(refused)?;
        let disk = |cause| PullError::Disk { path: target.to_owned(), cause };
        let mut sink = File::create(target).map_err(disk)?;
        let mut written = 0u64;
        while let Some(chunk) = response.chunk().await.map_err(refused)? {
            written += chunk.len() as u64;
            if written > most_bytes {
                let cause = format!("the file is longer than the {most_bytes} bytes of the catalogue");
                return Err(PullError::Hub { url: url.to_owned(), cause });
            }
            sink.write_all(&chunk).map_err(disk)?;
        }
        Ok(())
    })
}

/// Returns an error with its causes: reqwest's own text says only that something failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
