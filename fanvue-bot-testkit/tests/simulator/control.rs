//! Driving the simulator from another process.

use fanvue_bot_testkit::simulator::Simulator;
use serde_json::{Value, json};

use crate::support::{Answer, Api, Bench, Fallible, Receiver, Test};

struct Control(Api);

impl Control {
    fn of(simulator: &Simulator) -> Self {
        Self(Api::new(simulator.base_url(), ""))
    }

    async fn post(&self, path: &str, body: Value) -> Fallible<Value> {
        let answer = self.0.post(&format!("/_sim/{path}"), body).await?;
        if answer.status == 200 {
            Ok(answer.json())
        } else {
            Err(answer.text.into())
        }
    }

    async fn get(&self, path: &str) -> Fallible<Value> {
        Ok(self.0.get(&format!("/_sim/{path}")).await?.json())
    }

    async fn refused(&self, path: &str, body: Value) -> Fallible<Answer> {
        self.0.post(&format!("/_sim/{path}"), body).await
    }
}

#[tokio::test]
async fn a_whole_conversation_is_driven_over_http() -> Test {
    let simulator = Simulator::builder().start().await?;
    let control = Control::of(&simulator);
    let mut receiver = Receiver::start().await?;
    let app = json!({"clientId": "bot", "clientSecret": "s", "webhookSecret": "whsec_1"});
    control.post("apps", app).await?;
    let webhook = json!({"clientId": "bot", "url": receiver.url, "families": ["current"]});
    control.post("webhook", webhook).await?;
    control.post("creators", json!({"handle": "luna"})).await?;
    let fan = control.post("fans", json!({"handle": "fan-one"})).await?["uuid"].clone();
    let tokens = control
        .post("tokens", json!({"clientId": "bot", "user": "luna"}))
        .await?;
    let pair = |extra: Value| {
        let mut body = json!({"creator": "luna", "fan": "fan-one"});
        for (name, value) in extra.as_object().cloned().unwrap_or_default() {
            body[name] = value;
        }
        body
    };
    control
        .post("fan-message", pair(json!({"text": "hi"})))
        .await?;
    assert!(receiver.next().await?.signed_at("whsec_1").is_some());
    assert_eq!(control.get("unanswered").await?["chats"][0]["fan"], fan);
    let api = Api::new(
        simulator.base_url(),
        tokens["access_token"].as_str().unwrap_or_default(),
    );
    let path = format!("/v1/chats/{}/message", fan.as_str().unwrap_or_default());
    let fault =
        json!({"fault": "error_after", "value": 502, "method": "POST", "path": "*/message"});
    control.post("faults/requests", fault).await?;
    assert_eq!(
        control.get("faults").await?["requests"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(api.post(&path, json!({"text": "hello"})).await?.status, 502);
    assert_eq!(api.post(&path, json!({"text": "hello"})).await?.status, 201);
    let sends = control.get("sends").await?;
    assert_eq!(
        (&sends["sends"][0]["text"], &sends["sends"][0]["count"]),
        (&json!("hello"), &json!(2))
    );
    assert_eq!(control.get("unanswered").await?["chats"], json!([]));
    for (path, body) in [
        ("human-message", pair(json!({"text": "by hand"}))),
        (
            "automated-message",
            pair(json!({"trigger": "renewed", "text": "thanks"})),
        ),
        ("tip", pair(json!({"cents": 500}))),
        ("follow", pair(json!({}))),
        ("subscribe", pair(json!({}))),
        ("unsubscribe", pair(json!({"atPeriodEnd": true}))),
        ("fan-reads", pair(json!({}))),
        ("contactable", pair(json!({"contactable": false}))),
        ("online", json!({"fan": "fan-one", "online": true})),
        ("media", json!({"creator": "luna"})),
        ("webhook/test", json!({"clientId": "bot"})),
        ("consent", json!({"mode": "deny", "user": "luna"})),
        (
            "settings",
            json!({"accessTokenSeconds": 60, "webhookRetriesMs": [10]}),
        ),
        ("clock", json!({"advanceMs": 1000})),
        (
            "faults/webhooks",
            json!({"fault": "drop", "chance": 0.5, "topic": "creator.*"}),
        ),
        ("populate", json!({})),
        ("disconnect", json!({"clientId": "bot", "user": "luna"})),
    ] {
        control
            .post(path, body)
            .await
            .map_err(|error| format!("{path}: {error}"))?;
    }
    let transcript = control.get("transcript?creator=luna&fan=fan-one").await?;
    let origins: Vec<&str> = transcript["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["origin"].as_str())
        .collect();
    assert_eq!(origins, ["fan", "api", "api", "human", "automated", "fan"]);
    assert!(
        control.get("deliveries").await?["deliveries"]
            .as_array()
            .is_some_and(|d| !d.is_empty())
    );
    let requests = control.get("requests").await?;
    assert_eq!(
        requests["requests"].as_array().map(Vec::len),
        Some(2),
        "control is not counted"
    );
    assert!(
        control.get("messages").await?["messages"]
            .as_array()
            .is_some_and(|m| m.len() > 6)
    );
    assert_eq!(control.0.delete("/_sim/faults").await?.status, 200);
    assert_eq!(control.get("faults").await?["webhooks"], json!([]));
    Ok(())
}

#[tokio::test]
async fn bad_input_is_answered_with_the_field_and_the_fix() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let control = Control::of(&simulator);
    for (path, body, field) in [
        (
            "fan-message",
            json!({"fan": "fan-one", "text": "x"}),
            "creator",
        ),
        (
            "fan-message",
            json!({"creator": "nobody", "fan": "fan-one", "text": "x"}),
            "creator",
        ),
        (
            "fan-message",
            json!({"creator": "luna-example", "fan": "x", "text": "x"}),
            "fan",
        ),
        (
            "fan-message",
            json!({"creator": "luna-example", "fan": "fan-one", "txt": "x"}),
            "txt",
        ),
        (
            "fan-message",
            json!({"creator": 5, "fan": "fan-one"}),
            "creator",
        ),
        (
            "tip",
            json!({"creator": "luna-example", "fan": "fan-one", "cents": -1}),
            "cents",
        ),
        ("faults/requests", json!({"fault": "explode"}), "fault"),
        (
            "faults/requests",
            json!({"fault": "error_after", "value": 200}),
            "value",
        ),
        (
            "faults/requests",
            json!({"fault": "cut_after", "chance": 2}),
            "chance",
        ),
        (
            "faults/requests",
            json!({"fault": "cut_after", "chance": 1, "next": 1}),
            "chance",
        ),
        ("faults/webhooks", json!({"fault": "delay"}), "value"),
        (
            "webhook",
            json!({"clientId": "nobody", "url": "http://x"}),
            "clientId",
        ),
        (
            "webhook",
            json!({"clientId": "client-id", "url": "x"}),
            "url",
        ),
        (
            "webhook",
            json!({"clientId": "client-id", "url": "http://x", "families": ["v3"]}),
            "families",
        ),
        (
            "webhook",
            json!({"clientId": "client-id", "url": "http://x", "topics": ["x"]}),
            "topics",
        ),
        ("webhook/test", json!({"clientId": "client-id"}), "clientId"),
        (
            "tokens",
            json!({"clientId": "client-id", "user": "luna-example", "scopes": ["read"]}),
            "scopes",
        ),
        ("consent", json!({"mode": "maybe"}), "mode"),
        (
            "settings",
            json!({"webhookRetriesMs": ["x"]}),
            "webhookRetriesMs",
        ),
        ("clock", json!({"advanceMs": "soon"}), "advanceMs"),
        ("clock", json!([]), "body"),
    ] {
        let answer = control.refused(path, body.clone()).await?;
        assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
        assert_eq!(
            answer.json()["field"],
            field,
            "{path} {body}: {}",
            answer.text
        );
        assert!(
            answer.json()["fix"]
                .as_str()
                .is_some_and(|fix| !fix.is_empty())
        );
    }
    let text = json!({"creator": "luna-example", "fan": "fan-one"});
    let refused = control.refused("fan-message", text).await?;
    assert_eq!(
        refused.status, 400,
        "the world says what is wrong: {}",
        refused.text
    );
    assert_eq!(control.refused("nothing", json!({})).await?.status, 404);
    assert_eq!(control.refused("state", json!({})).await?.status, 405);
    Ok(())
}

#[tokio::test]
async fn control_explains_itself_and_can_be_left_out() -> Test {
    let Bench { simulator, .. } = Bench::start().await?;
    let help = Control::of(&simulator).get("").await?;
    assert!(
        help["endpoints"]
            .as_array()
            .is_some_and(|list| list.len() > 30)
    );
    let state = Control::of(&simulator).get("state").await?.to_string();
    assert!(state.contains("luna-example") && !state.contains("client-secret"));
    let closed = Simulator::builder().without_control().start().await?;
    assert_eq!(
        Api::new(closed.base_url(), "")
            .get("/_sim/state")
            .await?
            .status,
        404
    );
    Ok(())
}

#[tokio::test]
async fn a_stopped_simulator_lets_go_of_its_port() -> Test {
    let Bench { simulator, api, .. } = Bench::start().await?;
    let (address, handle) = (simulator.address(), simulator.handle());
    assert_eq!(api.get("/users/me").await?.status, 200);
    simulator.stop().await;
    assert!(api.get("/users/me").await.is_err());
    assert_eq!(
        handle.requests().len(),
        1,
        "the handle still tells what happened"
    );
    let again = Simulator::builder().port(address.port()).start().await?;
    assert_eq!(again.address(), address);
    Ok(())
}
