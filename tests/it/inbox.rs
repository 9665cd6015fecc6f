//! Webhooks that are kept on Postgres, and taken in by a worker of another process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{AccountId, ConversationId, CreatorId, FanId};
use fanvue_bot::inbox::Inbox as _;
use fanvue_bot::intake::Accepted;
use fanvue_bot::page::PageRequest;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::sqlx::PostgresBackend;
use fanvue_bot::store::Store as _;
use fanvue_bot::worker::{Worker, WorkerOptions, take_in_waiting};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::given::{engine_on_its_own, fan_writes};
use crate::postgres_server::{fresh, run};

const ACCOUNT: &str = "c0de0000-0000-4000-8000-000000000001";

fn creator() -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(1))
}

fn conversation(fan: u8) -> ConversationId {
    let fan = format!("fa000000-0000-4000-8000-0000000000{fan:02}");
    ConversationId::new(creator(), fan.parse::<FanId>().unwrap())
}

async fn process(address: &str) -> (PostgresBackend, Engine) {
    let postgres = PostgresBackend::open(address).await.unwrap();
    let shared = Arc::new(postgres.clone());
    let backend = Backend::shared(Arc::clone(&shared)).inbox(shared);
    (postgres, engine_on_its_own(backend))
}

async fn has_a_creator(postgres: &PostgresBackend) {
    let luna = Creator::new(creator(), Persona::named("Luna"))
        .account(AccountId::from_uuid(ACCOUNT.parse().unwrap()));
    postgres.commit(&luna.into(), None).await.unwrap();
}

async fn messages(postgres: &PostgresBackend, fan: u8) -> usize {
    let page = PageRequest::first(10);
    let listed = postgres.messages(conversation(fan), &page).await;
    listed.unwrap().items.len()
}

#[tokio::test]
async fn a_webhook_is_taken_in_by_the_worker_of_another_process() {
    let Some(database) = fresh().await else {
        return;
    };
    let (web, received) = process(&database.address()).await;
    has_a_creator(&web).await;
    let mut workers = Vec::new();
    for name in ["one", "other"] {
        let (postgres, engine) = process(&database.address()).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = Worker::new(engine, WorkerOptions::new(WorkerId::new(name)));
        let working = tokio::spawn(worker.run(async {
            let _stop = stopped.await;
        }));
        workers.push((postgres, stop, working));
    }
    for fan in 1..=20 {
        for _ in 0..2 {
            let accepted = fan_writes(&received, ACCOUNT, fan, 1).await;
            assert_eq!(accepted, Accepted::Kept(conversation(fan)));
        }
    }
    let stranger = "c0de0000-0000-4000-8000-000000000002";
    let accepted = fan_writes(&received, stranger, 1, 1).await;
    assert_eq!(accepted, Accepted::UnknownCreator);
    let far = received.now() + Duration::from_secs(1 << 20);
    for fan in 1..=20 {
        while messages(&web, fan).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(messages(&web, fan).await, 1);
    }
    while !web.waiting(far, 1).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for (postgres, stop, working) in workers {
        drop(stop);
        working.await.unwrap();
        postgres.close().await;
    }
    web.close().await;
}

#[tokio::test]
async fn an_event_that_cannot_be_taken_in_waits_until_it_can_and_holds_up_nobody() {
    let Some(database) = fresh().await else {
        return;
    };
    let (postgres, engine) = process(&database.address()).await;
    has_a_creator(&postgres).await;
    for fan in [1, 2] {
        fan_writes(&engine, ACCOUNT, fan, 1).await;
    }
    let taken = take_in_waiting(engine.intake(), 100).await.unwrap();
    assert_eq!(taken.taken_in, 2);

    // Half of a backup was restored over it, say.
    let mut admin = database.connect_as_admin().await;
    let fan = conversation(1).fan;
    run(
        &mut admin,
        format!(
            "CREATE TABLE kept AS SELECT * FROM fanvue_bot.conversations WHERE fan_id = '{fan}'"
        ),
    )
    .await;
    run(
        &mut admin,
        format!("UPDATE fanvue_bot.conversations SET state = '[]' WHERE fan_id = '{fan}'"),
    )
    .await;
    for fan in [1, 2] {
        fan_writes(&engine, ACCOUNT, fan, 2).await;
    }
    let taken = take_in_waiting(engine.intake(), 100).await.unwrap();
    assert_eq!((taken.taken_in, taken.put_off), (1, 1));
    assert_eq!(messages(&postgres, 2).await, 2);
    assert_eq!(postgres.waiting(engine.now(), 100).await.unwrap(), []);
    let soon = engine.now() + Duration::from_secs(60);
    let waiting = postgres.waiting(soon, 100).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].put_off, 1);

    run(
        &mut admin,
        "UPDATE fanvue_bot.conversations AS c SET state = k.state FROM kept AS k \
         WHERE c.creator_id = k.creator_id AND c.fan_id = k.fan_id; DROP TABLE kept"
            .to_owned(),
    )
    .await;
    let id = conversation(1);
    engine.intake().take_in_all_of(id).await.unwrap();
    assert_eq!(messages(&postgres, 1).await, 2);
    assert_eq!(postgres.waiting(soon, 100).await.unwrap(), []);
    postgres.close().await;
}
