//! The file of a SeaORM application, handed over.

use std::path::PathBuf;

use sea_orm::{DatabaseConnection, DatabaseConnectionType};
use sqlx::Row as _;

use super::{OpenError, SqliteBackend, SqliteBuilder};
use crate::sea_orm::kind;

impl SqliteBackend {
    /// Opens the file that `connection` has open, with default settings, beside it, and brings the schema up to date.
    ///
    /// The file is shared, and no connection to it: see [`sea_orm`](crate::sea_orm).
    ///
    /// # Errors
    /// As [`OpenError`] says; the file is as it was then. [`OpenError::NotSqlite`] for a connection to something else,
    /// [`OpenError::InMemory`] for one that has no file.
    pub async fn from_sea_orm(connection: &DatabaseConnection) -> Result<Self, OpenError> {
        SqliteBuilder::from_sea_orm(connection).await?.open().await
    }
}

impl SqliteBuilder {
    /// Settings for a back end in the file that `connection` has open. The application's tables may be in it.
    ///
    /// # Errors
    /// As [`SqliteBackend::from_sea_orm`].
    pub async fn from_sea_orm(connection: &DatabaseConnection) -> Result<Self, OpenError> {
        let DatabaseConnectionType::SqlxSqlitePoolConnection(_) = &connection.inner else {
            return Err(OpenError::NotSqlite {
                found: kind(connection),
            });
        };
        let pool = connection.get_sqlite_connection_pool();
        let path = sqlx::query("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_one(pool)
            .await
            .and_then(|row| row.try_get::<Option<String>, _>(0))
            .map_err(|error| {
                let options = pool.connect_options();
                OpenError::from_database(options.get_filename(), error)
            })?;
        // It names the file from the root, so that it stays the same wherever the process goes.
        match path.filter(|path| !path.is_empty()) {
            Some(path) => Ok(Self::new(PathBuf::from(path)).beside_others()),
            None => Err(OpenError::InMemory),
        }
    }
}
