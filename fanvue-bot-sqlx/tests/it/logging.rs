//! A failure is logged once, where it is handled: whoever asked is told, so the back end says nothing.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use fanvue_bot_core::message::Author;
use fanvue_bot_core::store::{Store as _, StoreError};
use futures_util::future::join_all;
use tracing_subscriber::fmt::MakeWriter;

use crate::given::{Db, change, conversation_id, db, intake, message};

/// What was logged on this thread, from warnings up.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// Collects what is logged until the guard is dropped. A back end's tasks run on the test's thread.
pub(crate) fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    (log, tracing::subscriber::set_default(subscriber))
}

/// A constraint from outside stands for whatever no check foresaw.
async fn refuse(db: &Db, when: &'static str) {
    sqlx::query(when)
        .execute(&mut db.raw().await)
        .await
        .unwrap();
}

const REFUSE_HUMANS: &str = "\
    CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN new.author = 'human' \
    BEGIN SELECT raise(ABORT, 'refused'); END";

/// A group writes its conversations before its messages.
const REFUSE_GROUPS: &str = "\
    CREATE TRIGGER refuse BEFORE INSERT ON messages \
    WHEN (SELECT count(*) FROM conversations) > (SELECT count(*) FROM messages) + 1 \
    BEGIN SELECT raise(ABORT, 'refused'); END";

#[tokio::test]
async fn a_failure_is_told_to_who_asked_and_not_logged_beside() {
    let db = db().await;
    refuse(&db, REFUSE_HUMANS).await;
    let (log, _guard) = log();
    // Alone, and in a group that is then tried one by one.
    for group in [1..=1_u128, 2..=9] {
        let bad = *group.end();
        let commits = group.map(|n| {
            let backend = &db.backend;
            async move {
                let id = conversation_id(1, n);
                let mut new = change(id);
                let mut row = message(id, n, 0);
                if n == bad {
                    row.author = Author::Human;
                }
                new.messages.push(row);
                backend.commit(&new.into(), None).await
            }
        });
        let results = join_all(commits.collect::<Vec<_>>()).await;
        let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(
            matches!(failed[..], [StoreError::Unavailable { .. }]),
            "{failed:?}"
        );
    }
    assert_eq!(log.text(), "");
}

#[tokio::test]
async fn a_failure_of_which_nobody_is_told_is_logged_once() {
    let db = db().await;
    refuse(&db, REFUSE_GROUPS).await;
    let (log, _guard) = log();
    let commits = (1..=5_u128).map(|n| {
        let backend = &db.backend;
        async move {
            backend
                .commit(&intake(conversation_id(1, n), n), None)
                .await
        }
    });
    for result in join_all(commits.collect::<Vec<_>>()).await {
        result.unwrap();
    }
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("failed together"), "{text}");
    assert!(!text.contains("hello"), "{text}");
}
