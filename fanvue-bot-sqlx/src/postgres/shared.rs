//! The pool of a SeaORM application, handed over.

use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use super::options::Source;
use super::{OpenError, PostgresBackend, PostgresBuilder};
use crate::sea_orm::kind;

impl PostgresBackend {
    /// Opens the database that `connection` is to, with default settings, on its connections, and brings its schema up
    /// to date.
    ///
    /// The pool stays the application's: see [`sea_orm`](crate::sea_orm).
    ///
    /// # Errors
    /// As [`OpenError`] says; the data is as it was then. [`OpenError::NotPostgres`] for a connection to something
    /// else.
    pub async fn from_sea_orm(connection: &DatabaseConnection) -> Result<Self, OpenError> {
        PostgresBuilder::from_sea_orm(connection)?.open().await
    }
}

impl PostgresBuilder {
    /// Settings for a back end on the connections of `connection`.
    ///
    /// # Errors
    /// [`OpenError::NotPostgres`] for a connection to something else.
    pub fn from_sea_orm(connection: &DatabaseConnection) -> Result<Self, OpenError> {
        match &connection.inner {
            DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
                let pool = connection.get_postgres_connection_pool().clone();
                Ok(Self::new(Source::Pool(pool)))
            }
            _ => Err(OpenError::NotPostgres {
                found: kind(connection),
            }),
        }
    }
}
