//! A conversation is forgotten at once, and its rows go when nothing can be under way.

use super::*;
use crate::conversation::{Erasure, Hold};

#[test]
fn where_nothing_is_under_way_the_rows_go_at_once() {
    check(
        auto(),
        "
        0 fan 1
        3 erase -> erase through 3 = idle
        3 erased 3 -> nothing = idle
        4 wake -> nothing = idle
        ",
    );
}

#[test]
fn while_a_send_may_be_under_way_the_rows_wait() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 -> send 1.1 hi = 1.1 sending 53
        9 erase -> nothing = idle
        10 sent 1.1 9 -> nothing = idle
        52 wake -> nothing
        53 wake -> erase through 9
        54 erased 9 -> nothing
        55 wake -> nothing
        ",
    );
}

#[test]
fn what_the_fan_writes_meanwhile_begins_a_turn_of_its_own() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 erase -> erase through 9 = idle
        9 composed 1.1 hi -> erase through 9 = idle
        10 fan 2 -> erase through 9, 2 waits 18 settling
        10 composed 1.1 hi -> erase through 9 = 2.1 settling 18..35, owed 2
        11 erased 9 -> nothing
        18 wake -> compose 2.1
        18 composed 2.1 hello
        ",
    );
}

#[test]
fn an_erasure_that_was_killed_goes_on_and_an_old_report_ends_no_newer_one() {
    check(
        auto(),
        "
        3 erase -> erase through 3
        4 wake -> erase through 3
        5 erase -> erase through 5
        6 erased 3 -> erase through 5
        7 erased 5 -> nothing
        ",
    );
}

#[test]
fn nothing_is_left_of_the_fan_but_numbers_and_times() {
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator: auto(),
        conversation: nobody_wrote(),
    };
    let words = "canary-7f3a";
    for (at, happens) in [
        (0, "fan 1"),
        (8, "wake"),
        (8, &*format!("composed 1.1 {words}")),
        (8, "read 1.1"),
        (9, "creator 5 says canary-7f3a too"),
        (9, "fan 2"),
        (9, "pause 900"),
    ] {
        scene.step(seconds(at), input(happens, seconds(at)));
    }
    scene.conversation.fan_fingerprint = 77;
    scene.conversation.opted_out = true;
    scene.conversation.complete_to = Some(seconds(4));
    scene.conversation.hold = Some(Hold {
        since: seconds(1),
        until: seconds(2),
        cause: WaitCause::Retrying,
    });
    let before = serde_json::to_string(&scene.conversation).unwrap();
    assert!(before.contains(words), "it is looked for where it is");

    let next = scene.step(seconds(10), Input::Erase).next;
    let expected = Conversation {
        last_turn: TurnId::new(1),
        history_read: true,
        complete_to: Some(seconds(4)),
        erasure: Some(Erasure {
            through: seconds(10),
            sends_until: seconds(53),
            finished_at: None,
        }),
        ..Conversation::new(next.id, Seed::new(5))
    };
    assert_eq!(next, expected);
    assert_eq!(next.wake_at(), Some(seconds(53)));
}

#[test]
fn what_fanvues_clock_dates_a_little_later_is_erased_and_nothing_far_off_is_barred() {
    for (sent_at, through) in [(2, 10), (13, 13), (310, 310), (311, 10), (1_000_000, 10)] {
        let mut scene = Scene {
            ceiling: Ceiling::none(),
            creator: auto(),
            conversation: nobody_wrote(),
        };
        let sent_at = seconds(sent_at);
        let fan = Input::FanMessage {
            id: message(1),
            sent_at,
            fetched: true,
        };
        scene.step(seconds(9), fan);
        let next = scene.step(seconds(10), Input::Erase).next;
        let erasure = next.erasure.unwrap();
        assert_eq!(erasure.through, seconds(through), "sent at {sent_at}");
    }
}
