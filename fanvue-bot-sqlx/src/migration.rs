//! The format in which a back end lists its migrations: forward only, numbered, never edited.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{AppliedMigration, Migration as SqlxMigration, MigrationType};

/// Where SQLite's are noted; its own name, so that an integrator's migrations can live beside.
#[cfg(feature = "sqlite")]
pub(crate) const TABLE: &str = "fanvue_bot_migrations";

/// One step of a schema.
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

impl Migration {
    /// What sqlx runs.
    pub(crate) fn to_sqlx(&self) -> SqlxMigration {
        SqlxMigration::new(
            self.version,
            Cow::Borrowed(self.name),
            MigrationType::Simple,
            self.sql.into_sql_str(),
            false,
        )
    }
}

/// Why the steps of a database do not fit the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// A newer version of the library has been here.
    Newer { found: i64, known: i64 },
    /// A step differs from the released one.
    Altered { version: i64 },
}

/// The steps that are still to be done on a database that has `applied` behind it.
pub(crate) fn pending(
    known: &[Migration],
    applied: &[AppliedMigration],
) -> Result<Vec<SqlxMigration>, Mismatch> {
    let newest_known = known.last().map_or(0, |step| step.version);
    let newest = applied.iter().map(|step| step.version).max().unwrap_or(0);
    if newest > newest_known {
        return Err(Mismatch::Newer {
            found: newest,
            known: newest_known,
        });
    }
    let known: Vec<SqlxMigration> = known.iter().map(Migration::to_sqlx).collect();
    for step in applied {
        if !known
            .iter()
            .any(|known| known.version == step.version && known.checksum == step.checksum)
        {
            return Err(Mismatch::Altered {
                version: step.version,
            });
        }
    }
    Ok(known
        .into_iter()
        .filter(|step| applied.iter().all(|done| done.version != step.version))
        .collect())
}

/// The names of what the steps make with statements that begin with one of `statements`.
pub(crate) fn made<'s>(steps: &'s [Migration], statements: &[&str]) -> BTreeSet<&'s str> {
    let lines = steps.iter().flat_map(|step| step.sql.lines());
    lines
        .filter_map(|line| {
            let name = statements
                .iter()
                .find_map(|statement| line.strip_prefix(statement))?;
            let name = name.strip_prefix("fanvue_bot.").unwrap_or(name);
            name.split([' ', '(', ';']).next()
        })
        .collect()
}
