//! What can go wrong with the database, in words that name the remedy.

use std::fmt;
use std::sync::Arc;

use crate::fault::into_port_errors;
use crate::row::CorruptField;

/// Why the database did not do what it was asked. Shared by all callers whose operations failed together.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// Postgres or sqlx said so.
    Database(Arc<sqlx::Error>),
    /// A stored field does not read back.
    Corrupt(CorruptField),
    /// A call took longer than it may.
    NoAnswer,
    /// The back end was closed.
    Closed,
}

/// The kinds of failure that have a remedy of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Unreachable,
    NoAnswer,
    PoolExhausted,
    TooManyConnections,
    Starting,
    Login,
    NoDatabase,
    MissingRight,
    NoSchema,
    Present,
    Timeout,
    DiskFull,
    ReadOnly,
    /// Another transaction was in the way: each operation is worth a try on its own.
    Collision,
    /// Something about one operation.
    Statement,
    Closed,
    Other,
}

impl Fault {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Database(error) => cause_of(error),
            Self::Corrupt(_) => Cause::Statement,
            Self::NoAnswer => Cause::NoAnswer,
            Self::Closed => Cause::Closed,
        }
    }

    /// Whether another operation of the same transaction may be what failed.
    pub(super) fn concerns_one_operation(&self) -> bool {
        matches!(self.cause(), Cause::Statement | Cause::Collision)
    }

    /// Whether the unique index of this name refused.
    pub(super) fn violates(&self, index: &str) -> bool {
        match self {
            Self::Database(error) => error
                .as_database_error()
                .is_some_and(|error| error.constraint() == Some(index)),
            _ => false,
        }
    }
}

fn cause_of(error: &sqlx::Error) -> Cause {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => {
            return Cause::Unreachable;
        }
        sqlx::Error::PoolTimedOut => return Cause::PoolExhausted,
        sqlx::Error::PoolClosed => return Cause::Closed,
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => return Cause::Statement,
        _ => return Cause::Other,
    };
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    match code.as_deref().unwrap_or_default() {
        "53300" => Cause::TooManyConnections,
        "42P07" | "42723" => Cause::Present,
        "57014" => Cause::Timeout,
        "53100" | "53000" => Cause::DiskFull,
        "57P01" | "57P02" | "57P03" => Cause::Starting,
        "28000" | "28P01" => Cause::Login,
        "3D000" => Cause::NoDatabase,
        "42501" => Cause::MissingRight,
        "42P01" | "42883" | "3F000" => Cause::NoSchema,
        "25006" => Cause::ReadOnly,
        "40001" | "40P01" | "55P03" => Cause::Collision,
        code if code.starts_with("08") => Cause::Unreachable,
        // Data and integrity.
        code if code.starts_with("22") || code.starts_with("23") => Cause::Statement,
        _ => Cause::Other,
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<CorruptField> for Fault {
    fn from(field: CorruptField) -> Self {
        Self::Corrupt(field)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Corrupt(field) = self {
            return write!(f, "stored data does not read back: {field}");
        }
        f.write_str(match self.cause() {
            Cause::Unreachable => {
                "the database cannot be reached: check the address, the network and TLS"
            }
            Cause::NoAnswer => {
                "the database did not answer in time: check the network, find out what holds the database up, or \
                 raise call_timeout"
            }
            Cause::PoolExhausted => {
                "no connection came free in time: raise max_connections or acquire_timeout, or find out what \
                 holds the database up"
            }
            Cause::TooManyConnections => {
                "the server has no connection left: lower max_connections, raise the server's, or put a pooler \
                 between"
            }
            Cause::Starting => "the server is starting or stopping: try again soon",
            Cause::Login => "the server refuses the role or its password: check both in the address",
            Cause::NoDatabase => "the database does not exist: create it or change the address",
            Cause::MissingRight => {
                "the role may not do this: grant it what the role script (roles.sql) lists"
            }
            Cause::NoSchema => {
                "the tables of this library are missing: open the database once with a role that may create \
                 them"
            }
            Cause::Present => "the schema fanvue_bot has such a table already",
            Cause::Timeout => {
                "the server gave a statement up: raise statement_timeout for the role, or find out what holds the \
                 database up"
            }
            Cause::DiskFull => "the server's disk is full: free space",
            Cause::ReadOnly => {
                "the server only reads, as a standby does: use the address of the primary"
            }
            Cause::Collision => "another transaction was in the way",
            Cause::Closed => "the database was closed by this process",
            Cause::Statement | Cause::Other => "the database refused a statement",
        })
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(&**error),
            Self::Corrupt(_) | Self::NoAnswer | Self::Closed => None,
        }
    }
}

