//! A SeaORM application that shares its pool or its file with the bot, and reads our tables.

mod postgres;
mod schema;
mod sqlite;

use sea_orm::{DatabaseBackend, DatabaseConnection, MockDatabase};

/// Connections that have no pool of `backend`'s, though the second says that it is to it. A proxy would be another;
/// SeaORM 2.0.4 does not build with that feature beside SQLite.
fn without_a_pool(backend: DatabaseBackend) -> [(DatabaseConnection, &'static str); 3] {
    let mock = |backend| MockDatabase::new(backend).into_connection();
    [
        (mock(DatabaseBackend::MySql), "MockDatabaseConnection"),
        (mock(backend), "MockDatabaseConnection"),
        (DatabaseConnection::default(), "Disconnected"),
    ]
}
