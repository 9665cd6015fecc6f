//! A test event through the door, the store and a worker, at a caller's word.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_axum::{BearerSecret, Internal, Webhooks};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::health::Checkup;
use fanvue_bot_core::queue::WorkerId;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::self_test::SelfTest;
use fanvue_bot_core::worker::{Worker, WorkerOptions};
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::town::{Town, WEBHOOK_SECRET, served};

const BEARER: &str = "0123456789abcdef0123456789abcdef";

/// The test of a deployment whose door accepts what is signed with this secret.
fn self_test(engine: &Engine, secret: &str) -> SelfTest {
    let door = Webhooks::builder(Town::verifier(), engine.intake().clone()).build();
    SelfTest::new(
        engine.intake().clone(),
        door.courier(),
        &Secret::new(secret),
    )
    .unwrap()
}

/// What `POST /internal/self-test` of a process with this test answers.
async fn ask(engine: &Engine, test: Option<SelfTest>, query: &str) -> Answer {
    let secret = BearerSecret::new(&Secret::new(BEARER)).unwrap();
    let mut internal = Internal::builder(secret, engine.clone());
    if let Some(test) = test {
        internal = internal.self_test(test);
    }
    let address = served(internal.build().router()).await;
    let mut client = Client::connect(address).await;
    client
        .send(format!(
            "POST /internal/self-test{query} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {BEARER}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
    client.answer().await
}

fn parts(answer: &Answer) -> (Value, Vec<(String, String)>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let report: Value = serde_json::from_str(&answer.body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let steps = report["steps"].as_array().unwrap();
    let steps = steps
        .iter()
        .map(|step| (text(&step["step"]), text(&step["verdict"])))
        .collect();
    (report, steps)
}

#[tokio::test]
async fn a_test_event_goes_the_whole_way_and_asks_neither_fanvue_nor_the_model() {
    let town = Town::new().await;
    let model = Arc::new(ScriptedLlm::new([]));
    let engine = town.engine(Arc::clone(&model));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = WorkerOptions::new(WorkerId::new("w")).poll(Duration::from_millis(20));
    let worker = tokio::spawn(Worker::new(engine.clone(), options).run(async {
        let _ended = stopped.await;
    }));

    let test = self_test(&engine, WEBHOOK_SECRET);
    // Many at once.
    let asked: Vec<_> = (0..4)
        .map(|_| {
            let (engine, test) = (engine.clone(), test.clone());
            tokio::spawn(async move { ask(&engine, Some(test), "").await })
        })
        .collect();
    for answer in asked {
        let (report, steps) = parts(&answer.await.unwrap());
        let names: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["prepared", "delivered", "stored", "worked"]);
        assert!(steps.iter().all(|(_, verdict)| verdict == "ok"), "{report}");
        assert_eq!(report["verdict"], "ok");
    }
    let _ended = stop.send(());
    worker.await.unwrap();

    assert_eq!(model.requests().len(), 0);
    assert_eq!(town.sent(), 0);
    // Nobody sees the reserved creator but who looks for them.
    let health = Checkup::new(&engine).deployment().await;
    let known: Vec<_> = health.unwell.iter().map(|unwell| unwell.creator).collect();
    assert!(
        known.iter().all(|creator| *creator == town.creator),
        "{known:?}"
    );
}

#[tokio::test]
async fn a_test_says_where_it_ended_and_what_to_do() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));

    let answer = ask(&engine, Some(self_test(&engine, "another-secret")), "").await;
    let (report, steps) = parts(&answer);
    assert_eq!(report["verdict"], "broken");
    assert_eq!(
        steps.last().unwrap(),
        &("delivered".into(), "broken".into())
    );
    assert_eq!(report["steps"][1]["cause"], "not_proved");
    assert!(
        report["steps"][1]["action"]
            .as_str()
            .unwrap()
            .contains("same secret")
    );

    // Nobody works.
    let test = self_test(&engine, WEBHOOK_SECRET);
    let (report, steps) = parts(&ask(&engine, Some(test), "?seconds=1").await);
    assert_eq!(steps.last().unwrap(), &("worked".into(), "broken".into()));
    assert_eq!(report["steps"][3]["cause"], "no_worker");
}

#[tokio::test]
async fn without_a_test_the_route_says_how_to_get_one() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    let answer = ask(&engine, None, "").await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.body.contains("InternalBuilder::self_test"),
        "{answer:?}"
    );
    let test = self_test(&engine, WEBHOOK_SECRET);
    let answer = ask(&engine, Some(test), "?seconds=0").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("seconds must be between 1 and 300"),
        "{answer:?}"
    );
}
