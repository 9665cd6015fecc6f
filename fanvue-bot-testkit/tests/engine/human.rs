//! Who wrote in the creator's name: a human, who then has the conversation, or what must not be taken for one.

use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::RemoteMessage;
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::flow::{Acted, OperatorAction};
use fanvue_bot_core::llm::Role;
use fanvue_bot_core::message::{Author, Content, MessageType};
use fanvue_bot_core::settings::Pace;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::llm::Step;

use crate::ids::{account, chat, message};
use crate::replied;
use crate::scene::{Scene, settings};

const HOUR: Duration = Duration::from_secs(3_600);

/// By hand, and with Fanvue's AI helper.
const BY_A_HUMAN: &[&str] = &[
    "SINGLE_RECIPIENT",
    "CHAT_TEXT_GENERATION",
    "CHAT_TEXT_REWRITE",
    "CHAT_TEXT_REPLY",
];

/// Fanvue's automation, mass messages, the platform.
const BY_NOBODY: &[&str] = &[
    "AUTOMATED_NEW_FOLLOWER",
    "AUTOMATED_NEW_SUBSCRIBER",
    "AUTOMATED_NEW_PURCHASE",
    "AUTOMATED_RENEWED",
    "AUTOMATED_RE_SUBSCRIBED",
    "AUTOMATED_CANCELED",
    "AUTOMATED_FIRST_MESSAGE_REPLY",
    "AUTOMATED_CHAT_MESSAGE_REPLY",
    "BROADCAST",
    "GHOST_PROMOTION",
    "MARKETING_KYC",
];

/// How a message in the creator's name is heard of.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Webhook,
    /// Found in the chat when it is read; no webhook tells.
    Chat,
}

impl Origin {
    const ALL: [Self; 2] = [Self::Webhook, Self::Chat];
}

async fn creator_writes(scene: &Scene, origin: Origin, number: u32, kind: &str) {
    match origin {
        Origin::Webhook => {
            let event = scene.event("sent", "creator", number, Some("it is me"), kind);
            scene.deliver(&event).await.unwrap();
        }
        Origin::Chat => {
            let content = Content::text("it is me");
            let now = scene.clock.now();
            let mut line = RemoteMessage::new(message(number), account(), content, now);
            line.kind = MessageType::from_wire(kind);
            scene.fanvue.show(line);
        }
    }
}

/// A scene in which a reply to the first message is held back.
async fn held_back() -> Scene {
    let pace = settings().pace(Pace::default());
    let scene = Scene::with([Step::reply("hey you")], pace, Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    scene
}

#[tokio::test]
async fn whoever_writes_by_hand_has_the_conversation_whatever_tells_of_it() {
    for origin in Origin::ALL {
        for kind in BY_A_HUMAN {
            let scene = held_back().await;
            creator_writes(&scene, origin, 2, kind).await;
            scene.run_to_rest(1).await;
            assert_eq!(scene.stored(2).await.author, Author::Human, "{kind}");
            let outcome = scene.outcome(1).await;
            assert!(
                matches!(outcome, Outcome::PausedByHuman { .. }),
                "{origin:?} {kind}: {outcome:?}"
            );
            assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn automation_and_mass_messages_are_context_and_nobody_who_took_over() {
    for origin in Origin::ALL {
        for kind in BY_NOBODY {
            let scene = held_back().await;
            creator_writes(&scene, origin, 2, kind).await;
            scene.run_to_rest(2).await;
            assert_eq!(scene.stored(2).await.author, Author::Automation, "{kind}");
            assert_eq!(scene.outcome(1).await, replied(), "{origin:?} {kind}");
            assert_eq!(scene.fanvue.sent(), ["hey you"]);
        }
    }
}

#[tokio::test]
async fn each_message_of_a_human_renews_the_hour_and_then_the_bot_goes_on_knowing_what_they_said() {
    let scene = Scene::new([]).await;
    creator_writes(&scene, Origin::Webhook, 1, "SINGLE_RECIPIENT").await;
    scene.clock.advance(HOUR / 2);
    creator_writes(&scene, Origin::Webhook, 2, "SINGLE_RECIPIENT").await;
    scene.clock.advance(HOUR / 2);
    scene.fan_writes(3, "are you there?").await;
    let until = scene.clock.now() + HOUR / 2;
    assert_eq!(scene.outcome(3).await, Outcome::PausedByHuman { until });
    assert_eq!(scene.jobs_until(HOUR / 2 - Duration::from_secs(1)).await, 0);
    scene.run_to_rest(2).await;
    assert_eq!(scene.outcome(3).await, replied());
    let requests = scene.llm.requests();
    let said: Vec<Role> = requests[0]
        .messages
        .iter()
        .filter(|message| message.content.contains("it is me"))
        .map(|message| message.role)
        .collect();
    assert_eq!(
        said,
        [Role::Assistant; 2],
        "the creator's words are its own"
    );
}

#[tokio::test]
async fn an_operator_lets_the_bot_go_on_before_the_hour_is_over() {
    let scene = Scene::new([]).await;
    creator_writes(&scene, Origin::Webhook, 1, "SINGLE_RECIPIENT").await;
    scene.clock.advance(Duration::from_secs(60));
    scene.fan_writes(2, "are you there?").await;
    let resume = || scene.engine.act(chat(), OperatorAction::Resume);
    assert_eq!(resume().await.unwrap().acted, Acted::Done);
    scene.run_after(8).await;
    assert_eq!(scene.outcome(2).await, replied());
    assert_eq!(resume().await.unwrap().acted, Acted::Unchanged);
}
