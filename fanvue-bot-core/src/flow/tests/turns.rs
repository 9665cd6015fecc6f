//! Drafts that cannot be sent, pacing, and what is given up.

use super::*;

#[test]
fn an_unusable_draft_is_written_anew_once_and_then_blocked() {
    check(
        auto(),
        "
        0 fan 1
        1 fan 2
        9 wake
        9 unusable 1.1 it had a link -> compose 1.2 anew: it had a link
        9 unusable 1.1 it had a link -> compose 1.2 anew: it had a link
        9 unusable 1.2 it had a link -> 1 no safe reply: it had a link, 2 no safe reply: it had a link = idle
        ",
    );
}

#[test]
fn a_second_try_that_passes_is_sent() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 unusable 1.1 it was empty
        9 composed 1.2 hi -> read 1.2
        ",
    );
}

#[test]
fn a_reply_is_held_back_and_the_chat_is_read_when_the_hold_ends() {
    let creator = || with(|settings| settings.mode(Mode::Auto));
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator: creator(),
        conversation: nobody_wrote(),
    };
    let now = seconds(0);
    let _ = scene.step(now, input("fan 1", now));
    let _ = scene.step(seconds(8), Input::Wake);
    let held = scene.step(seconds(9), input("composed 1.1 hey you", now));
    assert_eq!(held.effect, None);
    let until = held.next.wake_at().unwrap();
    assert!((29..=189).contains(&until.as_seconds()), "{until}");
    assert_eq!(
        held.decisions[0].1.outcome,
        Outcome::Waiting {
            until,
            cause: WaitCause::Pacing
        }
    );
    let early = scene.step(
        until.minus(Duration::from_micros(1)),
        input("read 1.1", now),
    );
    assert_eq!(
        early.effect, None,
        "a look before the hold ends does not send"
    );
    let due = scene.step(until, Input::Wake);
    assert_eq!(shown(&due), "read 1.1");
    let sends = scene.step(until, input("read 1.1", now));
    assert_eq!(shown(&sends), "send 1.1 hey you");
}

#[test]
fn a_fan_who_keeps_writing_is_not_held_back_anew_with_every_line() {
    let mut creator = with(|settings| settings.mode(Mode::Auto));
    creator.settings.pace = Pace::Natural {
        live_within: Duration::ZERO,
        shortest: Duration::from_secs(60),
        longest: Duration::from_secs(60),
    };
    check(
        creator,
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi -> 1 waits 68 pacing
        30 fan 2
        38 wake -> compose 1.2
        39 composed 1.2 hi -> 1 waits 60 pacing, 2 waits 60 pacing
        59 fan 3
        67 wake -> compose 1.3
        68 composed 1.3 hi -> read 1.3
        ",
    );
}

#[test]
fn giving_up_decides_what_was_tried_in_every_phase() {
    for lines in [
        "",
        "8 wake",
        "8 wake
         8 unusable 1.1 bad",
    ] {
        check(
            auto(),
            &format!(
                "0 fan 1
                {lines}
                9 give_up no model -> 1 failed no model = idle"
            ),
        );
    }
    check(
        draft(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        9 give_up no model -> 1 failed no model = idle
        ",
    );
}

#[test]
fn a_send_that_may_still_reach_the_fan_is_not_given_up() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        8 composed 1.1 hi
        8 read 1.1
        9 give_up no chat -> 1 waits 69 retrying = 1.1 sending 53, held 9..69 retrying
        10 unclear 1.1
        11 give_up no chat -> 1 waits 71 retrying = 1.1 reconciling 11 x0, held 9..71 retrying
        12 fan 2
        71 wake -> find 1.1
        71 creator 9 at 9 says hi -> compose 2.1, 1 replied 1, 2 waits 71 settling, sent 9
        ",
    );
}

#[test]
fn giving_up_with_nothing_to_do_changes_nothing() {
    check(auto(), "0 give_up no model -> nothing = idle");
}
