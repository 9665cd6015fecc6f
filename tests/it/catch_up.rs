//! What a webhook does not bring is found by reading the chats, over HTTP: by either family of paths, with a grant
//! of the creator's own and with an agency's.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it measured"
)]

use std::time::Duration;

use fanvue_bot::rest::PathFamily;
use fanvue_bot::time::Timestamp;
use fanvue_bot_testkit::simulator::world::{Trigger, WebhookFault, WebhookRule};
use uuid::Uuid;

use crate::scene::Scene;

/// A lost message is found by then.
const LIMIT: Duration = Duration::from_secs(90);
/// How often a tick comes. A worker looks every second.
const STEP: Duration = Duration::from_secs(5);
/// What Fanvue allows in a minute here: less than half of what it says.
const PER_MINUTE: u64 = 80;

#[derive(Debug, Clone, Copy)]
enum Grant {
    Own,
    Agency,
}

/// A creator whose fan has been answered, as webhooks come in; from then on none does.
async fn deaf(family: PathFamily, grant: Grant) -> (Scene, Uuid) {
    let scene = Scene::open(family, PER_MINUTE).await;
    let luna = match grant {
        Grant::Own => scene.creator("luna").await,
        Grant::Agency => scene.managed_creator("luna").await,
    };
    // Notes when polling begins.
    scene.tick().await;
    let ben = scene.fanvue.add_fan("ben", "Ben");
    scene.fanvue.fan_writes(luna, ben, "hi").unwrap();
    scene.delivered().await;
    scene.work().await;
    assert_eq!(scene.fanvue.sent_answers().len(), 1);
    let drops = WebhookRule::new(WebhookFault::Drop, Trigger::Chance(1.0));
    scene.fanvue.add_webhook_fault(drops);
    (scene, luna)
}

fn since(scene: &Scene, before: Timestamp) -> Duration {
    scene.engine.now().since(before)
}

async fn finds(family: PathFamily, grant: Grant) {
    let (scene, luna) = deaf(family, grant).await;
    let mut longest = Duration::ZERO;
    for round in 0..6_u32 {
        // At another moment between two polls each time.
        for _ in 0..3 * round {
            scene.pass(STEP);
            scene.tick().await;
        }
        let fan = scene.fanvue.add_fan(&format!("fan{round}"), "Fan");
        scene.fanvue.fan_writes(luna, fan, "hello?").unwrap();
        let (written, answers) = (scene.engine.now(), scene.fanvue.sent_answers().len());
        while scene.tick().await.found == 0 {
            scene.pass(STEP);
            assert!(
                since(&scene, written) <= LIMIT,
                "not found in round {round}"
            );
        }
        let unread = scene
            .fanvue
            .with_world(|world, _| world.chat(luna, fan).map(|chat| chat.unread));
        assert_eq!(unread, Some(1), "reading marks nothing as read");
        scene.work().await;
        assert_eq!(scene.fanvue.sent_answers().len(), answers + 1);
        assert_eq!(scene.fanvue.unanswered(), []);
        longest = longest.max(since(&scene, written));
    }
    assert!(longest <= LIMIT, "{longest:?}");

    // With nothing to find, a poll is one request.
    let before = scene.fanvue.requests().len();
    for _ in 0..10 * 12 {
        scene.pass(STEP);
        scene.tick().await;
    }
    let idle = scene.fanvue.requests().len() - before;
    assert!(idle <= 11, "{idle} requests in ten minutes");
    assert_eq!(scene.refused(), 0);
    let paths = match (family, grant) {
        (PathFamily::Legacy, Grant::Own) => "/chats".to_owned(),
        (PathFamily::Legacy, Grant::Agency) => format!("/creators/{luna}/chats"),
        (_, Grant::Own) => "/v1/chats".to_owned(),
        (_, Grant::Agency) => format!("/v1/creators/{luna}/chats"),
    };
    let requests = scene.fanvue.requests();
    let about_chats = requests.iter().filter(|one| one.path.contains("/chats"));
    for request in about_chats {
        assert!(request.path.starts_with(&paths), "{}", request.path);
        if request.method == "GET" && request.path.ends_with("/messages") {
            assert!(request.query.contains("markAsRead=false"), "{request:?}");
        }
    }
    println!(
        "{family:?}, {grant:?}: six lost webhooks, the slowest answered after {:.0} s; {idle} requests in ten idle \
         minutes",
        longest.as_secs_f64()
    );
    scene.close().await;
}

#[tokio::test]
async fn a_lost_webhooks_message_is_answered_within_90_s_in_v1() {
    finds(PathFamily::V1, Grant::Own).await;
}

#[tokio::test]
async fn a_lost_webhooks_message_is_answered_within_90_s_without_v1() {
    finds(PathFamily::Legacy, Grant::Own).await;
}

#[tokio::test]
async fn a_lost_webhooks_message_is_answered_within_90_s_through_an_agency_in_v1() {
    finds(PathFamily::V1, Grant::Agency).await;
}

#[tokio::test]
async fn a_lost_webhooks_message_is_answered_within_90_s_through_an_agency_without_v1() {
    finds(PathFamily::Legacy, Grant::Agency).await;
}

/// More fans at once than one poll reads, and more requests than there are in a minute.
#[tokio::test]
async fn thirty_lost_at_once_are_all_found_within_90_s_inside_the_limit() {
    const FANS: usize = 30;
    let (scene, luna) = deaf(PathFamily::V1, Grant::Own).await;
    let known = scene.store.conversations().len();
    for number in 0..FANS {
        let fan = scene.fanvue.add_fan(&format!("fan{number}"), "Fan");
        scene.fanvue.fan_writes(luna, fan, "hello?").unwrap();
    }
    let written = scene.engine.now();
    let mut found = None;
    while !scene.fanvue.unanswered().is_empty() {
        scene.tick().await;
        if found.is_none() && scene.store.conversations().len() == known + FANS {
            found = Some(since(&scene, written));
        }
        scene.work().await;
        scene.pass(STEP);
        assert!(since(&scene, written) <= 10 * LIMIT);
    }
    let (found, answered) = (found.unwrap(), since(&scene, written));
    println!(
        "{FANS} lost at once with {PER_MINUTE} requests a minute: all found after {:.0} s, all answered after {:.0} s",
        found.as_secs_f64(),
        answered.as_secs_f64()
    );
    assert!(found <= LIMIT, "{found:?}");
    assert_eq!(scene.refused(), 0);
    scene.close().await;
}
