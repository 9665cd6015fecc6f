//! What Fanvue tells of money is recorded once, however and in whatever order it comes.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::export::FanExport;
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::ledger::{Spend, Stage, Transaction, TransactionKind};
use fanvue_bot_core::llm::CompletionRequest;
use fanvue_bot_core::memory::MemoryInbox;
use fanvue_bot_core::money::{Cents, Currency};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::settings::Stages;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_core::webhook::{Event, Hints};
use fanvue_bot_core::worker::take_in_waiting;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::Step;

use crate::ids::{account, chat, fan, message};
use crate::scene::{Scene, settings};

/// An event of the newer family.
fn envelope(scene: &Scene, kind: &str, id: &str, data: &str) -> String {
    let (now, account, fan) = (scene.clock.now(), account(), fan());
    format!(
        r#"{{"id":"evt_{id}","type":"creator.{kind}","timestamp":"{now}","data":{{{data},
            "created_at":"{now}","purchaser":{{"uuid":"{fan}"}},"creator":{{"uuid":"{account}"}}}}}}"#
    )
}

fn payment(scene: &Scene, id: &str, source: &str, cents: u32) -> Event {
    let data =
        format!(r#""id":"{id}","source":"{source}","gross":{cents},"net":1,"currency":"USD""#);
    scene.parsed(
        &envelope(scene, "payment.succeeded", id, &data),
        &Hints::default(),
    )
}

fn reversal(scene: &Scene, kind: &str, id: &str, payment: &str, cents: u32) -> Event {
    let data = format!(r#""id":"{id}","payment_id":"{payment}","amount":{cents},"currency":"USD""#);
    scene.parsed(&envelope(scene, kind, id, &data), &Hints::default())
}

fn subscription(scene: &Scene, what: &str, id: &str, ends: bool) -> Event {
    let data = format!(r#""id":"{id}","status":"active","cancel_at_period_end":{ends}"#);
    let kind = format!("subscription.{what}");
    scene.parsed(
        &envelope(scene, &kind, &format!("{what}_{id}"), &data),
        &Hints::default(),
    )
}

/// A tip as the older family tells it.
fn flat_tip(scene: &Scene, cents: u32) -> String {
    let (now, account, fan, message) = (scene.clock.now(), account(), fan(), message(1));
    format!(
        r#"{{"context":"message","messageUuid":"{message}","price":{cents},"recipientUuid":"{account}",
            "senderUuid":"{fan}","sender":{{"uuid":"{fan}","handle":"otto"}},"timestamp":"{now}"}}"#
    )
}

fn flat(scene: &Scene, body: &str) -> Event {
    scene.parsed(body, &Hints::default())
}

async fn ledger(scene: &Scene) -> Vec<Transaction> {
    let page = PageRequest::first(100);
    scene
        .memory
        .transactions(chat(), &page)
        .await
        .unwrap()
        .items
}

async fn spend(scene: &Scene) -> Spend {
    scene.conversation().await.spend
}

async fn dollars(scene: &Scene) -> i64 {
    let spend = spend(scene).await;
    spend
        .totals
        .get(&Currency::USD)
        .map_or(0, |total| total.get())
}

#[tokio::test]
async fn each_kind_is_recorded_once_and_counted() {
    let scene = Scene::new([]).await;
    let events = [
        payment(&scene, "p1", "tip", 500),
        payment(&scene, "p2", "message", 700),
        payment(&scene, "p3", "subscription", 999),
        payment(&scene, "p4", "renewal", 999),
        payment(&scene, "p5", "aNewWord", 100),
        subscription(&scene, "cancel_at_period_end_changed", "s1", true),
        subscription(&scene, "deactivated", "s1", true),
        reversal(&scene, "refund.created", "r1", "p1", 200),
        reversal(&scene, "dispute.created", "d1", "p2", 700),
    ];
    for round in 0..3 {
        // The other way round every second time.
        let order: Vec<_> = if round % 2 == 0 {
            events.iter().collect()
        } else {
            events.iter().rev().collect()
        };
        for event in order {
            let accepted = scene.deliver(event).await.unwrap();
            let expected = if round == 0 {
                Accepted::Stored(chat())
            } else {
                Accepted::Duplicate(chat())
            };
            assert_eq!(accepted, expected);
        }
    }
    assert_eq!(ledger(&scene).await.len(), events.len());
    let spend = spend(&scene).await;
    for (kind, count) in [
        (TransactionKind::Tip, 1),
        (TransactionKind::Purchase, 2),
        (TransactionKind::Subscription, 1),
        (TransactionKind::Renewal, 1),
        (TransactionKind::Cancellation, 1),
        (TransactionKind::Expiry, 1),
        (TransactionKind::Refund, 1),
        (TransactionKind::Dispute, 1),
    ] {
        assert_eq!(spend.count(kind), count, "{kind:?}");
    }
    assert_eq!(
        spend.greatest_total(),
        Cents::new(500 + 700 + 999 + 999 + 100 - 200)
    );
    // The same refund's payment is known by the id that it has itself.
    let rows = ledger(&scene).await;
    let of = |kind| rows.iter().find(|row| row.kind == kind).unwrap();
    assert_eq!(
        of(TransactionKind::Refund).reverses,
        Some(of(TransactionKind::Tip).id)
    );
}

#[tokio::test]
async fn a_tip_that_both_families_tell_of_counts_once_in_either_order() {
    for named_first in [true, false] {
        let scene = Scene::new([]).await;
        let (named, body) = (payment(&scene, "p1", "tip", 500), flat_tip(&scene, 500));
        let unnamed = flat(&scene, &body);
        let order = if named_first {
            [&named, &unnamed]
        } else {
            [&unnamed, &named]
        };
        for event in order {
            assert_eq!(
                scene.deliver(event).await.unwrap(),
                Accepted::Stored(chat())
            );
        }
        assert_eq!(ledger(&scene).await.len(), 2);
        assert_eq!(dollars(&scene).await, 500);
        assert_eq!(spend(&scene).await.count(TransactionKind::Tip), 1);

        // The same body under another header, which proves nothing, is the same event.
        let hints = Hints::default().event_id(Some("another"));
        let again = scene.parsed(&body, &hints);
        assert_eq!(
            scene.deliver(&again).await.unwrap(),
            Accepted::Duplicate(chat())
        );

        // A minute later it is another one.
        scene.clock.advance(Duration::from_secs(60));
        scene
            .deliver(&payment(&scene, "p2", "tip", 500))
            .await
            .unwrap();
        let second = flat_tip(&scene, 500);
        scene.deliver(&flat(&scene, &second)).await.unwrap();
        assert_eq!(dollars(&scene).await, 1_000);
        assert_eq!(spend(&scene).await.count(TransactionKind::Tip), 2);
    }
}

#[tokio::test]
async fn a_subscription_told_of_without_its_price_gets_it_with_the_payment() {
    let scene = Scene::new([]).await;
    scene
        .deliver(&subscription(&scene, "activated", "s1", false))
        .await
        .unwrap();
    assert_eq!(dollars(&scene).await, 0);
    scene
        .deliver(&payment(&scene, "p1", "subscription", 999))
        .await
        .unwrap();
    assert_eq!(dollars(&scene).await, 999);
    assert_eq!(spend(&scene).await.count(TransactionKind::Subscription), 1);
    // Nothing was paid for a subscription that goes on after all.
    let goes_on = subscription(&scene, "cancel_at_period_end_changed", "s1", false);
    assert_eq!(scene.deliver(&goes_on).await.unwrap(), Accepted::Ignored);
}

#[tokio::test]
async fn a_payment_that_could_not_be_stored_is_stored_when_it_comes_again() {
    let plan = FaultPlan::none();
    let failing = plan.clone();
    let scene = Scene::with([], settings(), |memory| {
        Backend::shared(Arc::new(Faulty::new(memory, failing)))
    })
    .await;
    let tip = payment(&scene, "p1", "tip", 500);
    for fault in [Fault::Before, Fault::After] {
        plan.fail_next("CommitAndEnqueue::commit_and_enqueue", fault);
        scene.deliver(&tip).await.unwrap_err();
    }
    // The second one was stored though its sender does not know.
    assert_eq!(
        scene.deliver(&tip).await.unwrap(),
        Accepted::Duplicate(chat())
    );
    assert_eq!(dollars(&scene).await, 500);
}

#[tokio::test]
async fn a_payment_is_kept_in_the_inbox_and_taken_in_once() {
    let inbox = Arc::new(MemoryInbox::new());
    let keeping = Arc::clone(&inbox);
    let backend = |memory| Backend::shared(memory).inbox(keeping);
    let scene = Scene::with([], settings(), backend).await;
    let body = flat_tip(&scene, 500);
    let event = flat(&scene, &body);
    for _ in 0..3 {
        assert_eq!(
            scene.receive_body(&event, &body).await,
            Accepted::Kept(chat())
        );
    }
    take_in_waiting(scene.engine.intake(), 100).await.unwrap();
    assert_eq!(inbox.waiting_count(), 0);
    assert_eq!(ledger(&scene).await.len(), 1);
    assert_eq!(
        scene
            .memory
            .fan(chat())
            .await
            .unwrap()
            .unwrap()
            .handle
            .as_deref(),
        Some("otto")
    );
}

#[tokio::test]
async fn a_payment_that_nobody_is_thanked_for_leaves_the_turn_as_it_is() {
    let scene = Scene::new([]).await;
    scene.fan_writes(1, "hi").await;
    let before = scene.conversation().await;
    scene
        .deliver(&payment(&scene, "p1", "message", 500))
        .await
        .unwrap();
    let after = scene.conversation().await;
    assert_eq!(
        (&after.turn, &after.pending),
        (&before.turn, &before.pending)
    );
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(dollars(&scene).await, 500);
}

#[tokio::test]
async fn the_model_is_told_what_was_paid_since_the_last_answer_and_once() {
    let scene = Scene::new([]).await;
    scene
        .deliver(&payment(&scene, "p1", "tip", 500))
        .await
        .unwrap();
    let again = flat_tip(&scene, 500);
    scene.deliver(&flat(&scene, &again)).await.unwrap();
    scene
        .deliver(&reversal(&scene, "refund.created", "r1", "p9", 100))
        .await
        .unwrap();
    scene.clock.advance(Duration::from_secs(60));
    for number in [1, 2] {
        scene.fan_writes(number, "hi").await;
        scene.run_to_rest(9).await;
        scene.clock.advance(Duration::from_secs(600));
    }
    let told: Vec<bool> = scene
        .llm
        .requests()
        .iter()
        .map(|request| {
            let mut notes = request.messages.iter().map(|message| &*message.content);
            notes.any(|note| note.contains("the fan paid: a tip of $5.00. Thank"))
        })
        .collect();
    assert_eq!(told, [true, false]);
}

#[tokio::test]
async fn a_fan_moves_through_the_stages_by_what_they_write_and_pay() {
    let scene = Scene::new([]).await;
    let stage = async || {
        let stages = Stages::default();
        scene.conversation().await.stage(&stages)
    };
    let mut seen = Vec::new();
    for number in 1..=10 {
        scene.fan_writes(number, "hi").await;
        // The same message again is not counted.
        let again = scene.event("received", "fan", number, Some("hi"), "SINGLE_RECIPIENT");
        scene.deliver(&again).await.unwrap();
        seen.push(stage().await);
    }
    assert_eq!(seen[..9], [Stage::New; 9]);
    assert_eq!(seen[9], Stage::Warm);
    scene
        .deliver(&payment(&scene, "p1", "tip", 5_000))
        .await
        .unwrap();
    assert_eq!(stage().await, Stage::Supporter);
    scene
        .deliver(&payment(&scene, "p2", "message", 45_000))
        .await
        .unwrap();
    assert_eq!(stage().await, Stage::Vip);
    scene
        .deliver(&reversal(&scene, "refund.created", "r1", "p2", 45_000))
        .await
        .unwrap();
    assert_eq!(stage().await, Stage::Supporter);
}

#[tokio::test]
async fn what_an_erased_fan_paid_is_exported_before_and_gone_after() {
    let scene = Scene::new([]).await;
    let tip = payment(&scene, "p-canary", "tip", 500);
    scene.deliver(&tip).await.unwrap();
    let backend = Backend::shared(Arc::clone(&scene.memory));
    let mut export = FanExport::new(&backend, chat(), scene.clock.now());
    let mut text = String::new();
    while let Some(lines) = export.next_lines().await.unwrap() {
        for line in lines {
            text.push_str(&serde_json::to_string(&line).unwrap());
        }
    }
    for part in [
        r#""line":"transaction""#,
        r#""reference":"p-canary""#,
        r#""amount_cents":500"#,
        r#""totals":{"USD":500}"#,
        r#""transactions":1"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    scene.engine.erase_fan(chat()).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(ledger(&scene).await, []);
    assert!(spend(&scene).await.is_none());
    // Told of once more it stays gone; what is paid later begins anew.
    assert_eq!(
        scene.deliver(&tip).await.unwrap(),
        Accepted::Duplicate(chat())
    );
    assert_eq!(ledger(&scene).await, []);
    scene.clock.advance(Duration::from_secs(600));
    scene
        .deliver(&payment(&scene, "p2", "tip", 300))
        .await
        .unwrap();
    assert_eq!(dollars(&scene).await, 300);
}

/// The late notes of the prompts so far.
fn notes(scene: &Scene) -> Vec<String> {
    let requests = scene.llm.requests();
    let note = |request: &CompletionRequest| {
        let messages = &request.messages;
        messages[messages.len() - 2].content.to_string()
    };
    requests.iter().map(note).collect()
}

#[tokio::test]
async fn a_tip_is_thanked_for_once_however_it_is_told() {
    for named_first in [true, false] {
        let scene = Scene::new([Step::reply("you are sweet!")]).await;
        let (named, body) = (payment(&scene, "p1", "tip", 500), flat_tip(&scene, 500));
        let unnamed = flat(&scene, &body);
        let order = if named_first {
            [&named, &unnamed]
        } else {
            [&unnamed, &named]
        };
        for event in order {
            for _ in 0..3 {
                scene.deliver(event).await.unwrap();
                scene.run_to_rest(9).await;
                scene.clock.advance(Duration::from_secs(40));
            }
        }
        assert_eq!(scene.fanvue.sent(), ["you are sweet!"]);
        let notes = notes(&scene);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("Write to the fan of your own accord"));
        assert!(notes[0].contains("the fan paid: a tip of $5.00. Thank them"));
        let state = scene.conversation().await;
        assert_eq!((&state.turn, state.thanks_due), (&None, None));
    }
}

#[tokio::test]
async fn what_the_fan_writes_along_with_a_tip_is_answered_in_the_same_message() {
    let scene = Scene::new([Step::reply("thank you, and good morning!")]).await;
    let tip = payment(&scene, "p1", "tip", 500);
    scene.deliver(&tip).await.unwrap();
    scene.clock.advance(Duration::from_secs(3));
    scene.fan_writes(1, "good morning").await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["thank you, and good morning!"]);
    assert!(matches!(scene.outcome(1).await, Outcome::Replied { .. }));
    let notes = notes(&scene);
    assert!(notes[0].starts_with("Answer the fan's next message"));
    assert!(notes[0].contains("a tip of $5.00"));
}

