//! Intent, send, outcome.

use super::*;

#[test]
fn an_unclear_send_that_is_found_is_not_repeated() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 newest 0
        20 unclear 1.1 -> 1 waits 21 reconciling = 1.1 reconciling 21 x0
        20 wake -> nothing
        21 wake -> find 1.1
        22 creator 9 at 9 says hi -> 1 replied 1, sent 9 = idle
        22 not_found 1.1 -> nothing = idle
        ",
    );
}

#[test]
fn an_unclear_send_that_is_not_found_twice_goes_out_only_after_a_fresh_look() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        20 unclear 1.1
        21 not_found 1.1 -> nothing = 1.1 reconciling 29 x1
        29 wake -> find 1.1
        29 not_found 1.1 -> read 1.2, 1 waits 29 retrying
        30 read 1.2 -> send 1.2 hi = 1.2 sending 75
        31 sent 1.2 9 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn a_second_report_on_the_same_look_is_not_a_second_look() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        20 unclear 1.1
        21 not_found 1.1
        22 not_found 1.1 -> nothing = 1.1 reconciling 29 x1
        ",
    );
}

#[test]
fn after_a_crash_the_outcome_is_searched_for_only_when_no_send_can_still_begin() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1 -> send 1.1 hi = 1.1 sending 53
        9 wake -> nothing = 1.1 sending 53
        52 wake -> nothing
        53 wake -> find 1.1, 1 waits 53 reconciling
        53 wake -> find 1.1
        54 sent 1.1 9 at 12 -> 1 replied 1, sent 9 = idle
        ",
    );
}

#[test]
fn a_send_that_certainly_failed_is_repeated_after_a_fresh_look() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 not_sent 1.1 -> read 1.2, 1 waits 9 retrying = 1.2 pacing 9, owed 1
        9 read 1.2 -> send 1.2 hi
        ",
    );
}

#[test]
fn a_late_outcome_of_an_earlier_send_is_not_taken_for_the_next_ones() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 not_sent 1.1
        9 read 1.2 -> send 1.2 hi
        10 not_sent 1.1 -> nothing = 1.2 sending 54
        10 unclear 1.1 -> nothing = 1.2 sending 54
        10 refused 1.1 -> nothing = 1.2 sending 54
        11 sent 1.2 9 -> 1 replied 1, sent 9
        ",
    );
}

#[test]
fn a_send_that_failed_is_written_anew_if_the_fan_wrote_meanwhile() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 fan 2
        10 not_sent 1.1 -> compose 1.2, 1 waits 10 retrying, 2 waits 10 retrying = 1.2 composing, owed 1 2
        11 composed 1.2 hello -> read 1.2
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
        9 fan 2 bare
        10 not_found 1.1
        18 not_found 1.1 -> fetch 2, 1 waits 18 retrying, 2 waits 18 retrying = 1.2 composing, owed 1 2
        ",
    );
}

#[test]
fn a_fan_who_cannot_be_written_to_is_not_tried_again() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 refused 1.1 -> 1 blocked notcontactable = idle
        ",
    );
}

#[test]
fn an_outcome_that_comes_after_the_search_began_still_counts() {
    for (outcome, follows) in [
        ("sent 1.1 9", "1 replied 1, sent 9 = idle"),
        (
            "not_sent 1.1",
            "read 1.2, 1 waits 54 retrying = 1.2 pacing 54, owed 1",
        ),
        ("refused 1.1", "1 blocked notcontactable = idle"),
        ("unclear 1.1", "find 1.1 = 1.1 reconciling 53 x0"),
    ] {
        check(
            auto(),
            &format!(
                "0 fan 1
                8 wake
                8 composed 1.1 hi
                8 read 1.1
                53 wake
                54 {outcome} -> {follows}"
            ),
        );
    }
}
