//! The suite on SQLite, and what is particular to the file: modes, locks, versions, two processes.

use super::{Fixture, IdentityFixture, T0, config, every_test, new_job, submit};
use crate::storage::open::{self, OpenError, OpenedIndex};
use crate::system::SystemIds;
use async_trait::async_trait;
use sottovoce_actors::ports::callback::CallbackQueue;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::Identity;
use sottovoce_actors::ports::store::{Store, StoreError};
use sottovoce_protocol::ids::{AccountId, SessionId};
use sqlx::Connection as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

pub struct SqliteFixture {
    folder: TempDir,
    index: OpenedIndex,
}

impl SqliteFixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let index = connect(&url(&folder)).await.expect("a new database");
        Self { folder, index }
    }
}

async fn connect(url: &str) -> Result<OpenedIndex, OpenError> {
    open::connect(&config(url.into())).await
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("data/index.db")
}

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", path(folder).display())
}

#[async_trait]
impl Fixture for SqliteFixture {
    fn store(&self) -> Arc<dyn Store> {
        self.index.store()
    }

    async fn account(&self, email: &str) -> AccountId {
        let id = AccountId::from_uuid(SystemIds.uuid());
        self.identity().ensure_account(email, id, T0).await.expect("account")
    }

    async fn another(&self) -> Arc<dyn Store> {
        connect(&url(&self.folder)).await.expect("the same database").store()
    }

    async fn reopen(&mut self) {
        self.index.close().await;
        self.index = connect(&url(&self.folder)).await.expect("the same database");
    }
}

#[async_trait]
impl IdentityFixture for SqliteFixture {
    fn identity(&self) -> Arc<dyn Identity> {
        self.index.identity()
    }

    fn callbacks(&self) -> Arc<dyn CallbackQueue> {
        self.index.callbacks()
    }

    async fn active_tokens(&self, session: SessionId) -> Vec<String> {
        let mut raw = sqlx::SqliteConnection::connect(&url(&self.folder)).await.expect("raw connection");
        let tokens = sqlx::query_scalar(super::ACTIVE_TOKENS).bind(session.to_string()).fetch_all(&mut raw);
        let tokens = tokens.await.expect("rows");
        raw.close().await.expect("closed");
        tokens
    }
}

every_test!(crate::storage::suite::sqlite::SqliteFixture);

mod identity {
    super::super::every_identity_test!(crate::storage::suite::sqlite::SqliteFixture);
}

#[tokio::test]
async fn one_server_serves_commands_work_beside_it() {
    let server = SqliteFixture::new().await;
    let lock = server.index.lock_for_serving().expect("first");
    let command = connect(&url(&server.folder)).await.expect("a command opens it");
    assert!(matches!(command.lock_for_serving(), Err(OpenError::InUse(_))));
    let ada = server.account("ada@example.org").await;
    let job = submit(&*server.store(), new_job(ada, T0)).await;
    assert_eq!(command.store().job(ada, job.id).await.expect("seen by the command"), job);
    drop(lock);
    command.lock_for_serving().expect("free again");
}

#[tokio::test]
async fn a_new_database_is_opened_by_several_at_once() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let url = url(&folder);
    let opened = futures_util::future::join_all((0..6).map(|_| connect(&url))).await;
    for index in opened {
        index.expect("each migration runs once").store().ping().await.expect("ping");
    }
}

