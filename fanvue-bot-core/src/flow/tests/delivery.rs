//! Broadcasts, as they come to one fan.

use super::*;
use crate::conversation::Skip;
use crate::id::MediaId;

pub(super) fn broadcast(number: &str) -> BroadcastId {
    BroadcastId::from_uuid(Uuid::from_u128(number.parse().unwrap()))
}

/// Nothing may have been said for 100 s.
pub(super) fn parcel(number: &str, text: &str) -> Parcel {
    Parcel {
        broadcast: broadcast(number),
        text: Reply::new(text),
        media: [MediaId::from_uuid(Uuid::from_u128(1))].into(),
        price: None,
        rest: Duration::from_secs(100),
    }
}

/// What became of each broadcast after `script`, the oldest first.
#[track_caller]
fn becomes(creator: Creator, script: &str, deliveries: &[&str]) {
    let scene = check(creator, script);
    let shown: Vec<String> = scene
        .conversation
        .deliveries
        .iter()
        .map(|delivery| match &delivery.state {
            DeliveryState::Open { turn, .. } => format!("open {turn}"),
            DeliveryState::Sent { message } => format!("sent {}", shown_id(*message)),
            DeliveryState::Skipped { why } => why.to_string(),
            DeliveryState::Failed { cause } => format!("failed: {cause}"),
        })
        .collect();
    assert_eq!(shown, deliveries);
}

#[test]
fn a_broadcast_goes_out_after_a_look_at_the_chat_and_answers_nobody() {
    becomes(
        auto(),
        "
        1000 deliver 7 hi -> read 1.1 = 1.1 pacing 1000
        1001 read 1.1 newest 900 -> send 1.1 hi = 1.1 sending 1046
        1002 sent 1.1 9 -> sent 9 = idle
        1003 deliver 7 hi -> nothing = idle
        ",
        &["sent 9"],
    );
}

#[test]
fn it_goes_out_in_draft_mode_since_an_operator_wrote_it() {
    becomes(
        draft(),
        "
        1000 deliver 7 hi
        1001 read 1.1 -> send 1.1 hi
        ",
        &["open 1"],
    );
}

#[test]
fn the_history_is_read_first_so_that_a_fan_who_waits_is_answered_instead() {
    let mut scene = Scene {
        creator: auto(),
        ceiling: Ceiling::none(),
        conversation: Conversation {
            history_read: false,
            ..nobody_wrote()
        },
    };
    let transition = scene.step(seconds(0), input("deliver 7 hi", seconds(0)));
    assert_eq!(shown(&transition), "history");
    scene.step(seconds(1), input("fan 1", seconds(1)));
    assert_eq!(
        scene.conversation.deliveries[0].state,
        DeliveryState::Skipped {
            why: Skip::InConversation
        }
    );
    assert_eq!(
        shown_state(&scene.conversation),
        "1.2 settling 9..26, owed 1"
    );
}

#[test]
fn whoever_was_spoken_to_a_short_time_ago_is_left_alone() {
    becomes(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hello
        8 read 1.1
        9 sent 1.1 9
        50 deliver 7 hi -> nothing = idle
        200 deliver 8 hi -> read 2.1
        200 read 2.1 newest 150 -> nothing = idle
        ",
        &["spoken_to", "spoken_to"],
    );
}

#[test]
fn what_forbids_a_reply_forbids_a_broadcast() {
    becomes(
        auto(),
        "0 opt_out\n0 deliver 7 hi -> nothing",
        &["opted_out"],
    );
    becomes(auto(), "0 pause 90\n0 deliver 7 hi -> nothing", &["human"]);
    becomes(
        auto(),
        "0 mode off\n0 deliver 7 hi -> nothing",
        &["mode_off"],
    );
    becomes(auto(), "0 dry run\n0 deliver 7 hi -> nothing", &["dry_run"]);
    becomes(
        auto(),
        "0 inactive\n0 deliver 7 hi -> nothing",
        &["creator_inactive"],
    );
    becomes(auto(), "0 fan 1\n0 deliver 7 hi", &["in_conversation"]);
    becomes(auto(), "0 erase\n90 deliver 7 hi", &["erased"]);
    becomes(
        auto(),
        "0 fan 1\n0 noticed 1 minor\n0 deliver 7 hi",
        &["stopped"],
    );
}

