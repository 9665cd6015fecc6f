//! The format in which a back end lists its migrations: forward only, numbered, never edited.

use std::borrow::Cow;

use sqlx::migrate::{Migration as SqlxMigration, MigrationType, Migrator};
use sqlx::SqlSafeStr;

/// Where the versions are noted; its own name, so that an integrator's migrations can live beside.
pub(crate) const TABLE: &str = "fanvue_bot_migrations";

/// One step of a schema.
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// What sqlx runs.
pub(crate) fn migrator(steps: &[Migration]) -> Migrator {
    let steps = steps
        .iter()
        .map(|step| {
            SqlxMigration::new(
                step.version,
                Cow::Borrowed(step.name),
                MigrationType::Simple,
                step.sql.into_sql_str(),
                false,
            )
        })
        .collect();
    let mut migrator = Migrator::with_migrations(steps);
    migrator.dangerous_set_table_name(TABLE);
    migrator
}
