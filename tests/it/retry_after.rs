//! Fanvue says to wait, over HTTP: what it refused is put off until then and counts as no attempt, nobody sleeps,
//! and other accounts go on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::time::{Duration, Instant};

use fanvue_bot::decision::WaitCause;
use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::rest::PathFamily;
use fanvue_bot::store::Store as _;
use fanvue_bot_testkit::simulator::world::{RequestFault, RequestRule, Trigger};
use uuid::Uuid;

use crate::scene::Scene;

const RETRY_AFTER: Duration = Duration::from_secs(30);
/// More often than anything is tried that fails.
const TIMES: u32 = 7;
const SECOND: Duration = Duration::from_secs(1);

impl Scene {
    /// Until when the fan waits, and for what.
    async fn holds(&self, creator: Uuid, fan: Uuid) -> Option<(Duration, WaitCause)> {
        let id = ConversationId {
            creator: CreatorId::from_uuid(creator),
            fan: FanId::from_uuid(fan),
        };
        let stored = self.store.conversation(id).await.unwrap().unwrap();
        let now = self.engine.now();
        stored
            .value
            .hold
            .map(|hold| (hold.until.since(now), hold.cause))
    }

    async fn fan_of(&self, creator: Uuid, handle: &str) -> Uuid {
        let fan = self.fanvue.add_fan(handle, handle);
        self.fanvue.fan_writes(creator, fan, "hi").unwrap();
        self.delivered().await;
        fan
    }
}

async fn obeyed(family: PathFamily, method: &str, path: &str) {
    let scene = Scene::open(family, 200).await;
    let luna = scene.creator("luna").await;
    let nova = scene.managed_creator("nova").await;
    let ben = scene.fan_of(luna, "ben").await;
    let refuses = RequestFault::RateLimited(RETRY_AFTER.as_secs());
    let rule = RequestRule::new(refuses, Trigger::Next(TIMES));
    let rule = rule.on(method, path.replace("{fan}", &ben.to_string()));
    scene.fanvue.add_request_fault(rule);

    for time in 0..TIMES {
        let begun = Instant::now();
        let report = scene.work().await;
        // Nobody slept: Fanvue's time has hardly moved, and the turn comes back when it said.
        assert!(begun.elapsed() < RETRY_AFTER / 3);
        assert!(report.work.retrying >= 1 && report.work.given_up == 0);
        let (wait, cause) = scene.holds(luna, ben).await.unwrap();
        assert_eq!(cause, WaitCause::RateLimited);
        assert!(
            wait <= RETRY_AFTER && wait >= RETRY_AFTER - 10 * SECOND,
            "{wait:?}"
        );
        let asked = scene.fanvue.requests().len();

        // Until then nothing is asked for her, of any kind.
        scene.pass(RETRY_AFTER - 12 * SECOND);
        let max = scene.fan_of(luna, &format!("max{time}")).await;
        scene.work().await;
        assert_eq!(scene.fanvue.requests().len(), asked);
        assert!(scene.holds(luna, max).await.is_some());
        // Another account's fan is answered at once.
        let answers = scene.fanvue.sent_answers().len();
        scene.fan_of(nova, &format!("tom{time}")).await;
        scene.work().await;
        assert_eq!(scene.fanvue.sent_answers().len(), answers + 1);
        scene.pass(12 * SECOND);
    }
    assert_eq!(scene.refused(), usize::try_from(TIMES).unwrap());

    // What was refused so often goes out as soon as it is allowed, once each.
    for _ in 0..10 {
        scene.work().await;
        scene.pass(SECOND);
    }
    assert_eq!(scene.fanvue.unanswered(), []);
    let answers = scene.fanvue.sent_answers();
    assert_eq!(answers.len(), 1 + 2 * usize::try_from(TIMES).unwrap());
    assert_eq!(scene.store.dead_letters(), []);
    scene.close().await;
}

#[tokio::test]
async fn a_send_that_fanvue_puts_off_is_rescheduled_in_v1() {
    obeyed(PathFamily::V1, "POST", "/v1/chats/{fan}/message").await;
}

#[tokio::test]
async fn a_send_that_fanvue_puts_off_is_rescheduled_without_v1() {
    obeyed(PathFamily::Legacy, "POST", "/chats/{fan}/message").await;
}

#[tokio::test]
async fn a_look_into_the_chat_that_fanvue_puts_off_is_rescheduled() {
    obeyed(PathFamily::V1, "GET", "/v1/chats/{fan}/messages").await;
}
