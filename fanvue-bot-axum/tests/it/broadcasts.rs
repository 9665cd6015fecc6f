//! What an operator does with broadcasts by HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_axum::{BearerSecret, Internal};
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::memory::{MemoryBackend, MemoryBroadcasts};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde_json::{Value, json};

use crate::client::Client;
use crate::town::{Town, served};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ONE: &str = "00000000-0000-4000-8000-000000000001";

/// The routes of a town, over HTTP; no worker runs but by these.
struct Desk {
    town: Town,
    address: SocketAddr,
}

impl Desk {
    async fn open() -> Self {
        let town = Town::new().await;
        let backend = Backend::shared(Arc::<MemoryBackend>::clone(&town.memory))
            .broadcasts(Arc::new(MemoryBroadcasts::new()));
        let address = Self::serve(&town, backend).await;
        Self { town, address }
    }

    async fn serve(town: &Town, backend: Backend) -> SocketAddr {
        let engine = town.engine_on(backend, ScriptedLlm::new([]));
        let secret = BearerSecret::new(&Secret::new(SECRET)).unwrap();
        served(Internal::builder(secret, engine).build().router()).await
    }

    /// Below `/internal/creators/{id}`, of the creator who is there.
    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let path = format!("creators/{}/{path}", self.town.creator);
        self.call_as(SECRET, method, &path, body).await
    }

    async fn call_as(&self, bearer: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut client = Client::connect(self.address).await;
        let request = format!(
            "{method} /internal/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bearer}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.send(request).await;
        let answer = client.answer().await;
        let told = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, told)
    }

    /// Calls a route, which does what it is told.
    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, told) = self.call(method, path, &body).await;
        assert_eq!(status, 200, "{method} {path}: {told}");
        told
    }

    async fn get(&self, path: &str) -> Value {
        self.done("GET", path, &Value::Null).await
    }

    async fn post(&self, path: &str) -> Value {
        self.done("POST", path, &Value::Null).await
    }

    /// What a scheduler would call, again and again.
    async fn tick(&self) {
        for _ in 0..5 {
            for path in ["cron/tick", "jobs/run"] {
                let (status, told) = self.call_as(SECRET, "POST", path, "").await;
                assert_eq!(status, 200, "{told}");
            }
        }
    }

    /// What is refused, as `field: nearest`.
    async fn refused(&self, method: &str, path: &str, body: &Value) -> Vec<String> {
        let (status, told) = self.call(method, path, &body.to_string()).await;
        assert_eq!(status, 400, "{told}");
        let faults = told["faults"].as_array().unwrap();
        let field = |fault: &Value| {
            let error = told["error"].as_str().unwrap();
            assert!(error.contains(fault["reason"].as_str().unwrap()), "{told}");
            format!("{}: {}", fault["field"].as_str().unwrap(), fault["nearest"])
        };
        faults.iter().map(field).collect()
    }
}

fn to_followers(text: &str) -> Value {
    json!({"message": {"text": text}, "segment": {"include": [{"smart": "followers"}]}})
}