/// What the disk holds at any moment, without a goodbye, is what was answered.
#[tokio::test]
async fn a_killed_server_loses_nothing_it_answered() {
    let fixture = SqliteFixture::new().await;
    let store = fixture.store();
    let ada = fixture.account("ada@example.org").await;
    let mut answered = Vec::new();
    for round in 0..10 {
        answered.push(submit(&*store, new_job(ada, T0)).await);
        let copy = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(copy.path().join("data")).expect("folder");
        for name in ["index.db", "index.db-wal"] {
            let from = fixture.folder.path().join("data").join(name);
            std::fs::copy(from, copy.path().join("data").join(name)).expect("copy");
        }
        let index = connect(&url(&copy)).await.expect("what was left");
        for job in &answered {
            assert_eq!(&index.store().job(ada, job.id).await.expect("answered"), job, "round {round}");
        }
    }
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let fixture = SqliteFixture::new().await;
    fixture.account("ada@example.org").await;
    let _lock = fixture.index.lock_for_serving().expect("lock");
    let folder = fixture.folder.path().join("data");
    let mode = |path: PathBuf| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(folder).expect("folder") {
        let entry = entry.expect("entry");
        assert_eq!(mode(entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().expect("name"));
    }
    names.sort_unstable();
    assert_eq!(names, ["index.db", "index.db-shm", "index.db-wal", "index.db.lock"]);
}

async fn raw(fixture: &SqliteFixture, sql: &'static str) {
    let pool = sqlx::SqlitePool::connect(&url(&fixture.folder)).await.expect("raw connection");
    sqlx::query(sql).execute(&pool).await.expect("raw statement");
    pool.close().await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let fixture = SqliteFixture::new().await;
    fixture.index.close().await;
    raw(
        &fixture,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'later', 1, x'00', 0)",
    )
    .await;
    let refused = connect(&url(&fixture.folder)).await;
    assert!(matches!(refused, Err(OpenError::NewerSchema { found: 999, .. })), "{refused:?}");
}

#[tokio::test]
async fn an_altered_migration_is_refused() {
    let fixture = SqliteFixture::new().await;
    fixture.index.close().await;
    raw(&fixture, "UPDATE _sqlx_migrations SET checksum=x'00' WHERE version=1").await;
    let refused = connect(&url(&fixture.folder)).await;
    assert!(matches!(refused, Err(OpenError::AlteredMigration(1))), "{refused:?}");
}

#[tokio::test]
async fn a_closed_index_is_unavailable() {
    let fixture = SqliteFixture::new().await;
    fixture.store().ping().await.expect("open");
    fixture.index.close().await;
    let answer = fixture.store().ping().await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(folder.path().join("data")).expect("folder");
    std::fs::write(path(&folder), "these are not the pages you look for, not at all").expect("file");
    let refused = connect(&url(&folder)).await;
    assert!(matches!(refused, Err(OpenError::Failed(_) | OpenError::Migration(_))), "{refused:?}");
}

#[tokio::test]
async fn urls_are_checked() {
    for url in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:/tmp/x.db?mode=ro"] {
        assert!(matches!(connect(url).await, Err(OpenError::BadPath(_))), "{url}");
    }
    for url in ["mysql://user:s3cret@db/x", "", "/data/index.db"] {
        let refused = connect(url).await.expect_err("unsupported");
        assert!(matches!(refused, OpenError::Unsupported(_)), "{url}");
        let text = refused.to_string();
        assert!(text.contains("sqlite:/path/to/file.db") && !text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn every_change_has_an_event() {
    let mut fixture = SqliteFixture::new().await;
    super::endings::a_retried_job_runs_again(&mut fixture).await;
    fixture.index.close().await;
    let pool = sqlx::SqlitePool::connect(&url(&fixture.folder)).await.expect("raw connection");
    let events: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT seq, kind, payload FROM job_events ORDER BY seq")
            .fetch_all(&pool)
            .await
            .expect("rows");
    let kinds: Vec<_> = events.iter().map(|(seq, kind, _)| (*seq, kind.as_str())).collect();
    assert_eq!(kinds, [(1, "submitted"), (2, "claimed"), (4, "retried"), (5, "claimed"), (6, "done")]);
    let last: serde_json::Value = serde_json::from_str(&events[4].2).expect("json");
    assert_eq!((&last["status"], &last["progress"]), (&"done".into(), &1000.into()));
}
