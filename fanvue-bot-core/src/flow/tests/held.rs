//! What cannot be done now is put off, and says so.

use super::*;

#[test]
fn what_fails_is_put_off_and_the_decision_says_until_when() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 put_off 12 retrying -> 1 waits 12 retrying = 1.1 composing, owed 1, held 9..12 retrying
        10 wake -> nothing
        12 wake -> compose 1.1
        13 put_off 20 retrying -> 1 waits 20 retrying = 1.1 composing, owed 1, held 9..20 retrying
        20 wake -> compose 1.1
        21 composed 1.1 hi -> read 1.1 = 1.1 pacing 21, owed 1
        ",
    );
}

#[test]
fn a_new_message_does_not_end_the_wait_that_a_server_asked_for() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 put_off 69 retrying
        10 fan 2 -> 1 waits 69 retrying, 2 waits 69 retrying = 1.2 settling 18..25, owed 1 2, held 9..69 retrying
        18 wake -> nothing
        69 wake -> compose 1.2
        ",
    );
}

#[test]
fn what_waits_for_a_person_is_looked_at_less_and_less_often_and_never_given_up() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        8 park not_connected -> 1 waits 68 notconnected
        68 wake -> compose 1.1
        68 park not_connected -> 1 waits 128 notconnected
        128 wake
        128 park not_connected -> 1 waits 248 notconnected
        248 wake
        248 park not_connected -> 1 waits 488 notconnected
        488 wake
        488 park deployment -> 1 waits 548 deployment
        548 wake
        5000 park deployment -> 1 waits 5900 deployment
        ",
    );
}

#[test]
fn an_operator_who_has_mended_it_need_not_wait() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 park not_connected -> 1 waits 68 notconnected
        9 try_now -> compose 1.1, 1 waits 9 retrying
        9 composed 1.1 hi -> read 1.1
        ",
    );
}

#[test]
fn with_nothing_put_off_trying_now_changes_nothing() {
    check(
        auto(),
        "0 try_now -> nothing = idle\n 1 fan 1\n 2 try_now -> nothing",
    );
}

#[test]
fn a_search_for_a_send_is_put_off_with_the_messages_that_the_send_may_have_answered() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 unclear 1.1
        10 wake -> find 1.1
        10 put_off 40 retrying -> 1 waits 40 retrying = 1.1 reconciling 10 x0, held 10..40 retrying
        30 wake -> nothing
        40 wake -> find 1.1
        40 sent 1.1 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn a_send_that_cannot_go_out_before_a_person_acts_does_not_shorten_its_waits_by_each_look() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        8 not_sent 1.1
        8 park deployment -> 1 waits 68 deployment
        68 wake -> read 1.2
        68 read 1.2 -> send 1.2 hi
        68 not_sent 1.2 -> read 1.3, 1 waits 68 retrying
        68 park deployment -> 1 waits 128 deployment
        128 wake -> read 1.3
        128 read 1.3
        128 not_sent 1.3
        128 park deployment -> 1 waits 248 deployment
        ",
    );
}

#[test]
fn with_nobody_waiting_nothing_is_put_off() {
    check(
        auto(),
        "
        0 put_off 60 retrying -> nothing = idle
        0 park not_connected -> nothing = idle
        0 fan 1
        1 put_off 1 retrying -> nothing = 1.1 settling 8..25, owed 1
        2 park deployment
        3 deleted 1 -> 1 blocked deleted = idle
        ",
    );
}

#[test]
fn a_draft_that_waits_for_an_operator_is_not_put_off() {
    check(
        draft(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 composed 1.1 hi -> 1 awaits approval 1
        9 put_off 20 retrying -> nothing = 1.1 awaiting approval 86409, owed 1
        9 park not_connected -> nothing
        10 approve 1.1 -> read 1.1, 1 waits 10 pacing
        ",
    );
}
