//! The bucket's objects by name, and the end of uploads that a crash left unfinished.

use crate::files::s3::bucket::Bucket;
use crate::files::s3::fault::describe;
use crate::system::SystemClock;
use aws_sdk_s3::primitives::DateTime;
use sottovoce_actors::ports::clock::Clock;
use sottovoce_actors::ports::files::FileError;
use sottovoce_actors::ports::store::{EpochMs, StorageRef};
use std::sync::Arc;

/// A name with the time of its youngest key.
struct Found {
    name: StorageRef,
    written_at: EpochMs,
}

/// What was written until then is old enough.
#[derive(Clone, Copy)]
struct Stale {
    until: Option<EpochMs>,
}

impl Stale {
    /// `stale_s` 0: everything is, whatever the clocks say.
    fn since(stale_s: u64) -> Self {
        let stale_ms = i64::try_from(stale_s.saturating_mul(1000)).unwrap_or(i64::MAX);
        let until = (stale_s > 0).then(|| EpochMs(SystemClock.now().0.saturating_sub(stale_ms)));
        Self { until }
    }

    fn holds(self, written_at: EpochMs) -> bool {
        self.until.is_none_or(|until| written_at <= until)
    }
}

/// What tells no time counts as just written.
fn time_of(date: Option<DateTime>) -> EpochMs {
    date.and_then(|date| date.to_millis().ok()).map_or(EpochMs(i64::MAX), EpochMs)
}

/// Lists as the port says; keys that are not ours are left out.
pub async fn list(
    bucket: &Bucket,
    after: Option<&StorageRef>,
    limit: u32,
    stale_s: u64,
) -> Result<Vec<StorageRef>, FileError> {
    let stale = Stale::since(stale_s);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut names, mut latest) = (Vec::new(), None::<Found>);
    let mut after = after.map(|name| bucket.keys.behind(name));
    while names.len() < limit {
        // One more: a name is complete when the next one is seen.
        let wanted = u32::try_from(limit - names.len()).unwrap_or(u32::MAX).saturating_add(1);
        let page = bucket.list(bucket.keys.root(), after, wanted).await?;
        for object in page.objects {
            let Some(named) = object.key.as_deref().and_then(|key| bucket.keys.parse(key)) else { continue };
            let written_at = time_of(object.last_modified);
            match &mut latest {
                Some(found) if found.name == named.name => {
                    found.written_at = found.written_at.max(written_at)
                }
                _ => {
                    let complete = latest.replace(Found { name: named.name, written_at });
                    names.extend(
                        complete.filter(|found| stale.holds(found.written_at)).map(|found| found.name),
                    );
                }
            }
        }
        after = page.more_after;
        if after.is_none() {
            names.extend(latest.take().filter(|found| stale.holds(found.written_at)).map(|found| found.name));
            break;
        }
    }
    names.truncate(limit);
    Ok(names)
}

/// Aborts uploads in parts that began so long ago. A server that cannot list them is told of, and left to its own rules.
pub async fn abort_stale(bucket: &Arc<Bucket>, stale_s: u64) -> Result<(), FileError> {
    let stale = Stale::since(stale_s);
    let (mut key_marker, mut upload_marker) = (None, None);
    loop {
        let request = bucket
            .client
            .list_multipart_uploads()
            .bucket(&bucket.name)
            .prefix(bucket.keys.root())
            .set_key_marker(key_marker)
            .set_upload_id_marker(upload_marker);
        let listed = bucket.thread.run(async move { Ok(request.send().await) }).await?;
        let page = match listed {
            Ok(page) => page,
            Err(error) => {
                tracing::info!(
                    cause = describe(&error),
                    "unfinished uploads cannot be listed, a rule of the bucket must end them"
                );
                return Ok(());
            }
        };
        for upload in page.uploads.unwrap_or_default() {
            if let (Some(key), Some(id)) = (upload.key, upload.upload_id)
                && bucket.keys.parse(&key).is_some()
                && stale.holds(time_of(upload.initiated))
            {
                bucket.thread.run(bucket.clone().abort(key, id)).await?;
            }
        }
        if page.is_truncated != Some(true) {
            return Ok(());
        }
        (key_marker, upload_marker) = (page.next_key_marker, page.next_upload_id_marker);
    }
}
