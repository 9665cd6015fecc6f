//! The routes of the deployment itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_axum::{BearerSecret, Internal};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::id::CreatorId;
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::oauth::{Authorizer, Login, SessionId};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue as _, WorkerId};
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault as _};
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::tick::Tick;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::{ScriptedLlm, Step};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use crate::client::{Answer, Client};
use crate::town::{Town, served};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const MINUTE: Duration = Duration::from_secs(60);
const OLD: &str = "an-older-secret-of-enough-characters";

fn secret(text: &str) -> BearerSecret {
    BearerSecret::new(&Secret::new(text)).unwrap()
}

async fn serve(engine: Engine) -> SocketAddr {
    served(Internal::builder(secret(SECRET), engine).build().router()).await
}

/// Calls a route with this secret, this query and this body.
async fn post(address: SocketAddr, bearer: &str, target: &str, body: &str) -> Answer {
    let mut client = Client::connect(address).await;
    let request = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bearer}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.send(request).await;
    client.answer().await
}

async fn run(address: SocketAddr, query: &str) -> Value {
    let answer = post(address, SECRET, &format!("/internal/jobs/run{query}"), "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("cache-control: no-store"),
        "{answer:?}"
    );
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn what_is_due_is_done_batch_by_batch_and_the_answer_says_what() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 5).await;
    let address = serve(engine).await;

    let first = run(address, "?batch=3").await;
    assert_eq!((&first["claimed"], &first["done"]), (&3.into(), &3.into()));
    assert_eq!(first["more_due"], true);
    let second = run(address, "?batch=3&seconds=30").await;
    assert_eq!(
        second,
        serde_json::json!({
            "claimed": 2, "done": 2, "put_off": 0, "failed": 0, "lost": 0, "handed_back": 0,
            "more_due": false
        })
    );
    assert_eq!(town.sent(), 5);
    assert_eq!(run(address, "").await["claimed"], 0);
}

#[tokio::test]
async fn what_is_put_off_and_what_is_given_up_is_counted() {
    let town = Town::new().await;
    let limited = LlmError::RateLimited { retry_after: None };
    let engine = town.engine(ScriptedLlm::new([
        Step::fail(limited),
        Step::fail(LlmError::TooLong { limit: None }),
        Step::fail(LlmError::TooLong { limit: None }),
    ]));
    town.fans_write(&engine, 1).await;
    let address = serve(engine.clone()).await;
    assert_eq!(run(address, "").await["put_off"], 1);
    town.fans_write(&engine, 1).await;
    assert_eq!(run(address, "").await["failed"], 1);
    assert_eq!(town.sent(), 0);
}

#[tokio::test]
async fn calls_at_once_at_two_processes_do_each_job_once() {
    let town = Town::new().await;
    let (one, two) = (
        town.engine(ScriptedLlm::new([])),
        town.engine(ScriptedLlm::new([])),
    );
    town.fans_write(&one, 40).await;
    let addresses = [serve(one).await, serve(two).await];
    let calls: Vec<_> = (0..8)
        .map(|call| tokio::spawn(async move { run(addresses[call % 2], "?batch=10").await }))
        .collect();
    let mut done = 0;
    for call in calls {
        let report = call.await.unwrap();
        assert_eq!(report["claimed"], report["done"]);
        done += report["done"].as_u64().unwrap();
    }
    assert_eq!(done, 40);
    assert_eq!(town.sent(), 40);
    assert_eq!(town.memory.job_count(), 0);
}

/// A model that says when it is asked and answers when it is let.
#[derive(Debug, Clone)]
struct Held {
    asked: Arc<Notify>,
    answers: Arc<Semaphore>,
}

impl Held {
    fn new() -> Self {
        Self {
            asked: Arc::default(),
            answers: Arc::new(Semaphore::new(0)),
        }
    }
}

