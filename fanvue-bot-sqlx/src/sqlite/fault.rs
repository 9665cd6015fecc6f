//! What can go wrong with the database, in words that name the remedy.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault::into_port_errors;
use crate::row::CorruptField;

/// Why the database did not do what it was asked. Shared by all callers whose operations failed together.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// SQLite or sqlx said so.
    Database(Arc<sqlx::Error>),
    /// A stored field does not read back.
    Corrupt(CorruptField),
    /// A number that is outside of what a column holds.
    OutOfRange(&'static str),
    /// The back end was closed.
    Closed,
}

/// The kinds of failure that have a remedy of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    DiskFull,
    Locked,
    ReadOnly,
    NotADatabase,
    Damaged,
    CannotOpen,
    Input,
    Statement,
    Other,
}

impl Fault {
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Database(error) => cause_of(error),
            Self::Corrupt(_) | Self::OutOfRange(_) => Cause::Statement,
            Self::Closed => Cause::Other,
        }
    }

    /// Whether another operation of the same transaction may be what failed, so that each is worth a
    /// try on its own.
    pub(super) fn concerns_one_operation(&self) -> bool {
        self.cause() == Cause::Statement
    }
}

fn cause_of(error: &sqlx::Error) -> Cause {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => return Cause::Input,
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => return Cause::Statement,
        _ => return Cause::Other,
    };
    let extended: Option<i32> = code.and_then(|code| code.parse().ok());
    // The low byte of an extended result code is the primary one: https://sqlite.org/rescode.html
    match extended.map(|code| code & 0xff) {
        Some(5 | 6 | 15) => Cause::Locked,
        Some(8) => Cause::ReadOnly,
        Some(10) => Cause::Input,
        Some(11) => Cause::Damaged,
        Some(13) => Cause::DiskFull,
        Some(14 | 3 | 23) => Cause::CannotOpen,
        Some(26) => Cause::NotADatabase,
        // Constraint, mismatch, too big, range.
        Some(18 | 19 | 20 | 25) => Cause::Statement,
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
        match self {
            Self::Corrupt(field) => return write!(f, "stored data does not read back: {field}"),
            Self::OutOfRange(what) => return write!(f, "{what} is larger than a column holds"),
            Self::Closed => return f.write_str("the database was closed by this process"),
            Self::Database(_) => {}
        }
        f.write_str(match self.cause() {
            Cause::DiskFull => {
                "the disk or the size limit of the database is full: free space or raise the limit"
            }
            Cause::Locked => {
                "the database is locked by another process: end its transaction or raise busy_timeout"
            }
            Cause::ReadOnly => {
                "the database is read-only: make the file and its directory writable"
            }
            Cause::NotADatabase => "the file is not an SQLite database",
            Cause::Damaged => {
                "the database file is damaged: restore a backup or run sqlite3's .recover"
            }
            Cause::CannotOpen => "the database file cannot be opened: check path and permissions",
            Cause::Input => "the database file could not be read or written: check the disk",
            Cause::Statement | Cause::Other => "the database refused a statement",
        })
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(&**error),
            Self::Corrupt(_) | Self::OutOfRange(_) | Self::Closed => None,
        }
    }
}

into_port_errors!(Fault);

/// Why a database could not be opened. Whatever the reason, the file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory of the file does not exist.
    #[error("the directory {} does not exist: create it or change the path", directory.display())]
    MissingDirectory {
        /// Which.
        directory: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not an SQLite database: choose another path", path.display())]
    NotADatabase {
        /// Which.
        path: PathBuf,
    },
    /// The file is an SQLite database that belongs to another application.
    #[error("{} is the database of another application: choose another path", path.display())]
    OtherApplication {
        /// Which.
        path: PathBuf,
    },
    /// Tables of the application, in whose file ours were to be, have the names of ours.
    #[error(
        "{} has tables of its own that are named as those of this library, {tables}: rename them, or give the bot a \
         file of its own",
        path.display()
    )]
    TablesTaken {
        /// Which file.
        path: PathBuf,
        /// Which tables.
        tables: String,
    },
    /// The SeaORM connection is none to SQLite.
    #[cfg(feature = "sea-orm")]
    #[error(
        "the SeaORM connection is a {found}, and has no SQLite file to share: connect with a sqlite:// address"
    )]
    NotSqlite {
        /// What SeaORM calls it.
        found: String,
    },
    /// The SeaORM connection is to a database without a file.
    #[cfg(feature = "sea-orm")]
    #[error(
        "the SeaORM connection is to a database in memory, which no other connection can open: connect it to a file"
    )]
    InMemory,
    /// A newer version of this library has changed the database's schema.
    #[error(
        "{} has schema version {found} and this version of fanvue-bot-sqlx knows {known} at most: \
         update it, or open a backup from before the update",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// The schema's version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The schema was not made by a released version of this library.
    #[error(
        "schema version {version} of {} differs from the released one: restore a backup",
        path.display()
    )]
    Altered {
        /// Which.
        path: PathBuf,
        /// Which step.
        version: i64,
    },
    /// The file or its directory cannot be written.
    #[error(
        "{} is read-only: make the file and its directory writable for this user",
        path.display()
    )]
    ReadOnly {
        /// Which.
        path: PathBuf,
    },
    /// The file, or the write-ahead log beside it, cannot be opened or made.
    #[error(
        "{} or the log beside it cannot be opened: make the file and its directory readable and writable for this \
         user, on a disk that is not mounted read-only",
        path.display()
    )]
    NoAccess {
        /// Which.
        path: PathBuf,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process holds the file.
    #[error(
        "{} is locked by another process: end it or its transaction, or raise busy_timeout",
        path.display()
    )]
    Locked {
        /// Which.
        path: PathBuf,
    },
    /// There is no space for the schema.
    #[error("there is no space for {}: free some or raise max_bytes", path.display())]
    DiskFull {
        /// Which.
        path: PathBuf,
    },
    /// A setting contradicts itself.
    #[error("{setting} {reason}")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Why, and what to set instead.
        reason: &'static str,
    },
    /// Anything else.
    #[error("{} could not be opened", path.display())]
    Failed {
        /// Which.
        path: PathBuf,
        /// What the driver said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl OpenError {
    pub(super) fn from_database(path: &Path, error: sqlx::Error) -> Self {
        Self::from_fault(path, error.into())
    }

    pub(super) fn from_fault(path: &Path, fault: Fault) -> Self {
        let path = path.to_owned();
        match fault.cause() {
            Cause::DiskFull => Self::DiskFull { path },
            Cause::Locked => Self::Locked { path },
            Cause::ReadOnly => Self::ReadOnly { path },
            Cause::NotADatabase => Self::NotADatabase { path },
            Cause::CannotOpen => match path.parent().filter(|parent| !parent.exists()) {
                Some(directory) if !directory.as_os_str().is_empty() => Self::MissingDirectory {
                    directory: directory.to_owned(),
                },
                _ if path.is_dir() => Self::Failed {
                    path,
                    source: Box::new(fault),
                },
                _ => Self::NoAccess {
                    path,
                    source: Box::new(fault),
                },
            },
            _ => Self::Failed {
                path,
                source: Box::new(fault),
            },
        }
    }
}
