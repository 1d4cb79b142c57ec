//! Keeps what the server logs during tests, at the most talkative level, for `src/tests/search_logs.sh` to search: no
//! secret and nothing that was spoken may be in it. The clients that a test itself uses are left out.

use std::sync::Once;
use tracing_subscriber::EnvFilter;

/// The folder that `make test` names; unset, nothing is kept.
pub const FOLDER: &str = "SOTTOVOCE_TEST_LOG_DIR";
/// Everything but the tests' own WebSocket and HTTP clients, which log what they send, and what the server itself never
/// logs (`telemetry::discretion`).
const FILTER: &str =
    "trace,tungstenite=off,tokio_tungstenite=off,hyper=off,hyper_util=off,reqwest=off,h2=off,aws_=info";

static KEPT: Once = Once::new();

/// Keeps the logs of this process from now on.
pub fn keep() {
    KEPT.call_once(|| {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let path = std::path::Path::new(&folder).join(format!("{}.log", std::process::id()));
        let file = std::fs::File::options().create(true).append(true).open(path).expect("a log file");
        let filter = EnvFilter::builder().parse_lossy(FILTER);
        let kept = tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(file);
        kept.try_init().expect("nothing else set up logs");
    });
}
