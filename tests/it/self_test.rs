//! A test event over HTTP, through a web process's door to a worker's decision, on what they share.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::axum::{Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::intake::Intake;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::rest::WebhookCourier;
use fanvue_bot::secret::Secret;
use fanvue_bot::self_test::SelfTest;
use fanvue_bot::sqlx::{PostgresBackend, SqliteBackend};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::{Worker, WorkerOptions};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::given::engine_on_its_own;
use crate::postgres_server::fresh;

const SECRET: &str = "webhook-secret";

/// The web process, the worker and whoever tests each have a back end of their own on one store.
async fn goes_the_whole_way([web, work, test]: [Backend; 3]) {
    let (stop, stopped) = watch::channel(false);
    let ended = |mut stopped: watch::Receiver<bool>| async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = format!("http://{}/webhooks/fanvue", listener.local_addr().unwrap());
    let verifier = Verifier::new(&Secret::new(SECRET)).unwrap();
    let routes = Webhooks::builder(verifier, Intake::new(web))
        .build()
        .router();
    let stopping = ended(stopped.clone());
    let serving = tokio::spawn(serve(listener, routes, Limits::default(), stopping));

    let engine = engine_on_its_own(work);
    let options = WorkerOptions::new(WorkerId::new("w")).poll(Duration::from_millis(100));
    let working = tokio::spawn(Worker::new(engine, options).run(ended(stopped)));

    let courier = WebhookCourier::new(&door).unwrap();
    let test = SelfTest::new(Intake::new(test), Arc::new(courier), &Secret::new(SECRET)).unwrap();
    for _ in 0..3 {
        let report = test.run(Duration::from_secs(20)).await;
        assert!(report.is_ok(), "{report}");
    }
    stop.send_replace(true);
    working.await.unwrap();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_test_event_goes_the_whole_way_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = SqliteBackend::open(folder.path().join("bot.db"))
        .await
        .unwrap();
    let backend = || Backend::shared(Arc::new(sqlite.clone()));
    goes_the_whole_way([backend(), backend(), backend()]).await;
    sqlite.close().await;
}

#[tokio::test]
async fn a_test_event_goes_the_whole_way_on_postgres() {
    let Some(database) = fresh().await else {
        return;
    };
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(PostgresBackend::open(database.address()).await.unwrap());
    }
    let backend = |number: usize| {
        let postgres = Arc::new(opened[number].clone());
        Backend::shared(Arc::clone(&postgres)).inbox(postgres)
    };
    goes_the_whole_way([backend(0), backend(1), backend(2)]).await;
    for backend in opened {
        backend.close().await;
    }
}
