//! The suite on PostgreSQL, and what is particular to a server that several share: many that start at once, lost
//! connections, a neighbour that froze, TLS. Each test has a schema of its own on the server that `make test` starts.

use super::{Fixture, IdentityFixture, T0, at, config, every_test, job_id, new_job, node, submit};
use crate::config::StorageConfig;
use crate::storage::open::{OpenError, OpenedIndex, connect};
use crate::system::SystemIds;
use async_trait::async_trait;
use futures_util::future::join_all;
use sottovoce_actors::ports::callback::CallbackQueue;
use sottovoce_actors::ports::clock::Ids;
use sottovoce_actors::ports::identity::Identity;
use sottovoce_actors::ports::store::{Store, StoreError};
use sottovoce_protocol::ids::{AccountId, SessionId};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::sync::Arc;

const URL: &str = "SOTTOVOCE_TEST_POSTGRES_URL";
const CA: &str = "SOTTOVOCE_TEST_POSTGRES_CA";

pub struct PostgresFixture {
    schema: String,
    index: OpenedIndex,
    /// Looks past the port; opened once, because a connection costs a process of the server.
    raw: tokio::sync::Mutex<Option<PgConnection>>,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run the tests with `make test`"))
}

impl PostgresFixture {
    pub async fn new() -> Self {
        let schema = new_schema().await;
        let index = connect(&config(url(&schema))).await.expect("a new index");
        Self { schema, index, raw: tokio::sync::Mutex::default() }
    }

    /// Runs a statement in the test's schema, beside the index.
    async fn raw(&self, sql: &str) {
        let mut connection = PgConnection::connect(&url(&self.schema)).await.expect("raw connection");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.expect("raw statement");
        connection.close().await.expect("closed");
    }
}

async fn new_schema() -> String {
    let schema = format!("test_{}", job_id().to_string().replace('-', ""));
    let mut connection = PgConnection::connect(&variable(URL)).await.expect("the test server answers");
    let make = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    sqlx::raw_sql(make).execute(&mut connection).await.expect("a new schema");
    connection.close().await.expect("closed");
    schema
}

/// The schema's name is also what its connections are called.
fn url(schema: &str) -> String {
    format!("{}?options[search_path]={schema}&application_name={schema}", variable(URL))
}

#[async_trait]
impl Fixture for PostgresFixture {
    fn store(&self) -> Arc<dyn Store> {
        self.index.store()
    }

    async fn account(&self, email: &str) -> AccountId {
        account(&self.index, email).await
    }

    async fn another(&self) -> Arc<dyn Store> {
        connect(&config(url(&self.schema))).await.expect("the same index").store()
    }

    async fn reopen(&mut self) {
        self.index.close().await;
        self.index = connect(&config(url(&self.schema))).await.expect("the same index");
    }
}

#[async_trait]
impl IdentityFixture for PostgresFixture {
    fn identity(&self) -> Arc<dyn Identity> {
        self.index.identity()
    }

    fn callbacks(&self) -> Arc<dyn CallbackQueue> {
        self.index.callbacks()
    }

    async fn active_tokens(&self, session: SessionId) -> Vec<String> {
        let mut raw = self.raw.lock().await;
        if raw.is_none() {
            *raw = Some(PgConnection::connect(&url(&self.schema)).await.expect("raw connection"));
        }
        let raw = raw.as_mut().expect("just opened");
        sqlx::query_scalar(super::ACTIVE_TOKENS).bind(session.to_string()).fetch_all(raw).await.expect("rows")
    }
}

/// Returns the account of this address, made if it is new.
async fn account(index: &OpenedIndex, email: &str) -> AccountId {
    let id = AccountId::from_uuid(SystemIds.uuid());
    index.identity().ensure_account(email, id, T0).await.expect("account")
}

every_test!(crate::storage::suite::postgres::PostgresFixture);

mod identity {
    super::super::every_identity_test!(crate::storage::suite::postgres::PostgresFixture);
}

#[tokio::test]
async fn any_number_of_servers_share_it() {
    let fixture = PostgresFixture::new().await;
    let _first = fixture.index.lock_for_serving().expect("first");
    let another = connect(&config(url(&fixture.schema))).await.expect("the same index");
    another.lock_for_serving().expect("second");
    assert!(!another.is_lone_node(), "another node's lease may be a living one's");
}

#[tokio::test]
async fn a_new_database_is_opened_by_several_at_once() {
    let config = config(url(&new_schema().await));
    let opened = join_all((0..6).map(|_| connect(&config))).await;
    for index in opened {
        index.expect("each migration runs once").store().ping().await.expect("ping");
    }
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let fixture = PostgresFixture::new().await;
    fixture
        .raw(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (999, 'later', true, '\\x00', 0)",
        )
        .await;
    let refused = connect(&config(url(&fixture.schema))).await;
    assert!(matches!(refused, Err(OpenError::NewerSchema { found: 999, .. })), "{refused:?}");
}

