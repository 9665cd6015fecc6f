//! What settings, operators and the fan's own wish allow.

use super::*;

#[test]
fn in_draft_mode_a_reply_waits_for_approval_and_then_goes_out() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi -> 1 awaits approval 1 = 1.1 awaiting approval 86409, owed 1
        5000 wake -> nothing
        5001 approve 1.1 -> read 1.1, 1 waits 5001 pacing
        5001 read 1.1 -> send 1.1 hi
        5002 sent 1.1 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn an_edited_reply_goes_out_as_edited() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 approve 1.1 hello there
        10 read 1.1 -> send 1.1 hello there
        ",
    );
}

#[test]
fn an_approval_outlives_a_send_that_failed_and_not_a_new_draft() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 approve 1.1
        10 read 1.1
        11 not_sent 1.1
        11 read 1.2 -> send 1.2 hi
        12 fan 2
        13 not_sent 1.2 -> compose 1.3, 1 waits 13 retrying, 2 waits 13 retrying
        14 composed 1.3 hello -> 1 awaits approval 1, 2 awaits approval 1
        ",
    );
}

#[test]
fn a_rejected_reply_ends_the_turn() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 reject 1.2 -> there is no such draft
        10 reject 1.1 -> 1 blocked rejected = idle
        10 approve 1.1 -> too late: it was rejected = idle
        ",
    );
}

#[test]
fn nothing_goes_out_unapproved_after_the_mode_was_set_to_draft() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi -> read 1.1
        8 mode draft
        8 read 1.1 -> 1 awaits approval 1 = 1.1 awaiting approval 86408, owed 1
        9 approve 1.1
        9 read 1.1 -> send 1.1 hi
        ",
    );
}

#[test]
fn a_dry_run_does_all_but_the_send() {
    let mut creator = auto();
    creator.settings.dry_run = true;
    check(
        creator,
        "
        0 fan 1
        8 wake -> compose 1.1
        8 composed 1.1 hi -> 1 blocked dryrun = idle
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 dry run
        8 read 1.1 -> 1 blocked dryrun = idle
        ",
    );
}

#[test]
fn while_off_or_inactive_messages_are_stored_and_not_answered() {
    for (setting, rule) in [("mode off", "modeoff"), ("inactive", "creatorinactive")] {
        check(
            auto(),
            &format!(
                "0 {setting}
                0 fan 1 -> 1 blocked {rule} = idle"
            ),
        );
        for lines in [
            "",
            "8 wake",
            "8 wake
             8 composed 1.1 hi",
        ] {
            check(
                auto(),
                &format!(
                    "0 fan 1
                    {lines}
                    9 {setting}
                    9 wake -> 1 blocked {rule} = idle
                    9 read 1.1 -> nothing"
                ),
            );
        }
        check(
            auto(),
            &format!(
                "0 fan 1
                8 wake
                8 composed 1.1 hi
                8 {setting}
                8 read 1.1 -> 1 blocked {rule} = idle"
            ),
        );
    }
}

#[test]
fn switching_off_during_a_send_lets_it_end_and_stops_what_would_follow() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 fan 2
        9 mode off
        9 fan 3 -> 3 blocked modeoff
        10 sent 1.1 9 -> 1 replied 1, 2 blocked modeoff, sent 9 = idle
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 mode off
        10 not_sent 1.1 -> 1 blocked modeoff = idle
        ",
    );
}

#[test]
fn a_fan_who_opts_out_is_left_alone_in_every_phase_until_they_opt_in() {
    for lines in [
        "",
        "8 wake",
        "8 wake
         8 composed 1.1 hi",
    ] {
        check(
            auto(),
            &format!(
                "0 fan 1
                {lines}
                9 opt_out -> 1 opted out = idle
                9 read 1.1 -> nothing
                10 fan 2 -> 2 opted out = idle
                11 opt_in -> nothing = idle
                12 fan 3 -> 3 waits 20 settling"
            ),
        );
    }
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 opt_out -> nothing = 1.1 sending 53
        10 not_sent 1.1 -> 1 opted out = idle
        ",
    );
    check(
        draft(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        9 opt_out -> 1 opted out = idle
        9 approve 1.1 -> no reply may go out: the fan opted out = idle
        ",
    );
}
