//! A network that loses connections and tells nobody, and a back end that is closed while others wait for it.

use std::str::FromStr as _;
use std::time::Duration;

use fanvue_bot_core::backend::CommitAndEnqueue as _;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _};
use fanvue_bot_core::store::{RegisterName, Store as _};
use fanvue_bot_core::time::{Clock as _, SystemClock};
use fanvue_bot_sqlx::PostgresBackend;
use fanvue_bot_sqlx::postgres::{Pooler, PostgresBuilder, WakeUps};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::line::{End, Line, Mode};
use super::opening::{creator, words};
use super::queue::{LONG, find_nothing, polling_every};
use super::server::{Fresh, ROLE, empty, fresh, run};
use crate::given::{conversation_id, intake, job, message_id};

/// How long a call may take here: longer than one takes that is answered, also on a busy machine.
const CALL: Duration = Duration::from_secs(2);

/// A database and a line to it.
async fn through_a_line(database: &Fresh) -> (Line, PostgresBuilder) {
    let options = PgConnectOptions::from_str(&database.address()).unwrap();
    let end = match options.get_socket() {
        Some(directory) => End::Unix(directory.join(format!(".s.PGSQL.{}", options.get_port()))),
        None => {
            let host = format!("{}:{}", options.get_host(), options.get_port());
            End::Tcp(tokio::net::lookup_host(host).await.unwrap().next().unwrap())
        }
    };
    let line = Line::to(vec![end]).await.unwrap();
    let address = format!(
        "postgres://{ROLE}:{ROLE}@{}/{}",
        line.address(),
        options.get_database().unwrap()
    );
    let builder = PostgresBackend::builder(address)
        .max_connections(1)
        .call_timeout(CALL);
    (line, builder)
}

#[tokio::test]
async fn a_connection_that_the_network_lost_costs_at_most_one_call() {
    let Some(database) = fresh().await else {
        return;
    };
    let (line, builder) = through_a_line(&database).await;
    let backend = builder.wake_ups(WakeUps::Poll).open().await.unwrap();
    for number in 0..3 {
        let (first, second) = (creator(2 * number), creator(2 * number + 1));
        // A call comes upon the loss, or its connection on the way back to the pool.
        if let Err(error) = backend.commit(&first.into(), None).await {
            let said = words(&error);
            assert!(said.contains("did not answer in time"), "{said}");
        }
        backend.commit(&second.clone().into(), None).await.unwrap();
        assert!(backend.creator(second.id).await.unwrap().is_some());
        line.lose();
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_on_a_lost_connection_frees_its_place() {
    let Some(database) = fresh().await else {
        return;
    };
    let (line, builder) = through_a_line(&database).await;
    let backend = builder.wake_ups(WakeUps::Poll).open().await.unwrap();
    assert!(backend.creator(creator(1).id).await.unwrap().is_none());
    line.lose();
    // As a worker gives up waiting when something else happens.
    let given_up = timeout(Duration::from_millis(100), backend.creator(creator(1).id)).await;
    assert!(given_up.is_err());
    // The only connection's place.
    assert!(backend.creator(creator(1).id).await.unwrap().is_none());
}

#[tokio::test]
async fn who_listens_on_a_connection_that_the_network_lost_listens_again() {
    let Some(database) = fresh().await else {
        return;
    };
    let (line, builder) = through_a_line(&database).await;
    let waiter = builder.queue(polling_every(LONG)).open().await.unwrap();
    let other = PostgresBackend::open(database.address()).await.unwrap();
    find_nothing(&waiter).await;
    line.lose();
    let waiting = tokio::spawn(async move {
        // A lost connection costs a call, and that the other one listens again counts as news.
        loop {
            let _cost = waiter.ready().await;
            let claimed = waiter
                .claim(
                    &super::queue::worker(),
                    &ClaimLimits::lanes(1),
                    SystemClock.now(),
                    LONG,
                )
                .await;
            if let Ok([_, ..]) = claimed.as_deref() {
                return;
            }
        }
    });
    let jobs = [job(conversation_id(1, 1), "k", 0)];
    other.enqueue(&jobs).await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_process_cut_off_in_a_transaction_behind_a_pooler_holds_its_locks_no_longer_than_a_call()
{
    let Some(database) = empty("cut_off").await else {
        return;
    };
    let (line, builder) = through_a_line(&database).await;
    let builder = builder.pooler(Pooler::Transaction);
    let backend = builder.open().await.unwrap();
    let mut admin = database.connect_as_admin().await;
    // Stands for any statement that takes a lock and whose answer gets lost. It ends when the test lets it.
    let slow = "CREATE OR REPLACE FUNCTION fanvue_bot.register(p_name text) \
        RETURNS TABLE (revision bigint, value text) LANGUAGE plpgsql AS $$ BEGIN \
        PERFORM pg_advisory_xact_lock(7, 7); PERFORM pg_advisory_xact_lock(7, 8); END $$";
    run(&mut admin, slow.to_owned()).await;
    run(&mut admin, "SELECT pg_advisory_lock(7, 8)".to_owned()).await;
    let calling = tokio::spawn(async move { backend.register(&RegisterName::new("any")).await });
    while locks(&mut admin).await == 0 {
        assert!(!calling.is_finished(), "it waits for what the test holds");
    }
    line.set(Mode::Silent);
    run(&mut admin, "SELECT pg_advisory_unlock(7, 8)".to_owned()).await;
    assert!(calling.await.unwrap().is_err());
    while locks(&mut admin).await > 0 {}
}

/// How many hold the lock that only the call takes.
async fn locks(admin: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND (classid, objid) = (7, 7)",
    )
    .fetch_one(admin)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_when_a_back_end_is_closed_is_done_or_told_so() {
    let Some(database) = fresh().await else {
        return;
    };
    let backend = PostgresBackend::builder(database.address())
        .max_connections(2)
        .max_group(3)
        .open()
        .await
        .unwrap();
    let mut callers = JoinSet::new();
    for number in 1..=200_u128 {
        let backend = backend.clone();
        callers.spawn(async move {
            let id = conversation_id(1, number);
            let jobs = [job(id, &number.to_string(), 0)];
            let done = backend
                .commit_and_enqueue(&intake(id, number), None, &jobs)
                .await;
            (number, done)
        });
    }
    let mut outcomes = Vec::new();
    // Some are done, some under way, most wait.
    outcomes.push(callers.join_next().await.unwrap().unwrap());
    backend.close().await;
    while let Some(outcome) = callers.join_next().await {
        outcomes.push(outcome.unwrap());
    }

    let backend = PostgresBackend::open(database.address()).await.unwrap();
    let mut refused = 0;
    for (number, outcome) in outcomes {
        let stored = backend
            .message(conversation_id(1, number), message_id(number))
            .await
            .unwrap();
        match outcome {
            Ok(_) => assert!(stored.is_some(), "{number} was acknowledged"),
            Err(error) => {
                let said = words(&error);
                assert!(said.contains("closed by this process"), "{said}");
                assert!(stored.is_none(), "{number} was refused");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "all were done before the end");
}
