//! A fan is erased, whatever is under way and wherever it is stopped, and starts as new when they write again.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::engine::EngineError;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{ConversationId, CreatorId};
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::message::{Author, Content, Message, MessageType};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::queue::{ClaimLimits, IdempotencyKey, JobQueue as _, NewJob, WorkerId};
use fanvue_bot_core::store::{ConversationChange, Store as _};
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::Step;

use crate::ids::{chat, creator, fan, message};
use crate::scene::{Scene, settings};

/// A scene in which the fan has been answered once and has written again.
async fn talking(plan: FaultPlan) -> Scene {
    let scene = Scene::with([Step::reply("nice to meet you")], settings(), |memory| {
        Backend::shared(Arc::new(Faulty::new(memory, plan)))
    })
    .await;
    let first = scene.received_from("Otto the canary", 1, "canary one");
    scene.deliver(&first).await.unwrap();
    scene.run_after(8).await;
    scene.clock.advance(Duration::from_secs(60));
    scene.fan_writes(2, "canary two").await;
    neighbor(&scene, chat_of_another_fan()).await;
    neighbor(&scene, chat_with_another_creator()).await;
    scene
}

pub(crate) fn chat_of_another_fan() -> ConversationId {
    let fan = "fa000000-0000-4000-8000-000000000002".parse().unwrap();
    ConversationId::new(creator(), fan)
}

pub(crate) fn chat_with_another_creator() -> ConversationId {
    let other: CreatorId = "5b0f3c1e-0000-4000-8000-00000000beef".parse().unwrap();
    ConversationId::new(other, fan())
}

/// A message and a job of somebody else.
pub(crate) async fn neighbor(scene: &Scene, id: ConversationId) {
    let now = scene.clock.now();
    let mut change = ConversationChange::new(Conversation::new(id, Seed::new(1)));
    change.messages = vec![Message {
        id: message(1),
        conversation: id,
        author: Author::Fan,
        kind: MessageType::SingleRecipient,
        content: Content::text("theirs"),
        sent_at: now,
        stored_at: now,
        tokens: None,
        turn: None,
        decision: None,
        deleted_at: None,
    }];
    scene.memory.commit(&change.into(), None).await.unwrap();
    let far = now + Duration::from_secs(1 << 24);
    let job = NewJob::wake(id, far, IdempotencyKey::in_lane(&id.into(), "later"));
    scene.memory.enqueue(&[job]).await.unwrap();
}

/// How many messages and jobs are held of a chat.
async fn held(scene: &Scene, id: ConversationId) -> (usize, usize) {
    let page = PageRequest::first(100);
    let messages = scene.memory.messages(id, &page).await.unwrap();
    let jobs = scene.memory.jobs(&id.into(), &page).await.unwrap();
    (messages.items.len(), jobs.items.len())
}

async fn assert_erased(scene: &Scene, told: &str) {
    assert_eq!(held(scene, chat()).await, (0, 0), "{told}");
    assert_eq!(scene.memory.fan(chat()).await.unwrap(), None, "{told}");
    let state = scene.conversation().await;
    let erasure = state.erasure.unwrap();
    assert!(erasure.finished_at.is_some(), "{told}");
    assert_eq!(state.wake_at(), None, "{told}");
    let mut expected = Conversation::new(chat(), state.seed);
    expected.last_turn = state.last_turn;
    expected.history_read = true;
    expected.complete_to = state.complete_to;
    expected.erasure = Some(erasure);
    assert_eq!(state, expected, "{told}");
    for id in [chat_of_another_fan(), chat_with_another_creator()] {
        assert_eq!(held(scene, id).await, (1, 1), "{told}");
    }
}

#[tokio::test]
async fn nothing_is_held_of_a_fan_who_was_erased() {
    let scene = talking(FaultPlan::none()).await;
    assert!(held(&scene, chat()).await.0 >= 3);
    let erasure = scene.engine.erase_fan(chat()).await.unwrap();
    assert_eq!(erasure.sends_until, scene.clock.now(), "nothing is sent");
    scene.run_after(0).await;
    assert_erased(&scene, "after one run").await;
}

#[tokio::test]
async fn what_was_erased_does_not_come_back_by_itself() {
    let scene = talking(FaultPlan::none()).await;
    let again = scene.received_from("Otto the canary", 2, "canary two");
    scene.engine.erase_fan(chat()).await.unwrap();
    scene.run_after(0).await;
    // A redelivered webhook, and a look at the chat, in which Fanvue still shows it all.
    let accepted = scene.deliver(&again).await.unwrap();
    assert_eq!(accepted, Accepted::Duplicate(chat()));
    scene.engine.catch_up(creator()).await.unwrap();
    scene.clock.advance(Duration::from_secs(120));
    scene.engine.catch_up(creator()).await.unwrap();
    assert_erased(&scene, "after a redelivery and polls").await;
}

