//! Killed in the middle: what was acknowledged is there, what was not is there whole or not at all.

use std::process::{Command, Stdio};

use fanvue_bot_core::backend::CommitAndEnqueue as _;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_sqlx::SqliteBackend;
use futures_util::future::join_all;

use crate::given::{conversation_id, intake, job, message_id};

const DATABASE: &str = "FANVUE_BOT_SQLX_TEST_DATABASE";

/// Writes until killed and notes in a file what was acknowledged. Does nothing unless started by the
/// test below.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_writes_until_it_is_killed() {
    use std::io::Write as _;

    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let backend = SqliteBackend::open(&path).await.unwrap();
    let mut notes = std::fs::File::options()
        .create(true)
        .append(true)
        .open(std::path::Path::new(&path).with_extension("notes"))
        .unwrap();
    for round in 0_u128.. {
        let done = join_all((0..16_u128).map(|n| {
            let backend = &backend;
            async move {
                let number = round * 16 + n + 1;
                let id = conversation_id(1, number);
                let jobs = [job(id, &number.to_string(), 0)];
                backend
                    .commit_and_enqueue(&intake(id, number), None, &jobs)
                    .await
                    .unwrap();
                number
            }
        }))
        .await;
        let lines: String = done.iter().map(|number| format!("{number}\n")).collect();
        notes.write_all(lines.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bot.db");
    let notes = path.with_extension("notes");
    for round in 1..=3_u32 {
        let before = std::fs::metadata(&notes).map_or(0, |notes| notes.len());
        // Each round has its own database, since numbers begin anew.
        let path = dir.path().join(format!("bot{round}.db"));
        let notes = path.with_extension("notes");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_that_writes_until_it_is_killed"])
            .env(DATABASE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed at a different point of its work each time.
        while std::fs::metadata(&notes).map_or(0, |notes| notes.len())
            < before + u64::from(round) * 700
        {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended by itself"
            );
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let backend = SqliteBackend::open(&path).await.unwrap();
        let acknowledged = std::fs::read_to_string(&notes).unwrap();
        let whole_lines = acknowledged.rsplit_once('\n').unwrap().0;
        for line in whole_lines.lines() {
            let number: u128 = line.parse().unwrap();
            let read = backend
                .message(conversation_id(1, number), message_id(number))
                .await;
            assert!(read.unwrap().is_some(), "message {number} was acknowledged");
        }
        let db = crate::given::Db {
            backend,
            path: path.clone(),
            dir: tempfile::tempdir().unwrap(),
        };
        let conversations = db.count("SELECT count(*) FROM conversations").await;
        assert!(conversations > 0);
        for sql in [
            "SELECT count(*) FROM messages",
            "SELECT count(*) FROM jobs",
            "SELECT count(*) FROM job_keys",
            "SELECT count(*) FROM lanes",
        ] {
            assert_eq!(db.count(sql).await, conversations, "{sql}");
        }
    }
}
