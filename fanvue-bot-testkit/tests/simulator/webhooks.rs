//! Webhooks, as a receiver sees them.

use std::time::Duration;

use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{
    DeliveryState, Outcome, Trigger, WebhookFamily, WebhookFault, WebhookRule, signature,
};
use serde_json::json;

use crate::support::{APP, Api, Bench, Fallible, HOOK_SECRET, Hook, PATIENCE, Receiver, Test};

/// A bench whose app's webhook goes to a receiver, one post at a time.
async fn start() -> Fallible<(Bench, Receiver)> {
    let bench = Bench::with(Simulator::builder().webhook_concurrency(1)).await?;
    let receiver = Receiver::start().await?;
    bench.simulator.set_webhook(APP, Some(receiver.webhook()))?;
    Ok((bench, receiver))
}

fn write(bench: &Bench, text: &str) -> Fallible<String> {
    let uuid = bench
        .simulator
        .fan_writes(bench.people.luna, bench.people.fans[0], text)?;
    Ok(uuid.to_string())
}

/// Waits until the latest delivery was tried so often.
async fn tried(bench: &Bench, times: usize) -> bool {
    let enough = bench.simulator.wait_until(PATIENCE, |world| {
        world
            .deliveries()
            .last()
            .is_some_and(|delivery| delivery.attempts.len() >= times)
    });
    enough.await
}

fn arm(bench: &Bench, fault: WebhookFault) {
    let rule = WebhookRule::new(fault, Trigger::Next(1)).on("creator.message.received");
    bench.simulator.add_webhook_fault(rule);
}

fn text(hook: &Hook) -> String {
    hook.json()["data"]["text"]
        .as_str()
        .unwrap_or("-")
        .to_owned()
}

#[test]
fn the_published_signature_is_reproduced() {
    let body = br#"{"recipientUuid":"5b0f3c1e-0000-4000-8000-00000000c0de","text":"hi"}"#;
    assert_eq!(
        signature::sign("demo-signing-secret", 1_790_000_000, body),
        "t=1790000000,v0=738f23af45d60d9d91e6b08d5a2d943b5c2d582f5830a086b7d5f1f2b260e1fb"
    );
}

#[tokio::test]
async fn both_families_are_signed_over_the_very_bytes() -> Test {
    let (bench, mut receiver) = start().await?;
    let families = [WebhookFamily::Legacy, WebhookFamily::Current];
    bench
        .simulator
        .set_webhook(APP, Some(receiver.webhook().families(families)))?;
    let uuid = write(&bench, "hi Luna")?;
    let legacy = receiver.topic("message.received").await?;
    let current = receiver.topic("creator.message.received").await?;
    let now = bench.simulator.now().secs();
    for hook in [&legacy, &current] {
        let at = hook
            .signed_at(HOOK_SECRET)
            .ok_or("not signed with the app's secret")?;
        assert!(now - at <= 5);
        assert_eq!(hook.header("content-type"), "application/json");
        assert!(hook.header("x-fanvue-event-id").starts_with("evt_"));
    }
    assert_eq!(legacy.json()["messageUuid"], uuid);
    assert_eq!(legacy.json()["message"]["text"], "hi Luna");
    assert_eq!(
        legacy.json()["recipientUuid"],
        bench.people.luna.to_string()
    );
    let current = current.json();
    assert_eq!(current["type"], "creator.message.received");
    assert_eq!(current["data"]["uuid"], uuid);
    assert_eq!(
        current["data"]["creator"]["uuid"],
        bench.people.luna.to_string()
    );
    Ok(())
}

#[tokio::test]
async fn hint_headers_and_texts_can_be_left_out() -> Test {
    let (bench, mut receiver) = start().await?;
    let bare = receiver.webhook().without_hint_headers().without_text();
    bench.simulator.set_webhook(APP, Some(bare))?;
    write(&bench, "hidden")?;
    let hook = receiver.next().await?;
    assert_eq!(hook.header("x-fanvue-topic"), "");
    assert_eq!(hook.header("x-fanvue-event-id"), "");
    assert!(hook.json()["data"].get("text").is_none());
    Ok(())
}