#[test]
fn what_happens_between_the_plan_and_the_send_is_seen() {
    becomes(
        auto(),
        "0 deliver 7 hi\n1 opt_out -> nothing = idle",
        &["opted_out"],
    );
    becomes(auto(), "0 deliver 7 hi\n1 creator 5", &["human"]);
    becomes(auto(), "0 deliver 7 hi\n1 fan 5", &["in_conversation"]);
    becomes(
        auto(),
        "0 deliver 7 hi\n0 mode off\n1 read 1.1 -> nothing = idle",
        &["mode_off"],
    );
    becomes(
        auto(),
        "0 deliver 7 hi\n0 dry run\n1 read 1.1 -> nothing = idle",
        &["dry_run"],
    );
}

#[test]
fn while_everything_is_stopped_it_waits() {
    becomes(
        auto(),
        "
        0 stop
        0 deliver 7 hi -> nothing = 1.1 pacing 0, held 0..900 stopped
        900 go on
        900 wake -> read 1.1
        ",
        &["open 1"],
    );
}

#[test]
fn it_waits_for_the_end_of_quiet_hours_in_every_mode() {
    let quiet = |creator: Creator| {
        let mut creator = creator;
        let (from, to) = ("00:00".parse().unwrap(), "01:00".parse().unwrap());
        creator.settings.quiet_hours = QuietHours::none().daily(from, to);
        creator
    };
    for creator in [auto(), draft()] {
        let scene = check(quiet(creator), "60 deliver 7 hi -> nothing");
        let hold = scene.conversation.hold.unwrap();
        assert_eq!(hold.cause, WaitCause::QuietHours);
        assert!(hold.until >= seconds(3_600), "{hold:?}");
    }
}

#[test]
fn an_outcome_that_is_not_known_is_searched_for_and_never_repeated_unseen() {
    becomes(
        auto(),
        "
        0 deliver 7 hi
        0 read 1.1
        9 unclear 1.1 -> nothing = 1.1 reconciling 10 x0
        10 wake -> find 1.1
        10 creator 9 at 1 says hi -> sent 9 = idle
        ",
        &["sent 9"],
    );
    becomes(
        auto(),
        "
        0 deliver 7 hi
        0 read 1.1
        45 wake -> find 1.1 = 1.1 reconciling 45 x0
        45 not_found 1.1
        53 not_found 1.1 -> read 1.2 = 1.2 pacing 53
        54 read 1.2 -> send 1.2 hi
        ",
        &["open 1"],
    );
}

#[test]
fn a_fan_who_writes_while_it_is_under_way_is_answered_after_it() {
    becomes(
        auto(),
        "
        0 deliver 7 hi
        0 read 1.1
        1 fan 5
        2 sent 1.1 9 -> 5 waits 9 settling, sent 9 = 2.1 settling 9..26, owed 5
        ",
        &["sent 9"],
    );
}

#[test]
fn what_fanvue_refuses_is_noted_and_not_tried_again() {
    becomes(
        auto(),
        "0 deliver 7 hi\n0 read 1.1\n1 refused 1.1 -> nothing = idle\n2 deliver 7 hi -> nothing",
        &["not_contactable"],
    );
    becomes(
        auto(),
        "0 deliver 7 hi\n1 give_up no way -> nothing = idle",
        &["failed: no way"],
    );
}

#[test]
fn what_is_withdrawn_may_come_again_unless_it_may_be_on_its_way() {
    becomes(
        auto(),
        "
        0 deliver 7 hi
        0 withdraw 8 -> read 1.1
        0 withdraw 7 -> nothing = idle
        1 deliver 7 hi -> read 2.1
        1 read 2.1 -> send 2.1 hi
        1 withdraw 7 -> nothing = 2.1 sending 46
        ",
        &["open 2"],
    );
}

#[test]
fn only_the_latest_are_remembered() {
    let mut script = String::from("0 opt_out\n");
    for number in 1..=40 {
        script += &format!("{number} deliver {number} hi\n");
    }
    let scene = check(auto(), &script);
    assert_eq!(scene.conversation.deliveries.len(), 16);
    assert_eq!(scene.conversation.deliveries[15].broadcast, broadcast("40"));
}
