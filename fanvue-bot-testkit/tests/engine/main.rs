//! The engine on the memory adapters: what it does with each answer of the model, Fanvue, store and queue.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop"
)]

mod approvals;
mod erasing;
mod erasing_creator;
mod fake;
mod human;
mod ids;
mod kept;
mod paid;
mod past;
mod policy;
mod reference;
mod scene;
mod settings;
mod silent;
mod stop;
mod waiting;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::ClientError;
use fanvue_bot_core::conversation::Phase;
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::engine::RunOutcome;
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::llm::LlmError;
use fanvue_bot_core::message::Author;
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::settings::Mode;
use fanvue_bot_core::store::Store;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::Step;

use crate::ids::chat;
use crate::scene::{Scene, settings};

fn replied() -> Outcome {
    Outcome::Replied {
        turn: TurnId::new(1),
    }
}

fn limited(seconds: u64) -> LlmError {
    LlmError::RateLimited {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn overloaded() -> Step {
    Step::fail(LlmError::overloaded("busy"))
}

#[tokio::test]
async fn a_message_is_answered_and_the_answer_stored() {
    let scene = Scene::new([Step::reply("hey you")]).await;
    scene.fan_writes(1, "hi").await;
    assert_eq!(scene.run_after(7).await, []);
    assert_eq!(
        scene.run_after(1).await,
        [RunOutcome::Done { wake_at: None }]
    );
    assert_eq!(scene.fanvue.sent(), ["hey you"]);
    assert_eq!(scene.outcome(1).await, replied());
    let reply = scene.stored(901).await;
    assert_eq!(
        (reply.author, reply.turn),
        (Author::Bot, Some(TurnId::new(1)))
    );
    assert_eq!(scene.memory.job_count(), 0);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_built_once_more_and_smaller() {
    let too_long = LlmError::TooLong { limit: Some(1_200) };
    let script = [
        Step::reply("first"),
        Step::fail(too_long),
        Step::reply("second"),
    ];
    let scene = Scene::new(script).await;
    for number in 1..30 {
        scene.fan_writes(number, &"long ".repeat(60)).await;
    }
    scene.run_to_rest(9).await;
    scene.fan_writes(30, "and now?").await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), ["first", "second"]);
    let requests = scene.llm.requests();
    let length = |index: usize| {
        let messages = &requests[index].messages;
        messages.iter().map(|m| m.content.len()).sum::<usize>()
    };
    assert_eq!(requests.len(), 3);
    assert!(length(2) < length(1) / 2, "{} of {}", length(2), length(1));
    assert!(length(2) / 4 < 1_200 - 400, "with room for the answer");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_twice_is_given_up() {
    let too_long = || Step::fail(LlmError::TooLong { limit: None });
    let scene = Scene::new([too_long(), too_long()]).await;
    scene.fan_writes(1, "hi").await;
    assert!(matches!(
        scene.run_after(8).await[..],
        [RunOutcome::GaveUp { .. }]
    ));
    assert_eq!(scene.llm.requests().len(), 2);
    assert!(matches!(scene.outcome(1).await, Outcome::Failed { .. }));
}

#[tokio::test]
async fn a_rate_limit_puts_the_turn_off_until_it_ends_and_counts_as_no_attempt() {
    let scene = Scene::new((0..9).map(|_| Step::fail(limited(30)))).await;
    scene.fan_writes(1, "hi").await;
    for _ in 0..9 {
        let due = scene.memory.next_due().unwrap();
        scene.clock.set(due);
        let outcomes = scene.run_after(0).await;
        let [RunOutcome::Retrying { at, .. }] = &outcomes[..] else {
            panic!("{outcomes:?}");
        };
        assert_eq!(at.since(due), Duration::from_secs(30));
    }
    scene.run_to_rest(9).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.memory.dead_letters(), []);
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_until_the_attempts_are_used_up() {
    let scene = Scene::new((0..9).map(|_| overloaded())).await;
    scene.fan_writes(1, "hi").await;
    let outcomes = scene.run_to_rest(9).await;
    assert_eq!(outcomes.len(), 3);
    assert!(matches!(outcomes[2], RunOutcome::GaveUp { .. }));
    assert!(matches!(scene.outcome(1).await, Outcome::Failed { .. }));
}

#[tokio::test]
async fn messages_that_come_in_meanwhile_do_not_begin_the_count_of_attempts_anew() {
    let scene = Scene::new((0..20).map(|_| overloaded())).await;
    scene.fan_writes(1, "hi").await;
    let mut given_up = 0;
    for number in 2..6 {
        // Its wake-up is due before the failed job is.
        scene.fan_writes(number, "hello?").await;
        scene.clock.advance(Duration::from_secs(70));
        for outcome in scene.run_after(0).await {
            given_up += usize::from(matches!(outcome, RunOutcome::GaveUp { .. }));
        }
    }
    assert_eq!(given_up, 1, "after three attempts");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once_and_the_call_repeated() {
    let scene = Scene::new([]).await;
    scene.fanvue.accept_only("another");
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_eq!(scene.fanvue.refreshes(), 1);
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn a_send_that_is_not_authorized_is_repeated_with_a_new_token_and_arrives_once() {
    let scene = Scene::new([]).await;
    scene.fanvue.refuse_sends([ClientError::Unauthorized]);
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    assert_eq!(scene.fanvue.refreshes(), 1);
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn a_send_that_is_rate_limited_is_put_off_and_the_model_is_not_asked_again() {
    let scene = Scene::new([]).await;
    scene.fanvue.refuse_sends([ClientError::RateLimited {
        retry_after: Duration::from_secs(40),
    }]);
    scene.fan_writes(1, "hi").await;
    assert!(matches!(
        scene.run_after(8).await[..],
        [RunOutcome::Retrying { .. }]
    ));
    assert!(matches!(scene.outcome(1).await, Outcome::Waiting { .. }));
    assert_eq!(scene.run_after(39).await, []);
    scene.run_after(1).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.llm.requests().len(), 1);
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn an_unclear_send_that_did_not_arrive_goes_out_after_two_looks() {
    let scene = Scene::new([]).await;
    scene
        .fanvue
        .refuse_sends([ClientError::outcome_unknown("cut")]);
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.outcome(1).await, replied());
}

#[tokio::test]
async fn words_that_the_webhook_left_out_are_read_and_answered() {
    let scene = Scene::new([]).await;
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    let event = scene.received(2, None);
    scene.deliver(&event).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.reads_of_one(), 1);
    assert_eq!(
        scene.fanvue.sent()[1],
        "You said: words that the event left out"
    );
    assert!(scene.stored(2).await.content.fetched);
}

#[tokio::test]
async fn a_message_that_is_gone_when_its_words_are_read_is_not_answered() {
    let scene = Scene::new([]).await;
    let event = scene.event("received", "fan", 1, None, "SINGLE_RECIPIENT");
    scene.deliver(&event).await.unwrap();
    scene.run_after(8).await;
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
    assert_eq!(
        scene.outcome(1).await,
        Outcome::Blocked {
            rule: Rule::Deleted
        }
    );
}

#[tokio::test]
async fn what_the_platform_says_in_a_fans_name_is_kept_and_not_answered() {
    let scene = Scene::new([]).await;
    let event = scene.event("received", "fan", 1, None, "VOICE_CALL");
    scene.deliver(&event).await.unwrap();
    assert_eq!(scene.run_after(60).await, []);
    let stored = scene.stored(1).await;
    assert_eq!((stored.author, stored.decision), (Author::Automation, None));
}

#[tokio::test]
async fn a_deletion_wakes_the_conversation_although_the_message_has_woken_it_before() {
    let settings = settings().mode(Mode::Draft);
    let scene = Scene::with([], settings, Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.fan_writes(2, "what I should not have said").await;
    scene.run_after(8).await;
    assert!(matches!(
        scene.outcome(1).await,
        Outcome::AwaitingApproval { .. }
    ));
    let deleted = scene.event("deleted", "fan", 2, None, "SINGLE_RECIPIENT");
    scene.deliver(&deleted).await.unwrap();
    scene.run_after(8).await;
    assert_eq!(scene.llm.requests().len(), 2);
    let turn = scene.conversation().await.turn.unwrap();
    assert!(matches!(turn.phase, Phase::AwaitingApproval { .. }));
}

#[tokio::test]
async fn what_a_human_said_during_our_send_is_kept_word_for_word() {
    let scene = Scene::new([]).await;
    scene
        .fanvue
        .refuse_sends([ClientError::outcome_unknown("cut")]);
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    let human = scene.event("sent", "creator", 2, Some("it is me"), "SINGLE_RECIPIENT");
    scene.deliver(&human).await.unwrap();
    scene.run_to_rest(9).await;
    let stored = scene.stored(2).await;
    assert_eq!(stored.author, Author::Human);
    assert_eq!(stored.content.text.as_deref(), Some("it is me"));
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new(), "theirs now");
}

#[tokio::test]
async fn in_two_steps_a_redelivery_brings_the_wake_up_that_was_lost_between_them() {
    let plan = FaultPlan::none();
    let queue_plan = plan.clone();
    let scene = Scene::with([], settings(), move |memory| {
        let queue = Arc::new(Faulty::new(Arc::clone(&memory), queue_plan));
        Backend::separate(memory, queue)
    })
    .await;
    let event = scene.received(1, Some("hi"));
    plan.fail_next("JobQueue::enqueue", Fault::Before);
    let error = scene.deliver(&event).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff, "not to be acknowledged");
    assert_eq!(scene.memory.job_count(), 0);
    assert!(scene.memory.conversation(chat()).await.unwrap().is_some());

    assert_eq!(
        scene.deliver(&event).await.unwrap(),
        Accepted::Duplicate(chat())
    );
    assert_eq!(scene.memory.job_count(), 1);
    scene.run_after(8).await;
    assert_eq!(scene.outcome(1).await, replied());
}