#[tokio::test]
async fn a_fan_who_writes_after_they_were_erased_starts_as_new() {
    let scene = talking(FaultPlan::none()).await;
    scene.engine.erase_fan(chat()).await.unwrap();
    scene.run_after(0).await;
    let asked = scene.llm.requests().len();
    scene.clock.advance(Duration::from_secs(5));
    let anew = scene.received_from("Sam", 7, "hello there");
    scene.deliver(&anew).await.unwrap();
    scene.run_after(8).await;
    assert!(matches!(scene.outcome(7).await, Outcome::Replied { .. }));
    let requests = scene.llm.requests();
    assert_eq!(requests.len(), asked + 1);
    let lines = requests[asked]
        .messages
        .iter()
        .map(|m| m.content.to_string());
    let prompt: String = lines.collect();
    assert!(prompt.contains("hello there"), "{prompt}");
    assert!(
        !prompt.contains("canary") && !prompt.contains("nice to meet"),
        "{prompt}"
    );
    let known = scene.memory.fan(chat()).await.unwrap().unwrap();
    assert_eq!(known.display_name.as_deref(), Some("Sam"));
    assert_eq!(held(&scene, chat()).await.0, 2, "theirs and the reply");
}

#[tokio::test]
async fn what_a_worker_had_in_hand_is_not_written_back() {
    let scene = talking(FaultPlan::none()).await;
    let before = scene.memory.conversation(chat()).await.unwrap().unwrap();
    scene.engine.erase_fan(chat()).await.unwrap();
    scene.run_after(0).await;
    let stale = ConversationChange::new(before.value);
    for expected in [None, Some(before.revision)] {
        let refused = scene.memory.commit(&stale.clone().into(), expected).await;
        assert!(refused.is_err(), "at {expected:?}");
    }
    assert_erased(&scene, "after an old commit").await;
}

#[tokio::test]
async fn a_fan_of_whom_nothing_is_held_cannot_be_erased() {
    let scene = talking(FaultPlan::none()).await;
    let nobody = "fa000000-0000-4000-8000-00000000000f".parse().unwrap();
    let nobody = ConversationId::new(creator(), nobody);
    let refused = scene.engine.erase_fan(nobody).await;
    assert!(matches!(refused, Err(EngineError::UnknownConversation)));
}

/// Polls once: on the memory adapters whatever is not done then hangs, and dropping it is a process that is killed.
pub(crate) async fn unless_killed<F: Future>(call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    poll_fn(move |context| {
        Poll::Ready(match call.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}

/// Asks for the erasure until it is noted, and runs what is due until nothing is; a call that fails or is killed
/// comes back as it would to an operator and a worker.
async fn erase(scene: &Scene) {
    for _ in 0..5 {
        if scene.conversation().await.erasure.is_some() {
            break;
        }
        unless_killed(scene.engine.erase_fan(chat())).await;
    }
    for _ in 0..10 {
        let Some(due) = scene.memory.next_due() else {
            break;
        };
        scene.clock.set(due.max(scene.clock.now()));
        let lease = Duration::from_secs(30);
        let now = scene.clock.now();
        let lanes = scene
            .memory
            .claim(&WorkerId::new("w"), &ClaimLimits::lanes(8), now, lease)
            .await;
        for lane in lanes.unwrap() {
            if lane.ordering_key == chat().into() {
                unless_killed(scene.engine.run(lane)).await;
            }
        }
        let page = PageRequest::first(1);
        let jobs = scene.memory.jobs(&chat().into(), &page).await.unwrap();
        if jobs.items.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn an_erasure_that_fails_or_is_killed_at_any_point_goes_on() {
    let plan = FaultPlan::none();
    let scene = talking(plan.clone()).await;
    let before = plan.calls();
    erase(&scene).await;
    assert_erased(&scene, "without a fault").await;
    let calls = before + 1..=plan.calls();
    assert!(calls.clone().count() >= 10, "{calls:?}");
    for call in calls {
        for fault in [
            Fault::Before,
            Fault::After,
            Fault::HangBefore,
            Fault::HangAfter,
        ] {
            let plan = FaultPlan::at(call, fault);
            let scene = talking(plan.clone()).await;
            erase(&scene).await;
            let [injected] = &*plan.injected() else {
                panic!("{:?}", plan.injected());
            };
            assert_erased(&scene, &format!("{injected:?}")).await;
        }
    }
}