#[tokio::test]
async fn a_delivery_without_2xx_is_tried_again_with_the_same_id() -> Test {
    let (bench, mut receiver) = start().await?;
    receiver.answer(500);
    write(&bench, "hi")?;
    let first = receiver.next().await?;
    assert!(
        tried(&bench, 1).await,
        "the next try is timed from the end of this one"
    );
    receiver.answer(302);
    bench.simulator.advance(Duration::from_secs(1));
    let second = receiver.next().await?;
    assert!(tried(&bench, 2).await);
    receiver.answer(204);
    bench.simulator.advance(Duration::from_secs(5));
    let third = receiver.next().await?;
    for hook in [&second, &third] {
        assert_eq!(hook.body, first.body);
        assert_eq!(hook.json()["id"], first.json()["id"]);
        assert!(hook.signed_at(HOOK_SECRET) > first.signed_at(HOOK_SECRET).map(|at| at - 1));
    }
    let delivered = bench.simulator.wait_until(PATIENCE, |world| {
        world
            .deliveries()
            .last()
            .is_some_and(|d| d.state == DeliveryState::Delivered)
    });
    assert!(delivered.await);
    let tried: Vec<Outcome> = bench.simulator.deliveries()[0]
        .attempts
        .iter()
        .map(|(_, o)| o.clone())
        .collect();
    assert_eq!(
        tried,
        [
            Outcome::Answered(500),
            Outcome::Answered(302),
            Outcome::Answered(204)
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_in_time_gets_the_event_again() -> Test {
    let builder = Simulator::builder().webhook_timeout(Duration::from_millis(100));
    let bench = Bench::with(builder).await?;
    let mut receiver = Receiver::start().await?;
    bench.simulator.set_webhook(APP, Some(receiver.webhook()))?;
    receiver.answer(0);
    write(&bench, "hi")?;
    let first = receiver.next().await?;
    assert!(tried(&bench, 1).await);
    receiver.answer(200);
    bench.simulator.advance(Duration::from_secs(1));
    assert_eq!(receiver.next().await?.json()["id"], first.json()["id"]);
    Ok(())
}

#[tokio::test]
async fn events_are_duplicated_dropped_delayed_and_reordered() -> Test {
    let (bench, mut receiver) = start().await?;
    arm(&bench, WebhookFault::Duplicate);
    write(&bench, "twice")?;
    let (one, two) = (receiver.next().await?, receiver.next().await?);
    assert_eq!((text(&one), &one.body), ("twice".to_owned(), &two.body));

    arm(&bench, WebhookFault::Drop);
    write(&bench, "never")?;
    assert!(receiver.is_quiet().await);
    let dropped = bench.simulator.deliveries();
    assert_eq!(
        dropped.last().map(|d| d.state),
        Some(DeliveryState::Dropped)
    );

    arm(&bench, WebhookFault::Delay(60_000));
    write(&bench, "late")?;
    assert!(receiver.is_quiet().await);
    bench.simulator.advance(Duration::from_secs(60));
    assert_eq!(text(&receiver.next().await?), "late");

    arm(&bench, WebhookFault::Reorder);
    write(&bench, "first")?;
    write(&bench, "second")?;
    let order = [text(&receiver.next().await?), text(&receiver.next().await?)];
    assert_eq!(order, ["second", "first"]);
    Ok(())
}

#[tokio::test]
async fn events_are_signed_wrongly_dated_back_or_without_text() -> Test {
    let (bench, mut receiver) = start().await?;
    arm(&bench, WebhookFault::WrongSignature);
    write(&bench, "forged")?;
    let forged = receiver.next().await?;
    assert!(forged.header("x-fanvue-signature").starts_with("t="));
    assert_eq!(forged.signed_at(HOOK_SECRET), None);

    arm(&bench, WebhookFault::OldTimestamp);
    write(&bench, "old")?;
    let old = receiver
        .next()
        .await?
        .signed_at(HOOK_SECRET)
        .ok_or("rightly signed")?;
    assert!(bench.simulator.now().secs() - old >= 3600);

    arm(&bench, WebhookFault::WithoutText);
    write(&bench, "hidden")?;
    assert!(receiver.next().await?.json()["data"].get("text").is_none());
    write(&bench, "seen")?;
    assert_eq!(text(&receiver.next().await?), "seen");
    Ok(())
}

#[tokio::test]
async fn api_sends_and_human_messages_come_back_as_sent() -> Test {
    let (bench, mut receiver) = start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.fans[0]);
    let sent = bench
        .api
        .post(&format!("/v1/chats/{fan}/message"), json!({"text": "bot"}))
        .await?;
    let echo = receiver.topic("creator.message.sent").await?.json();
    assert_eq!(echo["data"]["uuid"], sent.json()["messageUuid"]);
    assert_eq!(echo["data"]["sender"], "creator");
    assert_eq!(echo["data"]["is_automated"], false);
    let typed = bench
        .simulator
        .human_writes(luna, fan, "by hand", Some(bench.people.agency))?;
    let echo = receiver.topic("creator.message.sent").await?.json();
    assert_eq!(echo["data"]["uuid"], typed.to_string());
    let path = format!("/v1/chats/{fan}/messages/{typed}");
    let listed = bench.api.get(&path).await?.json();
    assert_eq!(listed["sentByUserId"], bench.people.agency.to_string());
    Ok(())
}

#[tokio::test]
async fn events_come_only_when_the_grant_holds_their_scope() -> Test {
    let (bench, mut receiver) = start().await?;
    let luna = bench.people.luna;
    let fan = bench.people.fans[0];
    Api::issue(&bench.simulator, luna, &["read:self"])?;
    write(&bench, "unheard")?;
    bench.simulator.fan_tips(luna, fan, 500, None)?;
    assert!(receiver.is_quiet().await);
    Api::issue(&bench.simulator, luna, &["read:creator"])?;
    bench.simulator.fan_tips(luna, fan, 500, None)?;
    let hook = receiver.next().await?;
    assert_eq!(hook.header("x-fanvue-topic"), "creator.payment.succeeded");
    bench.simulator.disconnect(APP, luna);
    bench.simulator.fan_tips(luna, fan, 500, None)?;
    assert!(receiver.is_quiet().await);
    Ok(())
}

#[tokio::test]
async fn legacy_events_of_money_and_reading_have_their_bodies() -> Test {
    let (bench, mut receiver) = start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.stranger);
    let legacy = receiver.webhook().families([WebhookFamily::Legacy]);
    bench.simulator.set_webhook(APP, Some(legacy))?;
    bench.simulator.fan_tips(luna, fan, 1000, None)?;
    let tip = receiver.topic("tip.new").await?.json();
    assert_eq!(
        (&tip["context"], &tip["price"]),
        (&json!("message"), &json!(1000))
    );
    bench
        .simulator
        .with_world(|world, now| world.subscribe(luna, fan, 999, now))?;
    let subscription = receiver.topic("subscription.new").await?.json();
    assert_eq!(subscription["sender"]["uuid"], fan.to_string());
    bench
        .simulator
        .with_world(|world, now| world.follow(luna, fan, now))?;
    let follow = receiver.topic("follow.new").await?.json();
    assert!(follow.get("price").is_none());
    bench.api.get(&format!("/chats/{fan}/messages")).await?;
    let read = receiver.topic("message.read").await?.json();
    assert_eq!(
        (&read["counterpartUuid"], &read["readMessagesCount"]),
        (&json!(fan), &json!(1))
    );
    Ok(())
}

#[tokio::test]
async fn subscriptions_through_the_api_have_secrets_of_their_own() -> Test {
    let bench = Bench::start().await?;
    let mut receiver = Receiver::start().await?;
    let api = &bench.api;
    let body = json!({"url": receiver.url, "events": ["creator.message.received"]});
    for prefix in ["", "/v1"] {
        let path = format!("{prefix}/webhooks/subscriptions");
        let made = api.post(&path, body.clone()).await?.json();
        let secret = made["signingSecret"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(secret.starts_with("whsec_"));
        write(&bench, "hi")?;
        let hook = receiver.next().await?;
        assert!(hook.signed_at(&secret).is_some());
        let listed = api.get(&path).await?.json();
        assert_eq!(listed["data"][0]["id"], made["id"]);
        assert!(listed["data"][0].get("signingSecret").is_none());
        let path = format!("{path}/{}", made["id"].as_str().unwrap_or_default());
        assert_eq!(api.delete(&path).await?.status, 204);
        assert_eq!(api.delete(&path).await?.status, 404);
    }
    write(&bench, "unheard")?;
    assert!(receiver.is_quiet().await);
    Ok(())
}

#[tokio::test]
async fn subscriptions_are_refused_whole_or_with_an_empty_error() -> Test {
    let bench = Bench::start().await?;
    let poor = Api::issue(&bench.simulator, bench.people.luna, &["read:chat"])?;
    let post = |api: &Api, url: &str, events: &[&str]| {
        let (api, body) = (api.clone(), json!({"url": url, "events": events}));
        async move { api.post("/webhooks/subscriptions", body).await }
    };
    let url = "https://bot.example.test/hook";
    let both = ["creator.message.received", "creator.payment.succeeded"];
    assert_eq!(post(&poor, url, &both).await?.status, 403);
    assert_eq!(post(&poor, url, &both[..1]).await?.status, 201);
    assert_eq!(post(&poor, url, &["message.invented"]).await?.status, 400);
    assert_eq!(post(&poor, url, &[]).await?.status, 400);
    assert_eq!(
        post(&poor, "http://bot.example.test", &both[..1])
            .await?
            .status,
        400
    );
    bench.simulator.with_world(|world, _| {
        if let Some(app) = world.app_mut(APP) {
            app.refuses_subscriptions = true;
        }
    });
    let refused = post(&poor, url, &both[..1]).await?;
    assert_eq!(
        (refused.status, refused.json()),
        (400, json!({"error": ""}))
    );
    Ok(())
}

#[tokio::test]
async fn the_test_button_sends_a_sample_about_nobody() -> Test {
    let (bench, mut receiver) = start().await?;
    bench.simulator.disconnect(APP, bench.people.luna);
    bench
        .simulator
        .with_world(|world, now| world.send_test_delivery(APP, now));
    let hook = receiver.next().await?;
    assert!(hook.signed_at(HOOK_SECRET).is_some());
    let creator = hook.json()["data"]["creator"]["uuid"].clone();
    assert!(creator.is_string() && creator != bench.people.luna.to_string());
    Ok(())
}
