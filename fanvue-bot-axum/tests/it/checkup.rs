//! What `GET /internal/health` answers. What brings each cause about is tried in `tests/it/causes` of the workspace.

use std::sync::Arc;

use fanvue_bot_axum::{BearerSecret, Internal};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::health::Cause;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, FaultRates, Faulty};
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde_json::Value;
use uuid::Uuid;

use crate::client::{Answer, Client};
use crate::town::{Town, served};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn ask(engine: &Engine, query: &str) -> Answer {
    let secret = BearerSecret::new(&Secret::new(SECRET)).unwrap();
    let internal = Internal::builder(secret, engine.clone()).build();
    let mut client = Client::connect(served(internal.router()).await).await;
    let head = format!("host: x\r\nauthorization: Bearer {SECRET}");
    client
        .send(format!(
            "GET /internal/health{query} HTTP/1.1\r\n{head}\r\n\r\n"
        ))
        .await;
    client.answer().await
}

async fn report(engine: &Engine, query: &str) -> Value {
    let answer = ask(engine, query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

/// The causes of a report, each with the verdict and the action that belong to it.
fn causes(report: &Value) -> Vec<Cause> {
    let mut found = Vec::new();
    for line in report["lines"].as_array().unwrap() {
        let Some(word) = line["cause"].as_str() else {
            assert_eq!(line["verdict"], "ok");
            continue;
        };
        let cause = Cause::ALL.iter().find(|cause| cause.as_str() == word);
        let cause = *cause.unwrap();
        assert_eq!(line["verdict"], cause.verdict().as_str());
        assert_eq!(line["action"], cause.action());
        found.push(cause);
    }
    found.sort();
    found
}

async fn of_creator(town: &Town, engine: &Engine) -> Vec<Cause> {
    causes(&report(engine, &format!("?creator={}", town.creator)).await)
}

async fn of_deployment(engine: &Engine) -> Vec<Cause> {
    causes(&report(engine, "").await)
}

/// A plan by which every call of these operations fails.
fn down(operations: &'static str) -> FaultPlan {
    let rates = FaultRates {
        before: 1_000,
        ..FaultRates::default()
    };
    FaultPlan::seeded(Seed::new(1), rates).only(move |operation| operation.starts_with(operations))
}

#[tokio::test]
async fn a_creator_whose_fans_are_answered_is_well() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 2).await;
    town.work(&engine).await;
    assert_eq!(town.sent(), 2);
    let report = report(&engine, &format!("?creator={}", town.creator)).await;
    assert_eq!(causes(&report), []);
    assert_eq!(report["verdict"], "ok");
    for topic in ["token", "expiry", "refresh", "webhook", "fanvue", "model"] {
        let lines = report["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["topic"] == topic).unwrap();
        assert!(line["at"].is_string(), "{line}");
    }
    let deployment = self::report(&engine, "").await;
    assert_eq!(deployment["verdict"], "ok", "{deployment}");
    assert_eq!(deployment["well"], 1);

    let text = ask(&engine, "?format=text").await;
    assert!(text.head.contains("text/plain"), "{text:?}");
    assert!(text.body.starts_with("deployment: ok\n"), "{}", text.body);
}

#[tokio::test]
async fn what_another_process_saw_is_known() {
    let town = Town::new().await;
    let one = town.engine(ScriptedLlm::new([]));
    town.fans_write(&one, 1).await;
    town.work(&one).await;
    let two = town.engine(ScriptedLlm::new([]));
    assert_eq!(of_creator(&town, &two).await, []);
    assert_eq!(of_deployment(&two).await, []);
}

#[tokio::test]
async fn an_account_that_was_never_connected() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    let id = CreatorId::from_uuid(Uuid::from_u128(8));
    let nova = Creator::new(id, Persona::named("Nova"));
    town.memory.commit(&nova.into(), None).await.unwrap();
    let found = causes(&report(&engine, &format!("?creator={id}")).await);
    assert_eq!(found, [Cause::NotConnected]);
    let unwell = &report(&engine, "").await["unwell"];
    assert!(
        unwell
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["creator"] == id.to_string())
    );
}

#[tokio::test]
async fn a_store_that_is_down() {
    let town = Town::new().await;
    let faulty = Arc::new(Faulty::new(Arc::clone(&town.memory), down("Store::")));
    let engine = town.engine_on(Backend::shared(faulty), ScriptedLlm::new([]));
    assert_eq!(of_deployment(&engine).await, [Cause::StoreDown]);
    let answer = ask(&engine, &format!("?creator={}", town.creator)).await;
    assert_eq!(answer.status, 503);
    let plan = FaultPlan::none();
    let faulty = Arc::new(Faulty::new(Arc::clone(&town.memory), plan.clone()));
    let engine = town.engine_on(Backend::shared(faulty), ScriptedLlm::new([]));
    plan.fail_next("Store::creator_ids", Fault::Before);
    // What was found before is told too: nobody has worked here.
    let found = of_deployment(&engine).await;
    assert_eq!(found, [Cause::WorkerGone, Cause::StoreDown]);
}

#[tokio::test]
async fn what_is_asked_for_is_checked() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    for query in ["?creator=x", "?format=xml", "?creators=1"] {
        assert_eq!(ask(&engine, query).await.status, 400, "{query}");
    }
    let nobody = format!("?creator={}", Uuid::from_u128(99));
    assert_eq!(ask(&engine, &nobody).await.status, 404);
}

#[test]
fn the_guide_has_a_row_for_each_cause_and_no_other() {
    let guide = include_str!("../../../docs/guides/health.md");
    let (_, table) = guide.split_once("## Causes").unwrap();
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = Cause::ALL
        .iter()
        .map(|cause| {
            let (verdict, meaning) = (cause.verdict(), cause.meaning());
            format!("| `{cause}` | {verdict} | {meaning} | {} |", cause.action())
        })
        .collect();
    assert_eq!(rows, expected);
}
