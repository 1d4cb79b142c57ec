//! The migrations that this binary carries, and how they are applied: all that are missing, in the caller's transaction.

use crate::storage::open::OpenError;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType};

/// Number, name, text; the same numbers exist for every database (`migrations/README.md`).
const SQLITE: &[(i64, &str, &str)] = &[
    (1, "index", include_str!("../../migrations/sqlite/0001_index.sql")),
    (2, "identity", include_str!("../../migrations/sqlite/0002_identity.sql")),
    (3, "event age", include_str!("../../migrations/sqlite/0003_event_age.sql")),
    (4, "queue", include_str!("../../migrations/sqlite/0004_queue.sql")),
    (5, "callbacks", include_str!("../../migrations/sqlite/0005_callbacks.sql")),
];
const POSTGRES: &[(i64, &str, &str)] = &[
    (1, "index", include_str!("../../migrations/postgres/0001_index.sql")),
    (2, "identity", include_str!("../../migrations/postgres/0002_identity.sql")),
    (3, "event age", include_str!("../../migrations/postgres/0003_event_age.sql")),
    (4, "queue", include_str!("../../migrations/postgres/0004_queue.sql")),
    (5, "callbacks", include_str!("../../migrations/postgres/0005_callbacks.sql")),
];

/// Where a database keeps what was applied to it.
const TABLE: &str = "_sqlx_migrations";

/// Returns the SQLite migrations, in order.
pub fn sqlite() -> Vec<Migration> {
    numbered(SQLITE)
}

/// Returns the PostgreSQL migrations, in order.
pub fn postgres() -> Vec<Migration> {
    numbered(POSTGRES)
}

fn numbered(steps: &[(i64, &'static str, &'static str)]) -> Vec<Migration> {
    let migration = |(number, name, text): &(i64, &'static str, &'static str)| {
        Migration::new(*number, (*name).into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    steps.iter().map(migration).collect()
}

/// Applies what is missing, after checking that what is there is ours. A loop of our own instead of `Migrator::run`, whose
/// future cannot move between threads.
pub async fn apply(connection: &mut impl Migrate, ours: &[Migration]) -> Result<(), OpenError> {
    let failed = |error: MigrateError| OpenError::Migration(error.to_string());
    connection.ensure_migrations_table(TABLE).await.map_err(failed)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(failed)?;
    for there in &applied {
        match ours.iter().find(|migration| migration.version == there.version) {
            Some(migration) if migration.checksum == there.checksum => {}
            Some(_) => return Err(OpenError::AlteredMigration(there.version)),
            None => {
                let known = ours.last().map_or(0, |migration| migration.version);
                return Err(OpenError::NewerSchema { found: there.version, known });
            }
        }
    }
    for migration in ours {
        if applied.iter().all(|there| there.version != migration.version) {
            connection.apply(TABLE, migration).await.map_err(failed)?;
            tracing::info!(number = migration.version, name = %migration.description, "migration applied");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_take_the_same_steps_in_order() {
        let steps = |list: &[(i64, &'static str, &'static str)]| -> Vec<(i64, &'static str)> {
            list.iter().map(|(number, name, _)| (*number, *name)).collect()
        };
        assert_eq!(steps(SQLITE), steps(POSTGRES));
        assert!(SQLITE.iter().map(|step| step.0).eq(1..=SQLITE.len() as i64), "a number is missing");
    }
}
