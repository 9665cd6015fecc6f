//! The stop of the whole deployment, and its ceiling.

use super::*;

#[test]
fn while_stopped_what_is_due_is_held_in_every_phase_and_done_after() {
    for (lines, after) in [
        ("", "9 wake -> compose 1.1, 1 waits 9 composing"),
        ("8 wake", "9 wake -> compose 1.1, 1 waits 9 composing"),
        (
            "8 wake
             8 composed 1.1 hi",
            "9 wake -> read 1.1, 1 waits 9 pacing",
        ),
    ] {
        check(
            auto(),
            &format!(
                "0 fan 1
                {lines}
                8 stop
                8 wake -> 1 waits 908 stopped
                8 wake -> nothing
                9 go on
                {after}"
            ),
        );
    }
}

#[test]
fn a_reply_that_is_about_to_be_sent_is_stopped() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi -> read 1.1
        8 stop
        8 read 1.1 -> 1 waits 908 stopped
        1000 wake -> 1 waits 1900 stopped = 1.1 pacing 8, owed 1, held 8..1900 stopped
        1001 go on
        1001 wake -> read 1.1, 1 waits 1001 pacing
        1001 read 1.1 -> send 1.1 hi
        ",
    );
}

#[test]
fn a_send_that_is_under_way_when_all_is_stopped_is_seen_to_its_end() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 -> send 1.1 hi
        8 stop
        9 unclear 1.1
        10 wake -> find 1.1
        10 not_found 1.1
        18 wake -> find 1.1
        18 not_found 1.1 -> 1 waits 918 stopped
        20 go on
        20 wake -> read 1.2, 1 waits 20 pacing
        ",
    );
}

#[test]
fn what_an_operator_approved_is_stopped_too_and_goes_out_after() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 stop
        11 approve 1.1 -> 1 waits 911 stopped
        12 go on
        12 wake -> read 1.1, 1 waits 12 pacing
        ",
    );
}

#[test]
fn who_writes_while_all_is_stopped_is_answered_after() {
    check(
        auto(),
        "
        0 stop
        0 fan 1 -> 1 waits 900 stopped
        4 fan 2 -> 2 waits 904 stopped, 1 waits 904 stopped
        5 opt_out -> 1 opted out, 2 opted out = idle
        6 opt_in
        7 fan 3
        20 go on
        20 wake -> compose 2.1, 3 waits 20 composing
        ",
    );
}

#[test]
fn a_human_and_quiet_hours_hold_as_ever_when_all_goes_on() {
    check(
        auto(),
        "
        0 stop
        0 fan 1
        5 creator 5 says hello -> 1 paused 3605 = paused 3605
        9 fan 2 -> 2 paused 3605
        20 go on
        20 wake -> nothing
        3605 wake -> compose 2.1, 2 waits 3605 settling
        ",
    );
}

#[test]
fn no_creator_goes_beyond_the_ceiling() {
    check(
        auto(),
        "
        0 at most draft
        0 fan 1
        8 wake
        9 composed 1.1 hi -> 1 awaits approval 1
        10 approve 1.1
        10 at most off
        10 read 1.1 -> 1 blocked modeoff = idle
        ",
    );
    check(
        draft(),
        "
        0 at most auto
        0 fan 1
        8 wake
        9 composed 1.1 hi -> 1 awaits approval 1
        ",
    );
    check(
        auto(),
        "
        0 for_fan mode auto
        0 at most draft
        0 fan 1
        8 wake
        9 composed 1.1 hi -> 1 awaits approval 1
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi -> read 1.1
        8 at most dry run
        8 read 1.1 -> 1 blocked dryrun = idle
        ",
    );
}
