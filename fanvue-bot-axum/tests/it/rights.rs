//! Copies and erasures by HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_axum::{BearerSecret, Internal};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::memory::MemoryBackend;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde_json::Value;

use crate::client::{Answer, Client};
use crate::town::{Town, served};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

/// A creator to whom three fans have written, and the routes.
struct Desk {
    town: Town,
    plan: FaultPlan,
    address: SocketAddr,
    /// The id of one of the fans.
    fan: String,
}

impl Desk {
    async fn open() -> Self {
        let town = Town::new().await;
        let plan = FaultPlan::none();
        let store = Faulty::new(Arc::<MemoryBackend>::clone(&town.memory), plan.clone());
        let backend = Backend::shared(Arc::new(store));
        let engine = town.engine_on(backend, ScriptedLlm::new([]));
        town.fans_write(&engine, 3).await;
        let due = town.memory.due(None, far(), &PageRequest::first(1)).await;
        let fan = due.unwrap().items[0].conversation.fan.to_string();
        let secret = BearerSecret::new(&Secret::new(SECRET)).unwrap();
        let address = served(Internal::builder(secret, engine).build().router()).await;
        Self {
            town,
            plan,
            address,
            fan,
        }
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        self.call_as(SECRET, method, path).await
    }

    async fn call_as(&self, bearer: &str, method: &str, path: &str) -> Answer {
        let mut client = Client::connect(self.address).await;
        let request = format!(
            "{method} /internal/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bearer}\r\ncontent-length: 0\r\n\r\n"
        );
        client.send(request).await;
        client.answer().await
    }

    /// The path of the creator, and what is below it.
    fn below(&self, path: &str) -> String {
        format!("creators/{}{path}", self.town.creator)
    }

    fn of_fan(&self, path: &str) -> String {
        self.below(&format!("/fans/{}{path}", self.fan))
    }

    /// What a scheduler would call, again and again, a minute apart.
    async fn tick(&self) {
        for _ in 0..4 {
            self.town.clock.advance(Duration::from_secs(60));
            for path in ["cron/tick", "jobs/run"] {
                assert_eq!(self.call("POST", path).await.status, 200);
            }
        }
    }
}

fn far() -> fanvue_bot_core::time::Timestamp {
    fanvue_bot_core::time::Timestamp::from_seconds(1 << 40)
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[tokio::test]
async fn a_copy_of_a_fan_is_lines_of_json_from_head_to_end() {
    let desk = Desk::open().await;
    let copy = desk.call("GET", &desk.of_fan("/export")).await;
    assert_eq!(copy.status, 200);
    for header in [
        "content-type: application/x-ndjson",
        "cache-control: no-store",
    ] {
        assert!(copy.head.contains(header), "{}", copy.head);
    }
    let lines: Vec<Value> = copy
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["line"], "head");
    assert_eq!(lines[0]["fan"], desk.fan);
    assert_eq!(lines[1]["line"], "message");
    assert_eq!(lines[1]["text"], "hi");
    let end = lines.last().unwrap();
    assert_eq!((&end["line"], &end["messages"]), (&"end".into(), &1.into()));
}

#[tokio::test]
async fn a_copy_that_is_cut_short_does_not_look_whole() {
    let desk = Desk::open().await;
    desk.plan.fail_next("JobQueue::jobs", Fault::Before);
    let mut client = Client::connect(desk.address).await;
    let path = desk.of_fan("/export");
    client
        .send(format!(
            "GET /internal/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n\r\n"
        ))
        .await;
    assert!(client.try_answer().await.is_none());
    // Before the first line there is an answer.
    desk.plan.fail_next("Store::conversation", Fault::Before);
    assert_eq!(desk.call("GET", &path).await.status, 503);
}

#[tokio::test]
async fn a_fan_is_erased_and_the_others_stay() {
    let desk = Desk::open().await;
    let noted = desk.call("DELETE", &desk.of_fan("")).await;
    assert_eq!(noted.status, 202, "{noted:?}");
    let told = json(&noted);
    assert!(told["through"].is_string() && told["rows_from"].is_string());
    desk.tick().await;
    let copy = desk.call("GET", &desk.of_fan("/export")).await;
    assert!(!copy.body.contains("\"line\":\"message\""), "{copy:?}");
    let creators = desk.town.memory.creator_ids(None, 10).await.unwrap();
    assert_eq!(creators, [desk.town.creator]);
    let others = desk.town.memory.conversations();
    assert_eq!(others.len(), 3);
}

#[tokio::test]
async fn a_creator_is_erased_with_all_their_fans() {
    let desk = Desk::open().await;
    let none = json(&desk.call("GET", "erasures").await);
    assert_eq!(none["creators"], Value::Array(Vec::new()));
    for _ in 0..2 {
        let noted = desk.call("DELETE", &desk.below("")).await;
        assert_eq!(noted.status, 202, "{noted:?}");
        let told = json(&noted);
        assert_eq!(told["creator"], desk.town.creator.to_string());
        let listed = json(&desk.call("GET", "erasures").await);
        assert_eq!(listed["creators"], Value::Array(vec![told]));
    }
    desk.tick().await;
    let none = json(&desk.call("GET", "erasures").await);
    assert_eq!(none["creators"], Value::Array(Vec::new()));
    assert!(desk.town.memory.conversations().is_empty());
    assert_eq!(desk.call("DELETE", &desk.below("")).await.status, 404);
    assert_eq!(desk.call("GET", &desk.of_fan("/export")).await.status, 404);
}

#[tokio::test]
async fn who_is_not_there_is_told_and_what_is_no_id_is_named() {
    let desk = Desk::open().await;
    let nobody = format!("creators/{NOBODY}");
    let no_fan = desk.below(&format!("/fans/{NOBODY}"));
    for (method, path) in [
        ("DELETE", nobody.clone()),
        ("DELETE", no_fan.clone()),
        ("GET", format!("{no_fan}/export")),
        ("GET", format!("{nobody}/fans/{}/export", desk.fan)),
    ] {
        let answer = desk.call(method, &path).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    for (method, path, named) in [
        ("DELETE", "creators/mia".to_owned(), "creator"),
        ("DELETE", desk.below("/fans/otto"), "fan"),
        ("GET", desk.below("/fans/otto/export"), "fan"),
    ] {
        let answer = desk.call(method, &path).await;
        assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
        let error = json(&answer)["error"].as_str().unwrap().to_owned();
        assert!(error.contains(named), "{error}");
    }
    for (method, path) in [
        ("DELETE", desk.below("")),
        ("DELETE", desk.of_fan("")),
        ("GET", desk.of_fan("/export")),
        ("GET", "erasures".to_owned()),
    ] {
        let answer = desk.call_as("somebody-else", method, &path).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(desk.town.memory.conversations().len(), 3);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_and_nothing_is_erased() {
    let desk = Desk::open().await;
    for path in [desk.below(""), desk.of_fan("")] {
        let operation = if path.contains("fans") {
            "Store::conversation"
        } else {
            "Store::register"
        };
        desk.plan.fail_next(operation, Fault::Before);
        let answer = desk.call("DELETE", &path).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.head.contains("retry-after: 5"));
    }
    let creators = desk.town.memory.creator_ids(None, 10).await.unwrap();
    assert_eq!(creators, [desk.town.creator]);
}