#[tokio::test]
async fn a_broadcast_is_written_counted_started_and_told_of() {
    let desk = Desk::open().await;
    desk.town.add_followers(3);
    let path = format!("broadcasts/{ONE}");
    let draft = json!({
        "message": {"text": "hi {name}", "name_fallback": "you"},
        "segment": {"include": [{"smart": "followers"}], "stages": ["new", "warm"], "spent_at_most": 0},
        "rest": 0,
    });
    for _ in 0..2 {
        let saved = desk.done("PUT", &path, &draft).await;
        assert_eq!(saved["broadcast"]["state"]["is"], "draft");
        assert_eq!(saved["broadcast"]["message"], draft["message"]);
        assert_eq!(saved["broadcast"]["segment"], draft["segment"]);
        assert_eq!(saved["broadcast"]["rest"], 0);
    }
    let early = desk.get(&format!("{path}/preview")).await;
    assert_eq!(early["complete"], false);
    desk.tick().await;
    let preview = desk.get(&format!("{path}/preview")).await;
    let counted = json!({"complete": true, "listed": 3, "reached": 3, "skipped": {}});
    assert_eq!(preview, counted);
    assert_eq!(desk.town.sent(), 0);

    let started = desk.post(&format!("{path}/start")).await;
    assert_eq!(started["state"]["is"], "scheduled");
    desk.tick().await;
    let progress = desk.get(&path).await;
    assert_eq!(progress["broadcast"]["state"]["is"], "done");
    assert_eq!(
        (&progress["sent"], &progress["left"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(desk.town.sent(), 3);
    let listed = desk.get("broadcasts?limit=1").await;
    assert_eq!(listed["broadcasts"][0]["id"], ONE);
    assert_eq!(listed["next"], Value::Null);
}

#[tokio::test]
async fn a_broadcast_is_scheduled_held_resumed_and_ended() {
    let desk = Desk::open().await;
    desk.town.add_followers(3);
    let path = format!("broadcasts/{ONE}");
    desk.done("PUT", &path, &to_followers("hi")).await;
    let at = desk.town.clock.now() + Duration::from_secs(3_600);
    let schedule = json!({"at": at.to_string()});
    let schedule_path = format!("{path}/schedule");
    let scheduled = desk.done("POST", &schedule_path, &schedule).await;
    assert_eq!(
        scheduled["state"],
        json!({"is": "scheduled", "at": at.to_string()})
    );
    desk.tick().await;
    assert_eq!(desk.town.sent(), 0);
    let paused = desk.post(&format!("{path}/pause")).await;
    assert_eq!(paused["state"]["is"], "draft");
    desk.post(&format!("{path}/start")).await;
    desk.post(&format!("{path}/pause")).await;
    desk.post(&format!("{path}/start")).await;
    // It is placed with everybody, and nobody works on conversations.
    desk.call_as(SECRET, "POST", "cron/tick", "").await;
    for _ in 0..2 {
        let paused = desk.post(&format!("{path}/pause")).await;
        assert_eq!(paused["state"]["is"], "paused");
    }
    desk.tick().await;
    assert_eq!(desk.town.sent(), 0);
    let resumed = desk.post(&format!("{path}/resume")).await;
    assert_eq!(resumed["state"]["is"], "running");
    for _ in 0..2 {
        let ended = desk.post(&format!("{path}/cancel")).await;
        assert_eq!(ended["state"]["is"], "cancelled");
    }
    desk.tick().await;
    let progress = desk.get(&path).await;
    assert_eq!(progress["skipped"], json!({"cancelled": 3}));
    assert_eq!(desk.town.sent(), 0);
    let (status, told) = desk.call("POST", &format!("{path}/start"), "").await;
    assert_eq!(
        (status, &told["error"]),
        (409, &json!("the broadcast is cancelled"))
    );
    assert!(
        told["remedy"].as_str().unwrap().contains("another"),
        "{told}"
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_field_with_the_nearest_that_can() {
    let desk = Desk::open().await;
    let path = format!("broadcasts/{ONE}");
    let refused = async |body: Value| desk.refused("PUT", &path, &body).await;
    assert_eq!(
        refused(json!({})).await,
        [
            "message.text: null",
            r#"segment.include: "[{\"smart\":\"subscribers\"}]""#
        ]
    );
    let mut draft = to_followers("look");
    draft["message"]["price"] = json!(500);
    assert_eq!(refused(draft.clone()).await, ["message.price: null"]);
    draft["message"]["media"] = json!([ONE]);
    draft["message"]["price"] = json!(299);
    assert_eq!(refused(draft).await, ["message.price: 300"]);
    let mut draft = to_followers("hi");
    draft["segment"]["include"] = json!([{"smart": "follower"}, {"smart": 1}]);
    draft["segment"]["stages"] = json!(["whale"]);
    draft["message"]["texts"] = json!("hi");
    draft["rest"] = json!(-1);
    assert_eq!(
        refused(draft).await,
        [
            "message: null",
            r#"segment.include: {"smart":"followers"}"#,
            "segment.include: null",
            "segment.stages: null",
            "rest: null",
        ]
    );
    let mut draft = to_followers("hi");
    draft["segment"]["spent_at_least"] = json!(900);
    draft["segment"]["spent_at_most"] = json!(500);
    assert_eq!(refused(draft).await, ["segment.spent_at_least: 500"]);

    desk.done("PUT", &path, &to_followers("hi")).await;
    let schedule = format!("{path}/schedule");
    let now = desk.town.clock.now();
    let past = now.minus(Duration::from_secs(1)).to_string();
    assert_eq!(
        desk.refused("POST", &schedule, &json!({"at": past})).await,
        [format!("at: \"{now}\"")]
    );
    for body in [json!({}), json!({"at": "tomorrow"})] {
        assert_eq!(desk.refused("POST", &schedule, &body).await, ["at: null"]);
    }
    for body in ["[]", "{", r#"{"text":"hi"}"#] {
        let (status, told) = desk.call("PUT", &path, body).await;
        assert_eq!(status, 400, "{told}");
    }
    let (status, told) = desk.call("POST", &format!("{path}/resume"), "").await;
    assert_eq!(
        (status, &told["error"]),
        (409, &json!("the broadcast is draft"))
    );
}

#[tokio::test]
async fn lists_come_in_parts_and_who_or_what_is_unknown_is_told() {
    let desk = Desk::open().await;
    let list = desk.town.add_list("no bot");
    let lists = desk.get("fan-lists").await;
    let own = json!([{"custom": list.to_string(), "name": "no bot", "members": 0}]);
    assert_eq!(lists, json!({"lists": own, "next": null}));
    for number in 1..=3 {
        let path = format!("broadcasts/00000000-0000-4000-8000-00000000000{number}");
        desk.done("PUT", &path, &to_followers("hi")).await;
    }
    let (mut seen, mut path) = (Vec::new(), "broadcasts?limit=2".to_owned());
    loop {
        let part = desk.get(&path).await;
        let broadcasts = part["broadcasts"].as_array().unwrap();
        seen.extend(broadcasts.iter().map(|one| one["id"].clone()));
        let Some(next) = part["next"].as_str() else {
            break;
        };
        path = format!("broadcasts?limit=2&after={next}");
    }
    seen.sort_by_key(ToString::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 3);
    for (method, path, expected) in [
        ("GET", "broadcasts?limit=101", 400),
        ("GET", "broadcasts?after=nowhere", 400),
        ("GET", "broadcasts?page=1", 400),
        ("GET", "broadcasts/first", 400),
        (
            "GET",
            "broadcasts/00000000-0000-4000-8000-000000000009",
            404,
        ),
        (
            "POST",
            "broadcasts/00000000-0000-4000-8000-000000000009/start",
            404,
        ),
    ] {
        let (status, told) = desk.call(method, path, "").await;
        assert_eq!(status, expected, "{path}: {told}");
        assert!(told["error"].is_string(), "{told}");
    }
    let nobody = format!("creators/{ONE}/broadcasts/{ONE}");
    let body = to_followers("hi").to_string();
    let (status, told) = desk.call_as(SECRET, "PUT", &nobody, &body).await;
    assert_eq!(
        (status, &told["error"]),
        (404, &json!("there is no such creator"))
    );
}

#[tokio::test]
async fn whoever_shows_no_secret_gets_nowhere_and_without_broadcasts_there_is_nowhere() {
    let desk = Desk::open().await;
    let path = format!("creators/{}/broadcasts/{ONE}", desk.town.creator);
    for (method, route) in [
        ("GET", path.clone()),
        ("PUT", path.clone()),
        ("POST", format!("{path}/start")),
        ("GET", format!("creators/{}/fan-lists", desk.town.creator)),
    ] {
        let (status, _) = desk.call_as("wrong", method, &route, "").await;
        assert_eq!(status, 401, "{method} {route}");
    }
    let town = Town::new().await;
    let backend = Backend::shared(Arc::<MemoryBackend>::clone(&town.memory));
    let address = Desk::serve(&town, backend).await;
    let without = Desk { town, address };
    let (status, _) = without.call("GET", "broadcasts", "").await;
    assert_eq!(status, 404);
}