#[async_trait]
impl LlmProvider for Held {
    async fn complete(&self, _request: &CompletionRequest) -> Result<Completion, LlmError> {
        self.asked.notify_one();
        self.answers.acquire().await.unwrap().forget();
        Ok(Completion::new("hey"))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(8_000)
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_is_handed_back_and_goes_on() {
    let town = Town::new().await;
    let model = Held::new();
    let engine = town.engine(model.clone());
    town.fans_write(&engine, 2).await;
    let address = serve(engine).await;
    let report = run(address, "?seconds=1").await;
    assert_eq!(report["handed_back"], 2);
    assert_eq!(report["more_due"], true);
    model.answers.add_permits(2);
    assert_eq!(run(address, "").await["done"], 2);
    assert_eq!(town.sent(), 2);
}

#[tokio::test]
async fn a_call_goes_on_when_its_caller_leaves() {
    let town = Town::new().await;
    let model = Held::new();
    let engine = town.engine(model.clone());
    town.fans_write(&engine, 1).await;
    let address = serve(engine.clone()).await;
    let mut client = Client::connect(address).await;
    client
        .send(format!(
            "POST /internal/jobs/run HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-length: 0\r\n\r\n"
        ))
        .await;
    model.asked.notified().await;
    drop(client);
    model.answers.add_permits(1);
    while town.memory.job_count() > 0 {
        engine.backend().queue().ready().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(town.sent(), 1);
}

#[tokio::test]
async fn nobody_gets_in_without_a_live_secret() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    let internal = Internal::builder(secret(SECRET), engine)
        .previous_secret(secret(OLD))
        .build();
    let shown = format!("{internal:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(OLD), "{shown}");
    let address = served(internal.router()).await;
    for live in [SECRET, OLD] {
        let answer = post(address, live, "/internal/jobs/run", "").await;
        assert_eq!(answer.status, 200);
    }
    for wrong in ["", "0123456789abcdef0123456789abcdeF"] {
        // Before anything is read: a body that is out of range is not told.
        let answer = post(address, wrong, "/internal/jobs/run?batch=0", "").await;
        assert_eq!(answer.status, 401);
        assert!(answer.head.contains("www-authenticate: bearer"));
    }
    let mut client = Client::connect(address).await;
    assert_eq!(client.get("/internal/jobs/run").await.status, 401);
}

#[tokio::test]
async fn what_is_asked_for_is_checked_field_by_field() {
    let town = Town::new().await;
    let address = serve(town.engine(ScriptedLlm::new([]))).await;
    let route = "/internal/jobs/run";
    for (query, body, words) in [
        ("", r#"{"batch": 0}"#, "batch must be between 1 and 200"),
        ("?batch=201", "", "batch must be between 1 and 200"),
        ("?seconds=601", "", "seconds must be between 1 and 600"),
        ("?seconds=0", "", "seconds must be between 1 and 600"),
        ("?batch=x", "", "whole number"),
        ("?batch=1&batch=2", "", "whole number"),
        ("?bach=1", "", "fields that the route knows"),
        ("", r#"{"batch": -1}"#, "whole number"),
        ("", "[1", "must be a JSON object"),
    ] {
        let answer = post(address, SECRET, &format!("{route}{query}"), body).await;
        assert_eq!(answer.status, 400, "{query} {body}");
        assert!(
            answer.body.contains(words),
            "{query} {body}: {}",
            answer.body
        );
    }
    let answer = post(address, SECRET, route, &" ".repeat(2_000)).await;
    assert_eq!(answer.status, 413);
    let answer = post(address, SECRET, route, r#"{"batch": 5, "seconds": 2}"#).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_told_and_nothing_is_lost() {
    let town = Town::new().await;
    let plan = FaultPlan::none();
    let faulty = Arc::new(Faulty::new(Arc::clone(&town.memory), plan.clone()));
    let engine = town.engine_on(Backend::shared(faulty), ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    let address = serve(engine).await;
    plan.fail_next("JobQueue::claim", Fault::Before);
    let answer = post(address, SECRET, "/internal/jobs/run", "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    assert_eq!(run(address, "").await["done"], 1);
}

async fn tick(address: SocketAddr) -> Value {
    let answer = post(address, SECRET, "/internal/cron/tick", "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_tick_wakes_what_lost_its_wake_up() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    town.fans_write(&engine, 1).await;
    let (thief, now) = (WorkerId::new("x"), town.clock.now());
    let lost = town
        .memory
        .claim(&thief, &ClaimLimits::lanes(9), now, MINUTE)
        .await
        .unwrap();
    for lane in lost {
        let claims = lane.jobs.into_iter().map(|job| job.claim).collect();
        town.memory
            .complete(claims, town.clock.now())
            .await
            .unwrap();
    }
    let address = serve(engine).await;
    town.clock.advance(MINUTE * 2);
    assert_eq!(run(address, "").await["claimed"], 0);
    assert_eq!(tick(address).await["more"], false);
    assert_eq!(run(address, "").await["done"], 1);
}

#[tokio::test]
async fn a_tick_keeps_grants_alive_that_nobody_used_for_a_day() {
    let town = Town::new().await;
    let engine = town.engine(ScriptedLlm::new([]));
    let address = serve(engine).await;
    town.clock.advance(MINUTE * 60 * 23);
    assert_eq!(tick(address).await["grants_kept"], 0);
    let before = town.tokens().status(town.creator).await.unwrap();
    town.clock.advance(MINUTE * 60);
    assert_eq!(tick(address).await["grants_kept"], 1);
    let after = town.tokens().status(town.creator).await.unwrap();
    assert!(after.expires_at > before.expires_at);
    assert_eq!(tick(address).await["grants_kept"], 0);
    // A grant that Fanvue has ended is no fault of the tick's.
    town.revoke();
    town.clock.advance(MINUTE * 60 * 25);
    assert_eq!(tick(address).await["failed"], 1);
    assert_eq!(tick(address).await["failed"], 0);
}

#[tokio::test]
async fn a_tick_erases_authorizations_that_nobody_came_back_to() {
    let town = Town::new().await;
    let authorizer = Authorizer::builder(town.tokens(), "https://bot.invalid/oauth/callback");
    let authorizer = authorizer.build().unwrap();
    let internal = Internal::builder(secret(SECRET), town.engine(ScriptedLlm::new([])))
        .authorizer(authorizer.clone())
        .build();
    let address = served(internal.router()).await;
    let session = SessionId::of("session");
    let begun = authorizer.start(session, town.creator, Login::Current);
    begun.await.unwrap();
    town.clock.advance(MINUTE * 9);
    assert_eq!(tick(address).await["authorizations_erased"], 0);
    town.clock.advance(MINUTE);
    assert_eq!(tick(address).await["authorizations_erased"], 1);
    assert_eq!(tick(address).await["authorizations_erased"], 0);
    let id = SecretId::of_creator(town.creator, SecretKind::PendingAuthorization);
    assert!(town.vault.get(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_tick_whose_time_is_up_goes_on_where_it_stopped() {
    let town = Town::new().await;
    for number in 0..250 {
        let id = CreatorId::from_uuid(Uuid::from_u128(1_000 + number));
        let creator = Creator::new(id, Persona::named("Nova"));
        town.memory.commit(&creator.into(), None).await.unwrap();
    }
    let tick = Tick::new(&town.engine_hurried(Duration::from_secs(1)));
    let mut rounds = Vec::new();
    loop {
        let report = tick.run(town.clock.now() + MINUTE * 2).await.unwrap();
        rounds.push(report.creators);
        if !report.more {
            break;
        }
    }
    assert!(rounds.len() > 2 && !rounds.contains(&0), "{rounds:?}");
    assert_eq!(rounds.iter().sum::<u64>(), 251, "each once");
}

#[tokio::test]
async fn a_tick_finds_what_webhooks_missed() {
    let town = Town::new().await;
    let address = serve(town.engine(ScriptedLlm::new([]))).await;
    // The first one notes when polling begins.
    assert_eq!(tick(address).await["polled"], 0);
    town.fan_writes_unheard();
    town.clock.advance(MINUTE * 2);
    let told = tick(address).await;
    assert_eq!((&told["polled"], &told["found"]), (&1.into(), &1.into()));
    assert_eq!(run(address, "").await["done"], 1);
    // What waits is no failure of the tick's.
    town.revoke();
    town.clock.advance(MINUTE * 90);
    let told = tick(address).await;
    assert_eq!(
        (&told["polls_put_off"], &told["failed"]),
        (&1.into(), &0.into())
    );
}
