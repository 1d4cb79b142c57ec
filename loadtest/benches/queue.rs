//! What the job queue costs on each database: submissions a second and their latency, and claims beside 100,000 waiting
//! jobs of 1,000 accounts. Prints figures, asserts nothing about them.
//!
//!   src/tests/with_postgres.sh cargo bench --bench queue        without the script: SQLite alone

use sottovoce::config::{SecretText, StorageConfig};
use sottovoce::storage::{OpenedIndex, connect};
use sottovoce::system::{SystemClock, SystemIds};
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::{NewJob, StorageRef};
use sottovoce_protocol::ids::{AccountId, JobId, NodeId};
use sottovoce_protocol::jobs::{JobParams, JobType};
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::error::Error;
use std::time::Duration;
use tokio::time::Instant;

const SUBMISSIONS: usize = 2_000;
const AT_ONCE: usize = 8;
const ACCOUNTS: usize = 1_000;
const WAITING: usize = 100_000;
const CLAIMS: usize = 300;
/// The jobs of the crowd: one for each account, the rest the first one's.
const CROWD: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{WAITING}) \
     INSERT INTO jobs (id, user_id, type, status, input_ref, created_at, run_at, params) \
     SELECT '01920000-0000-7000-8000-' || CAST(100000000000 + n.i AS TEXT), u.id, 'transcription', 'queued', 'crowd/' || n.i, n.i, n.i, '{\"type\":\"transcription\"}' FROM n \
     JOIN (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM users) u \
     ON u.place=CASE WHEN n.i<={ACCOUNTS} THEN n.i ELSE 1 END";

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let folder = tempfile::TempDir::new()?;
        let url = format!("sqlite:{}/queue.db", folder.path().display());
        run("SQLite", &url).await?;
        match std::env::var("SOTTOVOCE_TEST_POSTGRES_URL") {
            Ok(url) => {
                let mut admin = PgConnection::connect(&url).await?;
                sqlx::query("DROP SCHEMA IF EXISTS queue_bench CASCADE").execute(&mut admin).await?;
                sqlx::query("CREATE SCHEMA queue_bench").execute(&mut admin).await?;
                run("PostgreSQL", &format!("{url}?options[search_path]=queue_bench")).await
            }
            Err(_) => {
                println!("PostgreSQL: no SOTTOVOCE_TEST_POSTGRES_URL, left out");
                Ok(())
            }
        }
    })
}

async fn run(name: &str, url: &str) -> Result<(), Box<dyn Error>> {
    let config = StorageConfig {
        url: SecretText::new(url.to_owned()),
        max_connections: 10,
        acquire_timeout_ms: 60_000,
        statement_timeout_ms: 600_000,
    };
    let index = connect(&config).await?;
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        let id = AccountId::from_uuid(SystemIds.uuid());
        accounts.push(
            index.identity().ensure_account(&format!("{number}@example.org"), id, SystemClock.now()).await?,
        );
    }
    let (latencies, took) = submissions(&index, &accounts).await?;
    report(name, &format!("submissions, {AT_ONCE} at once"), latencies, took);
    claims(name, "claims, 2,000 wait", &index).await?;
    fill(url).await?;
    claims(name, "claims, 100,000 wait", &index).await?;
    index.close().await;
    Ok(())
}

async fn submissions(
    index: &OpenedIndex,
    accounts: &[AccountId],
) -> Result<(Vec<Duration>, Duration), Box<dyn Error>> {
    let began = Instant::now();
    let mut workers = Vec::new();
    for worker in 0..AT_ONCE {
        let (store, accounts) = (index.store(), accounts.to_vec());
        workers.push(async move {
            let mut latencies = Vec::new();
            for number in (worker..SUBMISSIONS).step_by(AT_ONCE) {
                let id = JobId::from_uuid(SystemIds.uuid());
                let job = NewJob {
                    id,
                    account: accounts[number % accounts.len()],
                    params: JobParams::of(JobType::Transcription),
                    input: StorageRef(format!("{id}/input")),
                    file_name: None,
                    max_attempts: 3,
                    max_queued: u64::MAX,
                    idempotency: None,
                    now: SystemClock.now(),
                };
                let asked = Instant::now();
                store.submit(job).await?;
                latencies.push(asked.elapsed());
            }
            Ok::<_, Box<dyn Error>>(latencies)
        });
    }
    let latencies = futures_util::future::try_join_all(workers).await?.concat();
    Ok((latencies, began.elapsed()))
}

async fn claims(name: &str, what: &str, index: &OpenedIndex) -> Result<(), Box<dyn Error>> {
    let (store, node) = (index.store(), NodeId::from_uuid(SystemIds.uuid()));
    let (began, mut latencies) = (Instant::now(), Vec::new());
    for _ in 0..CLAIMS {
        let (asked, now) = (Instant::now(), SystemClock.now());
        store.claim(node, now.plus_ms(60_000), now, &[]).await?.ok_or("a job waits")?;
        latencies.push(asked.elapsed());
    }
    report(name, what, latencies, began.elapsed());
    Ok(())
}

async fn fill(url: &str) -> Result<(), Box<dyn Error>> {
    let crowd = CROWD.replace("{WAITING}", &WAITING.to_string()).replace("{ACCOUNTS}", &ACCOUNTS.to_string());
    let crowd = sqlx::AssertSqlSafe(crowd);
    if url.starts_with("sqlite") {
        let mut raw = SqliteConnection::connect(url).await?;
        sqlx::query(crowd).execute(&mut raw).await?;
        raw.close().await?;
    } else {
        let mut raw = PgConnection::connect(url).await?;
        sqlx::query(crowd).execute(&mut raw).await?;
        sqlx::query("ANALYZE").execute(&mut raw).await?;
        raw.close().await?;
    }
    Ok(())
}

fn report(name: &str, what: &str, mut latencies: Vec<Duration>, took: Duration) {
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() - 1) as f64 * share) as usize;
        latencies[place].as_secs_f64() * 1000.0
    };
    let rate = latencies.len() as f64 / took.as_secs_f64();
    println!("{name:<11} {what:<26} {rate:>7.0}/s   p50 {:>7.2} ms   p99 {:>7.2} ms", at(0.5), at(0.99));
}
