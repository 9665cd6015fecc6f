//! Quiet hours. The tables count seconds from midnight UTC, and it is quiet from 01:00 (3600) to 02:00 (7200).

use super::*;

/// A creator whose replies go out as soon as they are written, but not between 01:00 and 02:00.
fn sleeps() -> Creator {
    with(|settings| {
        settings.mode(Mode::Auto).pace(Pace::Immediate).quiet_hours(
            QuietHours::in_zone("UTC").daily("01:00".parse().unwrap(), "02:00".parse().unwrap()),
        )
    })
}

/// When the replies of these tables go out after quiet hours: drawn, and the same for each line.
const AFTER: i64 = 7_600;

#[test]
fn what_arrives_in_quiet_hours_is_held_and_answered_after() {
    check(
        sleeps(),
        "
        4000 fan 1 -> 1 waits 7600 quiethours = 1.1 settling 4008..4025, owed 1, held 4000..7600 quiethours
        4008 wake -> nothing = 1.1 composing, owed 1, held 4000..7600 quiethours
        5000 fan 2 -> 1 waits 7600 quiethours, 2 waits 7600 quiethours = 1.2 composing, owed 1 2, held 4000..7600 quiethours
        7601 wake -> compose 1.2
        7602 composed 1.2 good morning -> read 1.2
        7603 read 1.2 -> send 1.2 good morning
        ",
    );
}

#[test]
fn held_replies_go_out_within_ten_minutes_of_the_end() {
    let after = seconds(AFTER).since(seconds(7_200));
    assert!(after <= Duration::from_secs(600));
}

#[test]
fn a_burst_that_ends_in_quiet_hours_is_held() {
    check(
        sleeps(),
        "
        3540 fan 1 -> 1 waits 3548 settling
        3546 fan 2 -> 2 waits 3554 settling
        3552 fan 3 -> 3 waits 7600 quiethours, 1 waits 7600 quiethours, 2 waits 7600 quiethours
        ",
    );
}

#[test]
fn a_pace_that_ends_in_quiet_hours_is_moved_after_them() {
    let mut creator = sleeps();
    creator.settings.pace = Pace::natural(
        Duration::ZERO,
        Duration::from_secs(180),
        Duration::from_secs(180),
    );
    check(
        creator,
        "
        3400 fan 1
        3408 wake -> compose 1.1
        3410 composed 1.1 hi -> 1 waits 7600 quiethours = 1.1 pacing 3590, owed 1, held 3410..7600 quiethours
        7601 wake -> read 1.1
        7602 read 1.1 -> send 1.1 hi
        ",
    );
}

#[test]
fn a_model_and_a_chat_that_answer_late_do_not_send_in_quiet_hours() {
    check(
        sleeps(),
        "
        3500 fan 1
        3508 wake -> compose 1.1
        3554 composed 1.1 hi -> read 1.1
        3555 read 1.1 -> 1 waits 7600 quiethours = 1.1 pacing 3554, owed 1, held 3555..7600 quiethours
        3560 wake -> nothing
        7601 wake -> read 1.1
        ",
    );
}

#[test]
fn a_send_that_failed_is_not_repeated_in_quiet_hours_and_its_outcome_is_searched_for_in_them() {
    check(
        sleeps(),
        "
        3540 fan 1
        3548 wake
        3549 composed 1.1 hi
        3550 read 1.1 -> send 1.1 hi
        3590 unclear 1.1 -> 1 waits 3591 reconciling
        3602 wake -> find 1.1
        3602 not_found 1.1 -> nothing = 1.1 reconciling 3610 x1
        3610 wake -> find 1.1
        3610 not_found 1.1 -> 1 waits 7600 quiethours
        7601 wake -> read 1.2
        7602 read 1.2 -> send 1.2 hi
        ",
    );
}

#[test]
fn what_an_operator_approved_goes_out_in_quiet_hours() {
    let mut creator = sleeps();
    creator.settings.mode = Mode::Draft;
    check(
        creator,
        "
        4000 fan 1 -> 1 waits 4008 settling
        4008 wake -> compose 1.1
        4010 composed 1.1 hi -> 1 awaits approval 1
        4015 mode auto
        4020 approve 1.1 -> read 1.1, 1 waits 4020 pacing
        4021 read 1.1 -> send 1.1 hi
        4022 not_sent 1.1 -> read 1.2, 1 waits 4022 retrying
        ",
    );
}

#[test]
fn nothing_but_other_settings_ends_quiet_hours_early() {
    check(
        sleeps(),
        "
        4000 fan 1 -> 1 waits 7600 quiethours
        4010 try_now -> 1 waits 7600 quiethours
        4020 resume -> nothing
        4025 quiet hours off
        4030 wake -> compose 1.1, 1 waits 4030 composing
        ",
    );
    check(
        sleeps(),
        "
        4000 fan 1 -> 1 waits 7600 quiethours
        4025 mode draft
        4030 wake -> compose 1.1, 1 waits 4030 composing
        4031 composed 1.1 hi -> 1 awaits approval 1
        ",
    );
}

#[test]
fn quiet_hours_that_are_set_while_a_reply_is_held_back_hold_it() {
    let mut creator = sleeps();
    let quiet = std::mem::take(&mut creator.settings.quiet_hours);
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator,
        conversation: nobody_wrote(),
    };
    scene.creator.settings.pace = Pace::default();
    scene.step(seconds(4_000), input("fan 1", seconds(4_000)));
    scene.step(seconds(4_008), Input::Wake);
    let paced = scene.step(seconds(4_009), input("composed 1.1 hi", seconds(4_009)));
    let due = paced.next.wake_at().unwrap();
    assert!(due < seconds(4_300));
    scene.creator.settings.quiet_hours = quiet;
    let held = scene.step(due, Input::Wake);
    assert_eq!(held.effect, None);
    assert_eq!(held.next.wake_at().map(Timestamp::as_seconds), Some(AFTER));
}

#[test]
fn a_failure_in_quiet_hours_is_over_before_they_hold_the_turn() {
    check(
        sleeps(),
        "
        3540 fan 1
        3548 wake -> compose 1.1
        3604 put_off 3620 retrying -> 1 waits 3620 retrying
        3620 wake -> 1 waits 7600 quiethours
        ",
    );
}

#[test]
fn a_human_who_writes_in_quiet_hours_takes_what_is_held() {
    check(
        sleeps(),
        "
        4000 fan 1 -> 1 waits 7600 quiethours
        4100 creator 2 says I am awake -> 1 paused 7700 = paused 7700
        ",
    );
}