#[tokio::test]
async fn a_tip_that_comes_while_a_reply_is_written_is_thanked_for_after_it() {
    let scene = Scene::new([Step::reply("hey!"), Step::reply("you are sweet!")]).await;
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    let tip = payment(&scene, "p1", "tip", 500);
    // Its webhook is late, and the creator has written since.
    scene.clock.advance(Duration::from_secs(60));
    scene.fan_writes(2, "how are you").await;
    scene.run_to_rest(9).await;
    scene.deliver(&tip).await.unwrap();
    scene.run_to_rest(9).await;
    let notes = notes(&scene);
    assert_eq!(notes.len(), 3);
    assert!(!notes[1].contains("tip") && notes[2].contains("a tip of $5.00"));
    assert_eq!(scene.fanvue.sent().len(), 3);
}

#[tokio::test]
async fn a_tip_whose_message_has_its_answer_is_not_thanked_for_again() {
    let scene = Scene::new([Step::reply("you are sweet!")]).await;
    let tip = payment(&scene, "p1", "tip", 500);
    let _ = scene.received(1, Some("for you"));
    let told = scene.event("received", "fan", 1, Some("for you"), "TIP");
    scene.deliver(&told).await.unwrap();
    scene.run_to_rest(9).await;
    scene.deliver(&tip).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["you are sweet!"]);
    assert_eq!(dollars(&scene).await, 500);
}

#[tokio::test]
async fn after_a_refund_the_model_is_told_to_offer_nothing() {
    let scene = Scene::new([]).await;
    let refund = reversal(&scene, "refund.created", "r1", "p9", 100);
    scene.deliver(&refund).await.unwrap();
    assert_eq!(scene.memory.job_count(), 0, "nothing is written for it");
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    scene.clock.advance(Duration::from_secs(15 * 86_400));
    scene.fan_writes(2, "hi").await;
    scene.run_to_rest(9).await;
    let told: Vec<bool> = notes(&scene)
        .iter()
        .map(|note| note.contains("Offer nothing for money"))
        .collect();
    assert_eq!(told, [true, false]);
}
