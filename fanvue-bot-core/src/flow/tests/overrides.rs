//! What is different for one fan, and settings that change while something is under way.

use super::*;

#[test]
fn a_fan_may_be_in_another_mode_than_all_others() {
    check(
        auto(),
        "
        0 for_fan mode draft -> nothing
        1 fan 1
        9 wake -> compose 1.1
        10 composed 1.1 hi -> 1 awaits approval 1
        11 approve 1.1 -> read 1.1, 1 waits 11 pacing
        ",
    );
    check(
        draft(),
        "
        0 for_fan mode auto
        1 fan 1
        9 wake -> compose 1.1
        10 composed 1.1 hi -> read 1.1
        11 read 1.1 -> send 1.1 hi
        ",
    );
}

#[test]
fn a_fan_for_whom_the_mode_is_off_is_not_answered_from_that_step_on() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 composed 1.1 hi -> read 1.1
        10 for_fan mode off -> 1 blocked modeoff = idle
        11 read 1.1 -> nothing
        12 fan 2 -> 2 blocked modeoff
        13 for_fan nothing -> nothing
        14 fan 3 -> 3 waits 22 settling
        ",
    );
}

#[test]
fn a_creator_who_is_off_is_off_for_a_fan_in_auto_too() {
    check(
        auto(),
        "
        0 for_fan mode auto
        1 mode off
        2 fan 1 -> 1 blocked modeoff
        ",
    );
}

#[test]
fn a_mode_that_is_switched_off_while_a_reply_is_held_back_stops_it() {
    let paced = || with(|settings| settings.mode(Mode::Auto));
    check(
        paced(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 composed 1.1 hi
        10 mode off
        200 wake -> 1 blocked modeoff = idle
        ",
    );
    check(
        paced(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 for_fan mode off -> 1 blocked modeoff = idle
        ",
    );
}

#[test]
fn a_reply_that_is_held_back_goes_out_as_soon_as_the_pace_is_immediate() {
    let paced = || with(|settings| settings.mode(Mode::Auto));
    check(
        paced(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 composed 1.1 hi
        10 for_fan pace immediate -> read 1.1 = 1.1 pacing 10, owed 1
        11 read 1.1 -> send 1.1 hi
        ",
    );
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator: paced(),
        conversation: nobody_wrote(),
    };
    for (now, happens) in [(0, "fan 1"), (8, "wake"), (9, "composed 1.1 hi")] {
        scene.step(seconds(now), input(happens, seconds(now)));
    }
    assert!(scene.conversation.wake_at() > Some(seconds(20)));
    scene.creator.settings.pace = Pace::Immediate;
    let next = scene.step(seconds(12), Input::Wake);
    assert!(matches!(next.effect, Some(Effect::ReadChat { .. })));
}

#[test]
fn a_fan_may_be_answered_in_quiet_hours() {
    let quiet =
        QuietHours::in_zone("UTC").daily("00:00".parse().unwrap(), "01:00".parse().unwrap());
    let mut creator = auto();
    creator.settings.quiet_hours = quiet;
    check(
        creator,
        "
        0 fan 1
        7 wake -> nothing
        9 for_fan awake -> compose 1.1, 1 waits 9 composing
        10 composed 1.1 hi -> read 1.1
        11 read 1.1 -> send 1.1 hi
        ",
    );
}

#[test]
fn a_human_keeps_the_bot_out_for_as_long_as_is_set_for_the_fan() {
    check(
        auto(),
        "
        0 for_fan pause 60
        1 fan 1
        5 creator 2 says hello -> 1 paused 65 = paused 65
        ",
    );
}