into_port_errors!(Fault);

/// Why a database could not be opened. Whatever the reason, its data is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The address is none. It is not shown, since it may hold a password.
    #[error("the address of the database is not one: write postgres://role@host:5432/database")]
    Address,
    /// Nobody answers there, or not in a way that we understand.
    #[error("the database cannot be reached: check the address, the network and TLS")]
    Unreachable {
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server does not know the role, or the password is wrong.
    #[error("the server refuses the role or its password: check both in the address")]
    Login {
        /// What the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such database.
    #[error("the database does not exist: create it or change the address")]
    NoDatabase {
        /// What the server said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server is older than what this library knows.
    #[error("the server is Postgres {major}, and 14 is the oldest that works: update it")]
    OldServer {
        /// The server's major version.
        major: u32,
    },
    /// The server, or the role's connections, only read.
    #[error(
        "the server only reads: use the address of the primary, and default_transaction_read_only = off for the role"
    )]
    ReadOnly,
    /// Row level security does not hold for the role.
    #[error(
        "the role {role} {why}, so row level security would not seal the tenants: use a role with NOSUPERUSER \
         and NOBYPASSRLS, as the role script (roles.sql) makes"
    )]
    UnsealedRole {
        /// Which.
        role: String,
        /// In which way it is above the rules.
        why: &'static str,
    },
    /// The role may not do what is needed.
    #[error("the role {role} may not {what}: grant it what the role script (roles.sql) lists")]
    MissingRight {
        /// Which.
        role: String,
        /// What it would have to do.
        what: String,
    },
    /// The schema is not up to date, and this back end is not to change it.
    #[error(
        "the database has schema version {found} and {known} is needed: run the migrations with a role that \
         owns the tables, or let this process do so"
    )]
    Pending {
        /// The schema's version; 0 for none.
        found: i64,
        /// The needed version.
        known: i64,
    },
    /// A newer version of this library has changed the database's schema.
    #[error(
        "the database has schema version {found} and this version of fanvue-bot-sqlx knows {known} at most: \
         update it, or restore a backup from before the update"
    )]
    Newer {
        /// The schema's version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The schema has lost what its migrations made.
    #[error(
        "the schema fanvue_bot lacks {missing}, which its migrations made: restore a backup, or drop the schema if \
         nothing in it is needed"
    )]
    Incomplete {
        /// Which tables, sequences and functions.
        missing: String,
    },
    /// The schema has tables, and what its migrations have noted is gone.
    #[error(
        "the schema fanvue_bot has tables, but not the table migrations that says of which version they are: restore a \
         backup, or drop the schema if nothing in it is needed"
    )]
    Unlisted,
    /// Row level security was taken off tables with rows of several creators.
    #[error(
        "row level security is off for {tables}: run ALTER TABLE fanvue_bot.(name) ENABLE ROW LEVEL SECURITY, FORCE \
         ROW LEVEL SECURITY for each"
    )]
    UnsealedTables {
        /// Which.
        tables: String,
    },
    /// The schema was not made by a released version of this library.
    #[error(
        "schema version {version} of the database differs from the released one: restore a backup"
    )]
    Altered {
        /// Which step.
        version: i64,
    },
    /// A setting contradicts itself, or what the back end needs.
    #[error("{setting} {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why, and what to set instead.
        reason: &'static str,
    },
    /// The SeaORM connection is no pool of connections to Postgres.
    #[cfg(feature = "sea-orm")]
    #[error(
        "the SeaORM connection is a {found}, and has no Postgres connections to share: connect with a \
         postgres:// address"
    )]
    NotPostgres {
        /// What SeaORM calls it.
        found: String,
    },
    /// Anything else.
    #[error("the database could not be opened")]
    Failed {
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        let cause = fault.cause();
        let source = Box::new(fault);
        match cause {
            Cause::Unreachable | Cause::NoAnswer => Self::Unreachable { source },
            Cause::Login => Self::Login { source },
            Cause::NoDatabase => Self::NoDatabase { source },
            _ => Self::Failed { source },
        }
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}
