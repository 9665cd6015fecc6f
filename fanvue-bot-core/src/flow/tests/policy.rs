//! What a fan's words stop.

use super::*;

#[test]
fn a_fan_who_wants_no_more_messages_gets_none_until_they_want_them_again() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 fan 2
        9 noticed 2 opt_out -> 1 opted out, 2 opted out = idle
        10 composed 1.1 hi -> nothing
        20 fan 3 -> 3 opted out
        30 fan 4
        30 noticed 4 resume
        40 fan 5
        48 wake -> compose 2.1
        ",
    );
}

#[test]
fn of_two_words_on_it_the_later_one_counts_in_any_order() {
    check(
        auto(),
        "
        20 noticed 2 resume
        21 noticed 1 opt_out at 10
        30 fan 3
        38 wake -> compose 1.1
        ",
    );
}

#[test]
fn a_sign_of_a_minor_stops_what_is_written_until_an_operator_lets_it_go_on() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 fan 2
        10 noticed 2 minor -> 1 blocked minor, 2 blocked minor = idle
        20 fan 3 -> 3 blocked minor
        20 noticed 3 resume
        30 fan 4 -> 4 blocked minor
        40 opt_in
        41 fan 5
        49 wake -> compose 2.1
        ",
    );
}

#[test]
fn a_crisis_waits_for_a_human_also_when_the_fan_says_more() {
    check(
        auto(),
        "
        0 fan 1
        0 noticed 1 crisis -> 1 blocked crisis = idle
        5 noticed 2 opt_out
        6 noticed 3 resume
        7 fan 4 -> 4 blocked crisis
        ",
    );
}

#[test]
fn what_does_not_stop_changes_nothing() {
    check(
        auto(),
        "
        0 fan 1
        0 noticed 1 upset -> nothing
        8 wake -> compose 1.1
        ",
    );
}

#[test]
fn the_words_with_which_a_fan_asks_for_messages_again_are_answered() {
    check(
        auto(),
        "
        0 fan 1
        0 noticed 1 opt_out -> 1 opted out = idle
        30 fan 2
        30 noticed 2 resume -> 2 waits 38 settling
        38 wake -> compose 2.1
        ",
    );
}

#[test]
fn words_that_a_webhook_left_out_are_fetched_also_of_fans_who_get_no_answer() {
    check(
        auto(),
        "
        0 fan 1
        0 noticed 1 opt_out -> 1 opted out = idle
        30 fan 2 bare -> fetch 2, 2 opted out
        31 fetched 2
        31 noticed 2 resume -> 2 waits 39 settling
        39 wake -> compose 2.1
        ",
    );
}

#[test]
fn words_that_came_before_a_humans_are_fetched_as_they_may_forbid_a_reply() {
    check(
        auto(),
        "
        0 fan 1 bare
        2 creator 2 says hello -> fetch 1, 1 paused 3602
        3 fetched 1
        3 noticed 1 opt_out
        4000 fan 3 -> 3 opted out
        ",
    );
}
