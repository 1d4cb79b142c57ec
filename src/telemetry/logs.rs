//! Structured logs on standard error. Set up once per process.

use crate::config::{LogFormat, TelemetryConfig};
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets the process's log filter and format. A second call (tests, `demo`) leaves the first in place.
pub fn init(config: &TelemetryConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.log);
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where logs were set up before.
    let _ = match config.format() {
        LogFormat::Json => builder.json().flatten_event(true).finish().with(discretion()).try_init(),
        LogFormat::Text => {
            builder.with_ansi(std::io::stderr().is_terminal()).finish().with(discretion()).try_init()
        }
    };
}

/// Silences, whatever the filter asks for, what others would log of bodies and signed links: the S3 client's own levels.
fn discretion() -> FilterFn {
    filter_fn(|event| !event.target().starts_with("aws_") || *event.level() <= LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bodies_and_signatures_are_not_logged_whatever_is_asked_for() {
        let kept = Kept::default();
        let writer = kept.clone();
        let filter = EnvFilter::builder().parse_lossy("trace,aws_sigv4::http_request=trace");
        let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
        tracing::subscriber::with_default(builder.finish().with(discretion()), || {
            tracing::trace!(target: "aws_sigv4::http_request::sign", "signature");
            tracing::debug!(target: "aws_smithy_runtime::client", "body");
            tracing::warn!(target: "aws_smithy_runtime::client", "trouble");
            tracing::trace!("ours");
        });
        let kept = String::from_utf8(kept.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(kept.contains("trouble") && kept.contains("ours"), "{kept}");
        assert!(!kept.contains("signature") && !kept.contains("body"), "{kept}");
    }
}