#[tokio::test]
async fn an_altered_migration_is_refused() {
    let fixture = PostgresFixture::new().await;
    fixture.raw("UPDATE _sqlx_migrations SET checksum='\\x00' WHERE version=1").await;
    let refused = connect(&config(url(&fixture.schema))).await;
    assert!(matches!(refused, Err(OpenError::AlteredMigration(1))), "{refused:?}");
}

#[tokio::test]
async fn a_closed_index_is_unavailable() {
    let fixture = PostgresFixture::new().await;
    fixture.store().ping().await.expect("open");
    fixture.index.close().await;
    let answer = fixture.store().ping().await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}

#[tokio::test]
async fn lost_connections_are_made_anew() {
    let fixture = PostgresFixture::new().await;
    let store = fixture.store();
    let ada = account(&fixture.index, "ada@example.org").await;
    for round in 0..5 {
        let submits = (0..12).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.submit(new_job(ada, T0)).await })
        });
        let submits = join_all(submits);
        let cut = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name='{}' AND pid<>pg_backend_pid()",
            fixture.schema
        );
        let (answers, ()) = tokio::join!(submits, fixture.raw(&cut));
        for answer in answers {
            match answer.expect("request") {
                Ok(_) | Err(StoreError::Unavailable(_)) => {}
                Err(other) => panic!("round {round}: {other:?}"),
            }
        }
        store.ping().await.expect("connected again");
    }
}

/// A server that stopped in the middle of a transaction (SIGSTOP, a lost network) keeps nobody waiting for long.
#[tokio::test]
async fn locks_of_a_frozen_neighbour_are_not_waited_for() {
    let fixture = PostgresFixture::new().await;
    let hasty = StorageConfig { statement_timeout_ms: 200, ..config(url(&fixture.schema)) };
    let index = connect(&hasty).await.expect("the same index");
    let ada = account(&index, "ada@example.org").await;
    let mut frozen = PgConnection::connect(&url(&fixture.schema)).await.expect("raw connection");
    let mut held = frozen.begin().await.expect("a transaction");
    sqlx::query("SELECT id FROM users FOR UPDATE").fetch_all(&mut *held).await.expect("held");
    let answer = index.store().submit(new_job(ada, T0)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    held.rollback().await.expect("let go");
    submit(&*index.store(), new_job(ada, T0)).await;
}

/// Two workers at once do not look for the same job: the second goes on to the next account.
#[tokio::test]
async fn a_claim_goes_by_what_is_being_claimed() {
    let fixture = PostgresFixture::new().await;
    let store = fixture.store();
    let ada = account(&fixture.index, "ada@example.org").await;
    let eve = account(&fixture.index, "eve@example.org").await;
    submit(&*store, new_job(ada, T0)).await;
    let second = submit(&*store, new_job(eve, at(1))).await;
    let mut other = PgConnection::connect(&url(&fixture.schema)).await.expect("raw connection");
    let mut claiming = other.begin().await.expect("a transaction");
    sqlx::query("SELECT id FROM jobs ORDER BY run_at LIMIT 1 FOR UPDATE")
        .fetch_all(&mut *claiming)
        .await
        .expect("held");
    let (job, _) = store.claim(node(), at(60_000), at(1), &[]).await.expect("claim").expect("eve's is due");
    assert_eq!(job.id, second.id);
}

#[tokio::test]
async fn tls_is_spoken_and_the_certificate_checked() {
    let schema = new_schema().await;
    let checked = format!("{}&sslmode=verify-full", url(&schema));
    let index = connect(&config(format!("{checked}&sslrootcert={}", variable(CA)))).await.expect("trusted");
    let ada = account(&index, "ada@example.org").await;
    submit(&*index.store(), new_job(ada, T0)).await;
    let mut connection = PgConnection::connect(&variable(URL)).await.expect("raw connection");
    let row = sqlx::query(
        "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE ssl) AS secured \
         FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name=$1",
    )
    .bind(&schema)
    .fetch_one(&mut connection)
    .await
    .expect("a row");
    let (connections, secured): (i64, i64) = (row.get("n"), row.get("secured"));
    assert!(connections > 0 && connections == secured, "{secured} of {connections}");
    let refused = connect(&config(checked)).await;
    assert!(matches!(refused, Err(OpenError::Failed(_))), "nobody vouches for the certificate: {refused:?}");
}

#[tokio::test]
async fn what_cannot_be_opened_is_told_without_the_password() {
    let (start, rest) =
        variable(URL).split_once("://").map(|(s, r)| (s.to_owned(), r.to_owned())).expect("URL");
    let place = rest.split_once('@').expect("user").1.to_owned();
    for url in [
        format!("{start}://tester:hunter2@{place}"),
        "postgres://tester:hunter2@127.0.0.1:1/postgres".into(),
        "postgres://tester:hunter2@127.0.0.1:not-a-port/postgres".into(),
        format!("{start}://tester:hunter2@{place}?sslmode=hunter3"),
    ] {
        let refused = connect(&StorageConfig { acquire_timeout_ms: 2_000, ..config(url.clone()) }).await;
        let told = refused.expect_err("it must not open");
        assert!(matches!(told, OpenError::Failed(_)), "{url}: {told:?}");
        assert!(!format!("{told} {told:?}").contains("hunter2"), "{told}");
    }
}
