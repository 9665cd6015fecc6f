//! A human who writes in the creator's name, and echoes of what we sent ourselves.

use super::*;

#[test]
fn a_human_takes_what_is_owed_in_every_phase_before_the_send() {
    for lines in [
        "",
        "8 wake",
        "8 wake
         8 unusable 1.1 bad",
        "8 wake
         8 composed 1.1 hi",
    ] {
        check(
            auto(),
            &format!(
                "0 fan 1
                {lines}
                9 creator 5 says hello -> 1 paused 3609 = paused 3609
                10 composed 1.1 too late -> nothing
                10 read 1.1 -> nothing = paused 3609"
            ),
        );
    }
    check(
        draft(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        9 creator 5 says hello -> 1 paused 3609 = paused 3609
        10 approve 1.1 -> too late: the chat went on without it
        ",
    );
}

#[test]
fn what_the_fan_writes_after_a_human_waits_for_the_end_of_the_pause() {
    check(
        auto(),
        "
        0 fan 1
        5 creator 5 says hello
        9 fan 2 -> 2 paused 3605 = owed 2, paused 3605
        3604 wake -> nothing
        3605 wake -> compose 2.1, 2 waits 3605 settling
        ",
    );
}

#[test]
fn every_message_of_a_human_renews_the_pause() {
    check(
        auto(),
        "
        0 creator 5 says hello
        10 fan 1 -> 1 paused 3600
        600 creator 6 says still here -> 1 paused 4200 = paused 4200
        700 fan 2 -> 2 paused 4200
        3600 wake -> nothing
        4200 wake -> compose 1.1, 2 waits 4200 settling
        ",
    );
}

#[test]
fn a_late_event_of_an_earlier_human_message_shortens_nothing() {
    check(
        auto(),
        "
        600 creator 6 says still here
        601 creator 5 at 0 says hello -> nothing = paused 4200
        ",
    );
}

#[test]
fn a_message_that_was_there_before_the_human_wrote_is_theirs_however_late_it_arrives() {
    check(
        auto(),
        "
        10 creator 5 says hello
        12 fan 1 at 9 -> 1 paused 3610 = paused 3610
        4000 wake -> nothing = idle
        4001 fan 2 at 8 -> 2 paused 4001 = idle
        4002 fan 3 -> 3 waits 4010 settling
        ",
    );
}

#[test]
fn a_human_whose_event_is_an_hour_late_makes_the_draft_stale() {
    check(
        auto(),
        "
        4000 fan 1
        4008 wake -> compose 1.1
        4009 creator 5 at 100 says hello -> 1 waits 4017 settling = 1.2 settling 4017..4025, owed 1
        4010 composed 1.1 hi -> nothing
        ",
    );
}

#[test]
fn our_echo_settles_the_send_before_its_outcome_does() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hey you
        8 read 1.1 newest 0
        9 creator 9 says hey you -> 1 replied 1, sent 9 = idle
        10 sent 1.1 9 -> nothing = idle
        ",
    );
}

#[test]
fn white_space_does_not_make_an_echo_a_humans() {
    check(
        draft(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hey  you
        9 approve 1.1 hey  you
        9 read 1.1 newest 0
        9 creator 9 says hey you -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn an_echo_without_words_waits_for_the_outcome() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 creator 9 -> nothing = 1.1 sending 53
        9 creator 9 -> nothing
        10 sent 1.1 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn an_echo_whose_words_were_changed_is_known_by_its_id() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 5 < 6
        8 read 1.1
        9 creator 9 says 5 &lt; 6 -> nothing = 1.1 sending 53
        10 sent 1.1 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn what_a_human_wrote_during_our_send_is_theirs_once_the_send_is_settled() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 creator 5 says hello -> nothing
        9 creator 6 -> nothing
        10 fan 2 -> 2 waits 53 settling
        11 sent 1.1 9 -> 1 replied 1, 2 paused 3609, sent 9, human 5 hello, human 6 = owed 2, paused 3609
        3609 wake -> compose 2.1, 2 waits 3609 settling
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 creator 5 -> nothing
        10 refused 1.1 -> 1 blocked notcontactable, human 5 = paused 3609
        ",
    );
}

#[test]
fn a_send_that_failed_is_not_repeated_after_a_human_has_answered() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 creator 5 says hello
        10 fan 2
        11 not_sent 1.1 -> 1 paused 3609, 2 paused 3609, human 5 hello = owed 2, paused 3609
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
        9 creator 5 says hello
        10 not_found 1.1
        18 not_found 1.1 -> 1 paused 3609, human 5 hello = paused 3609
        ",
    );
}

#[test]
fn words_learned_later_tell_whose_an_open_message_is() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 newest 0
        9 unclear 1.1
        9 creator 9 -> nothing
        10 creator 9 at 9 says hi -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn an_older_message_with_the_same_words_is_not_our_send() {
    check(
        auto(),
        "
        100 fan 1
        108 wake
        108 composed 1.1 hi
        108 read 1.1 newest 100
        109 unclear 1.1
        110 creator 5 at 50 says hi -> find 1.1 = 1.1 reconciling 110 x0
        ",
    );
}

#[test]
fn a_send_that_counted_as_failed_and_shows_before_the_second_one_is_ours() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 newest 0
        9 unclear 1.1
        10 not_found 1.1
        18 not_found 1.1 -> read 1.2, 1 waits 18 retrying
        19 creator 9 at 9 says hi -> 1 replied 1, sent 9 = idle
        19 read 1.2 -> nothing
        ",
    );
}

#[test]
fn a_reply_of_ours_after_the_end_of_the_turn_is_a_humans() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        8 sent 1.1 9
        9 creator 5 says hi -> nothing = paused 3609
        ",
    );
}

#[test]
fn an_operator_pauses_and_resumes_in_every_phase() {
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
                9 pause 1000 -> 1 paused 1000 = owed 1, paused 1000
                10 composed 1.1 hi -> nothing
                20 resume -> compose 2.1, 1 waits 20 settling"
            ),
        );
    }
    check(
        auto(),
        "
        0 fan 1
        2 pause 1000
        3 resume -> 1 waits 8 settling = 2.1 settling 8..25, owed 1
        3 pause 2 -> nothing = 2.1 settling 8..25, owed 1
        ",
    );
}

#[test]
fn a_pause_during_a_send_lets_it_end_and_stops_what_would_follow() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 fan 2
        9 pause 1000 -> 2 paused 1000 = 1.1 sending 53, owed 2, paused 1000
        10 sent 1.1 9 -> 1 replied 1, sent 9 = owed 2, paused 1000
        1000 wake -> compose 2.1, 2 waits 1000 settling
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 pause 1000
        10 not_sent 1.1 -> 1 paused 1000 = owed 1, paused 1000
        1000 wake -> compose 2.1, 1 waits 1000 settling
        ",
    );
}
