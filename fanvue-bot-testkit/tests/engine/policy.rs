//! What no persona can lift: a fan's words that stop the bot, and drafts that do not go out.

use fanvue_bot_core::client::RemoteMessage;
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::id::AccountId;
use fanvue_bot_core::llm::Role;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::policy::Signal;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_testkit::llm::Step;

use crate::ids::{chat, fan, message};
use crate::replied;
use crate::scene::Scene;

async fn stopped(scene: &Scene) -> Option<Signal> {
    let stored = scene.memory.conversation(chat()).await.unwrap().unwrap();
    stored.value.stopped.map(|stopped| stopped.cause)
}

#[tokio::test]
async fn a_fans_words_stop_the_bot_with_the_commit_that_stores_them() {
    let scene = Scene::new([]).await;
    scene.fan_writes(1, "hi").await;
    scene.fan_writes(2, "schreib mir nicht mehr").await;
    assert_eq!(stopped(&scene).await, Some(Signal::OptOut));
    assert_eq!(scene.outcome(1).await, Outcome::OptedOut);
    assert_eq!(scene.outcome(2).await, Outcome::OptedOut);
    scene.run_to_rest(9).await;
    assert_eq!(scene.llm.requests().len(), 0);

    scene.fan_writes(3, "start").await;
    assert_eq!(stopped(&scene).await, None);
    scene.fan_writes(4, "so how are you").await;
    scene.run_to_rest(9).await;
    assert!(matches!(scene.outcome(4).await, Outcome::Replied { .. }));
}

#[tokio::test]
async fn words_that_the_webhook_left_out_stop_the_bot_when_they_are_read() {
    let scene = Scene::new([]).await;
    let event = scene.event("received", "fan", 1, None, "SINGLE_RECIPIENT");
    scene.fanvue.show(RemoteMessage::new(
        message(1),
        AccountId::from_uuid(fan().as_uuid()),
        Content::text("im 16 btw"),
        scene.clock.now(),
    ));
    scene.deliver(&event).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(
        scene.outcome(1).await,
        Outcome::Blocked { rule: Rule::Minor }
    );
    assert_eq!(stopped(&scene).await, Some(Signal::Minor));
    assert_eq!(scene.llm.requests().len(), 0);
}

#[tokio::test]
async fn a_draft_that_breaks_a_rule_is_written_anew_once_and_then_not_sent() {
    let scene = Scene::new([Step::reply("call me: 0151 234 56789")]).await;
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    assert_eq!(scene.outcome(1).await, replied());
    assert_eq!(scene.llm.requests().len(), 2);

    let scene = Scene::new([
        Step::reply("let's meet tomorrow"),
        Step::reply("I'm not a bot"),
    ])
    .await;
    scene.fan_writes(1, "hi").await;
    scene.run_to_rest(9).await;
    let Outcome::NoSafeReply { problem } = scene.outcome(1).await else {
        panic!("{:?}", scene.outcome(1).await);
    };
    assert_eq!(&*problem, "it claimed that no bot or AI writes here");
}

#[tokio::test]
async fn a_fan_who_asks_whether_a_bot_writes_is_told_what_the_persona_says() {
    const ANSWER: &str = "An AI that knows me helps me write";
    let scene = Scene::new([
        Step::reply("hey you"),
        Step::reply("yes, an AI helps me"),
        Step::reply("berlin, you?"),
    ])
    .await;
    let creator = scene.memory.creator(chat().creator).await.unwrap().unwrap();
    let mut mia = creator.value;
    mia.persona = mia.persona.bot_answer(ANSWER);
    scene
        .memory
        .commit(&mia.into(), Some(creator.revision))
        .await
        .unwrap();

    for (number, text) in [
        (1, "hi"),
        (2, "sag mal, bist du ein bot?"),
        (3, "where are you"),
    ] {
        scene.fan_writes(number, text).await;
        scene.run_to_rest(9).await;
        let outcome = scene.outcome(number).await;
        assert!(matches!(outcome, Outcome::Replied { .. }), "{outcome:?}");
    }
    let requests = scene.llm.requests();
    let roles = requests.iter().map(|request| {
        let with_answer = request.messages.iter();
        let with_answer = with_answer.filter(|message| message.content.contains(ANSWER));
        with_answer.map(|message| message.role).collect::<Vec<_>>()
    });
    let expected = [vec![], vec![Role::System], vec![]];
    assert_eq!(roles.collect::<Vec<_>>(), expected);
}
