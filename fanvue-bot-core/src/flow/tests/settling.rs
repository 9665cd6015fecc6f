//! From the first line of a burst to its end.

use super::*;

#[test]
fn a_message_is_answered_after_the_settle_window() {
    check(
        auto(),
        "
        0 fan 1 -> 1 waits 8 settling = 1.1 settling 8..25, owed 1
        7 wake -> nothing
        8 wake -> compose 1.1
        10 composed 1.1 hey you -> read 1.1 = 1.1 pacing 10, owed 1
        10 read 1.1 newest 0 -> send 1.1 hey you = 1.1 sending 55
        11 sent 1.1 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn every_message_restarts_the_window_and_all_are_answered_together() {
    check(
        auto(),
        "
        0 fan 1
        5 fan 2 -> 2 waits 13 settling = 1.1 settling 13..25, owed 1 2
        8 wake -> nothing
        12 fan 3 -> 3 waits 20 settling
        20 wake -> compose 1.1
        20 composed 1.1 hey you
        20 read 1.1
        20 sent 1.1 9 -> 1 merged 1, 2 merged 1, 3 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn a_burst_without_end_is_waited_for_no_longer_than_the_cap() {
    check(
        auto(),
        "
        0 fan 1
        7 fan 2
        14 fan 3
        21 fan 4 -> 4 waits 25 settling = 1.1 settling 25..25, owed 1 2 3 4
        24 fan 5 -> 5 waits 25 settling
        25 wake -> compose 1.1
        ",
    );
}

#[test]
fn the_same_message_again_changes_nothing() {
    check(
        auto(),
        "
        0 fan 1
        3 fan 1 -> nothing = 1.1 settling 8..25, owed 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 fan 1 -> nothing = 1.1 sending 53
        9 unclear 1.1
        9 fan 1 -> nothing = 1.1 reconciling 10 x0
        ",
    );
}

#[test]
fn a_late_message_that_no_human_answered_joins_the_burst() {
    check(
        auto(),
        "
        100 fan 2
        101 fan 1 at 40 -> 1 waits 109 settling
        109 wake -> compose 1.1
        109 composed 1.1 hi
        109 read 1.1
        110 sent 1.1 9 -> 2 replied 1, 1 merged 1, sent 9
        ",
    );
}

#[test]
fn the_fan_writing_again_supersedes_a_draft_in_every_phase_before_the_send() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 fan 2 -> 1 waits 17 settling, 2 waits 17 settling = 1.2 settling 17..25, owed 1 2
        10 composed 1.1 too early -> nothing
        17 wake -> compose 1.2
        18 unusable 1.2 bad -> compose 1.3 anew: bad
        19 fan 3
        27 wake -> compose 1.4
        ",
    );
    check(
        draft(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi -> 1 awaits approval 1
        9 fan 2 -> 1 waits 17 settling, 2 waits 17 settling = 1.2 settling 17..25, owed 1 2
        9 approve 1.1 -> too late: the chat went on without it
        17 wake -> compose 1.2
        ",
    );
    check(
        with(|settings| settings.mode(Mode::Auto)),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        9 fan 2 -> 1 waits 17 settling, 2 waits 17 settling = 1.2 settling 17..25, owed 1 2
        9 read 1.1 -> nothing
        17 wake -> compose 1.2
        ",
    );
}

#[test]
fn a_message_that_comes_while_the_reply_is_on_its_way_begins_the_next_turn() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 fan 2 -> 2 waits 53 settling = 1.1 sending 53, owed 2
        10 sent 1.1 9 -> 1 replied 1, 2 waits 17 settling, sent 9 = 2.1 settling 17..34, owed 2
        17 wake -> compose 2.1
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 unclear 1.1
        9 fan 2 -> 2 waits 10 settling = 1.1 reconciling 10 x0, owed 2
        30 creator 9 says hi -> compose 2.1, 1 replied 1, 2 waits 30 settling, sent 9
        ",
    );
}

#[test]
fn words_that_the_webhook_left_out_are_fetched_before_the_reply_is_written() {
    check(
        auto(),
        "
        0 fan 1 bare
        1 fan 2
        2 fan 3 bare
        10 wake -> fetch 1 3
        10 fetched 1 -> fetch 3
        10 fetched 3 -> compose 1.1
        ",
    );
}

#[test]
fn a_message_that_is_deleted_is_not_answered() {
    check(
        auto(),
        "
        0 fan 1 bare
        8 wake -> fetch 1
        8 deleted 1 -> 1 blocked deleted = idle
        9 deleted 1 -> nothing
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        1 fan 2
        2 deleted 1 -> 1 blocked deleted = 1.1 settling 9..25, owed 2
        9 wake -> compose 1.1
        ",
    );
}

#[test]
fn a_deletion_voids_the_reply_that_was_written_with_the_message_in_view() {
    check(
        auto(),
        "
        0 fan 1
        1 fan 2
        9 wake -> compose 1.1
        10 deleted 2 -> compose 1.2, 2 blocked deleted
        11 composed 1.1 to what was deleted -> compose 1.2
        12 composed 1.2 hi -> read 1.2
        ",
    );
    check(
        draft(),
        "
        0 fan 1
        1 fan 2
        9 wake
        9 composed 1.1 hi
        10 deleted 2 -> 2 blocked deleted, 1 waits 18 settling = 1.2 settling 18..25, owed 1
        10 approve 1.1 -> too late: the chat went on without it
        ",
    );
}

#[test]
fn what_the_chat_held_before_is_read_once_before_the_first_reply() {
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator: auto(),
        conversation: Conversation {
            history_read: false,
            ..nobody_wrote()
        },
    };
    let mut after = |second: i64, happens: &str| {
        let now = seconds(second);
        shown(&scene.step(now, input(happens, now)))
    };
    after(0, "fan 1");
    assert_eq!(after(8, "wake"), "history");
    assert_eq!(after(8, "wake"), "history");
    assert_eq!(after(9, "history"), "compose 1.1");
    assert_eq!(after(9, "composed 1.1 hi"), "read 1.1");
}

#[test]
fn a_fan_who_keeps_writing_waits_no_longer_than_the_cap_from_the_first_message_on() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        20 fan 2 -> 1 waits 25 settling, 2 waits 25 settling = 1.2 settling 25..25, owed 1 2
        25 wake -> compose 1.2
        30 fan 3 -> compose 1.3, 1 waits 30 settling, 2 waits 30 settling, 3 waits 30 settling
        31 composed 1.3 hi -> read 1.3
        ",
    );
}

#[test]
fn a_message_deleted_while_its_answer_is_on_its_way_is_not_answered_again() {
    check(
        auto(),
        "
        0 fan 1
        1 fan 2
        9 wake
        9 composed 1.1 hi
        9 read 1.1
        10 deleted 2 -> 2 blocked deleted
        10 not_sent 1.1 -> read 1.2, 1 waits 10 retrying = 1.2 pacing 10, owed 1
        10 read 1.2
        11 deleted 1 -> 1 blocked deleted
        11 not_sent 1.2 -> nothing = idle
        ",
    );
}
