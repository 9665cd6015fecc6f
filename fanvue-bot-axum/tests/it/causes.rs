//! Each cause that health tells apart, brought about and then read from `GET /internal/health`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_axum::{BearerSecret, Internal, Webhooks};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::{Creator, CreatorStatus};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::health::Cause;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::pulse::{Part, Trouble, Whose};
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault as _};
use fanvue_bot_core::settings::Mode;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_core::webhook::Signer;
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

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
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
async fn a_connection_that_fanvue_has_ended() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    town.revoke();
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::NeedsReconnect]);
}

#[tokio::test]
async fn an_app_secret_that_is_wrong() {
    let town = Town::new().await;
    let engine = town.engine_by(town.tokens_by("another", town.client()), town.client());
    town.clock.advance(minutes(60));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    let found = of_creator(&town, &engine).await;
    assert_eq!(found, [Cause::AccessExpired, Cause::WrongAppSecret]);
}

#[tokio::test]
async fn a_token_that_expires_while_it_cannot_be_refreshed() {
    let town = Town::new().await;
    let client = Faulty::new(town.client(), down("FanvueClient::refresh_tokens"));
    let engine = town.engine_by(town.tokens_by("app-secret", client), town.client());
    town.clock.advance(minutes(58));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::RefreshFailing]);
    town.clock.advance(minutes(2));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    let found = of_creator(&town, &engine).await;
    assert_eq!(found, [Cause::AccessExpired, Cause::RefreshFailing]);
}

#[tokio::test]
async fn tokens_that_do_not_read_back() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    let id = SecretId::of_creator(town.creator, SecretKind::TokenSet);
    let stored = town.vault.get(&id).await.unwrap().unwrap();
    let broken = Secret::new("no tokens");
    town.vault
        .put(&id, &broken, Some(stored.revision))
        .await
        .unwrap();
    assert_eq!(of_creator(&town, &engine).await, [Cause::TokenUnreadable]);
}

/// A model that fails as it is told.
#[derive(Debug)]
struct Failing(fn() -> LlmError);

#[async_trait]
impl LlmProvider for Failing {
    async fn complete(&self, _request: &CompletionRequest) -> Result<Completion, LlmError> {
        Err(self.0())
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(8_000)
    }
}

#[tokio::test]
async fn a_model_that_is_misconfigured_out_of_money_down_limited_or_useless() {
    let cases: [(fn() -> LlmError, Cause); 5] = [
        (
            || LlmError::Misconfigured {
                message: "no such model".into(),
            },
            Cause::ModelMisconfigured,
        ),
        (
            || LlmError::OutOfQuota {
                message: "pay".into(),
            },
            Cause::ModelOutOfMoney,
        ),
        (|| LlmError::overloaded("busy"), Cause::ModelDown),
        (
            || LlmError::RateLimited { retry_after: None },
            Cause::ModelRateLimited,
        ),
        (
            || LlmError::Broken {
                reason: "empty".into(),
            },
            Cause::ModelUnusable,
        ),
    ];
    for (error, cause) in cases {
        let town = Town::new().await;
        let engine = town.engine(Failing(error));
        town.fans_write(&engine, 1).await;
        town.work(&engine).await;
        assert_eq!(of_creator(&town, &engine).await, [cause]);
        // And is well again once the model answers.
        let mended = town.engine(ScriptedLlm::new([]));
        town.clock.advance(minutes(20));
        town.work(&mended).await;
        assert_eq!(of_creator(&town, &mended).await, [], "{cause}");
    }
}

#[tokio::test]
async fn a_fanvue_that_is_down_and_one_that_limits_the_rate() {
    let town = Town::new().await;
    let client = Faulty::new(town.client(), down("FanvueClient::messages"));
    let engine = town.engine_by(town.tokens(), client);
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::FanvueDown]);

    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.world
        .lock()
        .unwrap()
        .settings_mut()
        .rate_limits
        .per_minute = 1;
    town.fans_write(&engine, 3).await;
    town.work(&engine).await;
    town.clock.advance(Duration::from_secs(1));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::FanvueRateLimited]);
}

#[tokio::test]
async fn a_creator_who_is_off() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    town.change(|creator| creator.settings.mode = Mode::Off)
        .await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::ModeOff]);
    town.change(|creator| creator.status = CreatorStatus::Inactive)
        .await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::CreatorInactive]);
}

