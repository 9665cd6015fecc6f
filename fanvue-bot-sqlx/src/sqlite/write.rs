//! The writer: one task that owns the only connection that writes.
//!
//! Whatever waits when it is free shares one transaction: group commit. Operations of a group see each
//! other's effects in the order in which they came; one that is refused changes nothing and fails alone.

mod broadcast;
mod claim;
mod commit;
mod end;
mod erase;
mod erase_creator;
mod lanes;
mod lease;
mod op;
#[cfg(test)]
mod plans;
mod purge;
mod register;
mod secret;

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

pub(super) use self::broadcast::BroadcastWrite;
pub(super) use self::claim::Claiming;
pub(super) use self::commit::{Intake, Written};
pub(super) use self::end::{Completing, DeadLettering, Extending, Rescheduling};
pub(super) use self::erase::{ErasingLane, ErasingMessages};
pub(super) use self::erase_creator::{ErasingCreator, MarkingErased};
pub(super) use self::lease::{Acquiring, Releasing};
use self::op::Group;
pub(super) use self::op::{Call, Op};
pub(super) use self::register::SettingRegister;
pub(super) use self::secret::{DeletingSecret, PuttingSecret, RewrappingSecret};
use super::fault::Fault;
use super::open;
use super::options::SqliteBuilder;
use super::sql::Values;
use crate::signal::Signal;

/// How many operations may wait before further callers wait for their place.
pub(super) const INBOX: usize = 1_024;

pub(super) struct Writer {
    options: Arc<SqliteBuilder>,
    /// `None` after a failure that left the connection in doubt; opened anew when next needed.
    connection: Option<SqliteConnection>,
    signal: Arc<Signal>,
    state: State,
}

/// What the writer remembers between transactions. Losing it costs nothing but a little fairness.
#[derive(Default)]
struct State {
    /// The creator whose lane was claimed last.
    cursor: Option<Uuid>,
    purge: purge::Purge,
}

/// One transaction in progress.
struct Transaction<'w> {
    connection: &'w mut SqliteConnection,
    options: &'w SqliteBuilder,
    state: &'w mut State,
    /// The numbers reserved for this transaction and not used yet.
    numbers: std::ops::Range<i64>,
    /// Whether a lane may be claimable earlier than before.
    lanes_moved: bool,
}

impl Transaction<'_> {
    fn number(&mut self) -> Result<i64, Fault> {
        self.numbers.next().ok_or(Fault::OutOfRange("the sequence"))
    }
}

impl Writer {
    pub(super) fn new(
        options: Arc<SqliteBuilder>,
        connection: SqliteConnection,
        signal: Arc<Signal>,
    ) -> Self {
        Self {
            options,
            connection: Some(connection),
            signal,
            state: State::default(),
        }
    }

    /// Works until every handle is gone or one asks to close, and what waits by then is done.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Op>) {
        let mut closers = Vec::new();
        let mut waiting = Vec::new();
        loop {
            if inbox.recv_many(&mut waiting, self.options.max_group).await == 0 {
                break;
            }
            let mut ops = Vec::with_capacity(waiting.len());
            for op in waiting.drain(..) {
                match op {
                    Op::Close(done) => {
                        inbox.close();
                        closers.push(done);
                    }
                    op => ops.push(op),
                }
            }
            if !ops.is_empty() {
                let span = tracing::debug_span!("sqlite.write", operations = ops.len());
                self.work(ops).instrument(span).await;
            }
            // Lets those just answered put in what they do next, so that it shares a transaction too.
            tokio::task::yield_now().await;
        }
        if let Some(connection) = self.connection.take()
            && let Err(error) = sqlx::Connection::close(connection).await
        {
            tracing::warn!(%error, "the database did not close cleanly; nothing is lost by that");
        }
        for closer in closers {
            // Whoever asked may have gone.
            let _ = closer.send(());
        }
    }

    /// Does the operations in one transaction and answers. If that fails in a way that one of them may
    /// have caused, each is done on its own.
    ///
    /// A failure is not logged here: whoever asked is told, and handles it.
    async fn work(&mut self, mut ops: Vec<Op>) {
        match self.transact(&mut ops).await {
            Ok(()) => answer(ops),
            Err(fault) if ops.len() > 1 && fault.concerns_one_operation() => {
                self.work_one_by_one(ops, &fault).await;
            }
            Err(fault) => fail(ops, &fault),
        }
    }

    async fn work_one_by_one(&mut self, ops: Vec<Op>, together: &Fault) {
        let mut failed = 0_usize;
        for op in ops {
            let mut alone = vec![op];
            match self.transact(&mut alone).await {
                Ok(()) => answer(alone),
                Err(fault) => {
                    failed += 1;
                    fail(alone, &fault);
                }
            }
        }
        if failed == 0 {
            // Nobody else hears of this one.
            tracing::warn!(
                error = together as &dyn std::error::Error,
                "operations failed together and none of them alone; nothing is lost by that"
            );
        }
    }

    async fn transact(&mut self, ops: &mut [Op]) -> Result<(), Fault> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::reconnect(&self.options).await?,
        };
        let mut group = Group::of(ops);
        let result = begin(&mut connection, group.numbers()).await;
        let result = match result {
            Ok(numbers) => {
                let mut transaction = Transaction {
                    connection: &mut connection,
                    options: &self.options,
                    state: &mut self.state,
                    numbers,
                    lanes_moved: false,
                };
                match group.run(&mut transaction).await {
                    Ok(()) => {
                        let lanes_moved = transaction.lanes_moved;
                        statement(&mut connection, "COMMIT")
                            .await
                            .map(|()| lanes_moved)
                    }
                    Err(fault) => Err(fault),
                }
            }
            Err(fault) => Err(fault),
        };
        match result {
            Ok(lanes_moved) => {
                self.connection = Some(connection);
                if lanes_moved {
                    self.signal.raise();
                }
                Ok(())
            }
            Err(fault) => {
                if roll_back(&mut connection).await {
                    self.connection = Some(connection);
                }
                Err(fault)
            }
        }
    }
}

/// Begins to write, which waits for other processes up to the busy timeout, and reserves numbers.
async fn begin(
    connection: &mut SqliteConnection,
    numbers: i64,
) -> Result<std::ops::Range<i64>, Fault> {
    if numbers == 0 {
        statement(connection, "BEGIN IMMEDIATE").await?;
        return Ok(0..0);
    }
    let rows = super::sql::fetch(
        connection,
        "BEGIN IMMEDIATE; UPDATE sequence SET value = value + ?1 WHERE id = 1 RETURNING value",
        Values::default().int(numbers)?,
    )
    .await?;
    let last: i64 = match rows.first() {
        Some(row) => row.try_get(0)?,
        None => return Err(Fault::OutOfRange("the sequence")),
    };
    Ok(last - numbers + 1..last + 1)
}

async fn statement(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Fault> {
    super::sql::execute(connection, sql, Values::default())
        .await
        .map(drop)
}

/// Undoes what was begun; answers whether the connection is known to be without a transaction.
async fn roll_back(connection: &mut SqliteConnection) -> bool {
    // SQLite has rolled back by itself after some errors, a full disk among them; a second rollback
    // then fails, which tells no more than that. Beginning and ending a transaction tells the rest.
    let _ = statement(connection, "ROLLBACK").await;
    statement(connection, "BEGIN").await.is_ok() && statement(connection, "ROLLBACK").await.is_ok()
}

fn answer(ops: Vec<Op>) {
    for op in ops {
        op.answer();
    }
}

fn fail(ops: Vec<Op>, fault: &Fault) {
    for op in ops {
        op.fail(fault);
    }
}