#[tokio::test]
async fn webhooks_that_never_came_and_webhooks_that_stopped() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    assert_eq!(of_creator(&town, &engine).await, [Cause::WebhooksNeverCame]);
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, []);
    let whose = Whose::Creator(town.creator);
    let now = town.clock.advance(minutes(1));
    engine
        .pulse()
        .fails(whose, Part::Webhook, Trouble::Missed, now);
    assert_eq!(of_creator(&town, &engine).await, [Cause::WebhooksStopped]);
    town.clock.advance(minutes(1));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, []);
}

#[tokio::test]
async fn polls_that_fail_and_polls_that_ceased() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    let whose = Whose::Creator(town.creator);
    engine.pulse().works(whose, Part::Poll, town.clock.now());
    assert_eq!(of_creator(&town, &engine).await, []);
    let now = town.clock.advance(minutes(11));
    assert_eq!(of_creator(&town, &engine).await, [Cause::PollStopped]);
    engine
        .pulse()
        .fails(whose, Part::Poll, Trouble::Unavailable, now);
    assert_eq!(of_creator(&town, &engine).await, [Cause::PollFailing]);
}

#[tokio::test]
async fn work_that_no_worker_takes_up_and_fans_who_wait() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    town.clock.advance(minutes(2));
    assert_eq!(of_creator(&town, &engine).await, [Cause::WorkNotTaken]);
    assert_eq!(of_deployment(&engine).await, [Cause::WorkNotTaken]);
    let now = town.clock.advance(minutes(10));
    let found = of_creator(&town, &engine).await;
    assert_eq!(found, [Cause::FansWaiting, Cause::WorkNotTaken]);
    // A worker that is at it and does not keep up.
    engine.pulse().works(Whose::Deployment, Part::Worker, now);
    let found = of_creator(&town, &engine).await;
    assert_eq!(found, [Cause::FansWaiting, Cause::WorkBehind]);
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, []);
}

#[tokio::test]
async fn an_answer_that_was_given_up_is_told_of_for_a_day() {
    let town = Town::new().await;
    let engine = town.engine(Failing(|| LlmError::TooLong { limit: None }));
    town.fans_write(&engine, 1).await;
    town.work(&engine).await;
    assert_eq!(of_creator(&town, &engine).await, [Cause::TurnsGivenUp]);
    town.clock.advance(minutes(60 * 24 + 1));
    assert_eq!(of_creator(&town, &engine).await, []);
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
    assert_eq!(of_deployment(&engine).await, [Cause::StoreDown]);
}

#[tokio::test]
async fn a_store_that_is_slow() {
    let town = Town::new().await;
    let engine = town.engine_hurried(Duration::from_secs(2));
    assert_eq!(of_deployment(&engine).await, [Cause::StoreSlow]);
}

/// Posts a body, signed with this secret at this distance from now.
async fn deliver(town: &Town, engine: &Engine, secret: &str, path: &str, late: Duration) -> u16 {
    let webhooks = Webhooks::builder(Town::verifier(), engine.intake().clone()).build();
    let mut client = Client::connect(served(webhooks.router()).await).await;
    let body = town.body();
    let at = town.clock.now().minus(late);
    let signature = Signer::new(&Secret::new(secret))
        .unwrap()
        .header(at, body.as_bytes());
    client
        .send(format!(
            "POST /webhooks/fanvue{path} HTTP/1.1\r\nhost: x\r\nx-fanvue-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await;
    client.answer().await.status
}

#[tokio::test]
async fn webhooks_that_are_refused_or_unreadable() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    let right = "webhook-secret";
    let other = format!("/{}", Uuid::from_u128(9));
    let hour = minutes(60);
    let cases = [
        ("old-secret", "", Duration::ZERO, Cause::SignaturesFailing),
        (right, "", hour, Cause::ClockWrong),
        (right, &*other, Duration::ZERO, Cause::WebhookAddressWrong),
    ];
    for (secret, path, late, cause) in cases {
        town.clock.advance(minutes(1));
        assert_eq!(deliver(&town, &engine, secret, path, late).await, 401);
        assert_eq!(of_deployment(&engine).await, [cause]);
    }
    town.clock.advance(minutes(1));
    assert_eq!(
        deliver(&town, &engine, right, "", Duration::ZERO).await,
        200
    );
    town.work(&engine).await;
    assert_eq!(of_deployment(&engine).await, []);
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
