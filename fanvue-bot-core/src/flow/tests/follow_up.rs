//! The nudge of a silence. It is due two hours after a reply, and once a day at most.

use super::*;
use crate::conversation::FollowUpState;

const AFTER: Duration = Duration::from_secs(2 * 3_600);
const APART: Duration = Duration::from_secs(24 * 3_600);

fn nudges(settings: Settings) -> Settings {
    settings.follow_ups(FollowUps::after(AFTER, APART))
}

/// A creator whose fans are nudged, and whose replies go out as soon as they are written.
fn attentive() -> Creator {
    with(|settings| nudges(settings.mode(Mode::Auto).pace(Pace::Immediate)))
}

/// The fan wrote message 1 and has the reply, message 100, since second 11.
const REPLIED: &str = "
    0 fan 1
    8 wake
    9 composed 1.1 hi
    10 read 1.1 newest 0
    11 sent 1.1 100 -> 1 replied 1, sent 100 = idle
";

/// What became of the nudge after the reply and `script`.
#[track_caller]
fn becomes(creator: Creator, script: &str, expected: &str) -> Scene {
    let scene = check(creator, &format!("{REPLIED}{script}"));
    let follow_up = scene.conversation.follow_up.as_ref();
    let shown = follow_up.map_or("no silence".to_owned(), |follow_up| {
        match &follow_up.state {
            FollowUpState::Due { until } => format!("due at {}", until.as_seconds()),
            FollowUpState::Sent { message } => format!("sent {}", shown_id(*message)),
            state => state.to_string(),
        }
    });
    assert_eq!(shown, expected);
    scene
}

#[test]
fn a_fan_who_stays_silent_is_nudged_once() {
    let scene = becomes(
        attentive(),
        "
        7210 wake -> nothing = idle
        7211 wake -> compose 2.1 = 2.1 composing
        7212 composed 2.1 still there? -> read 2.1 = 2.1 pacing 7212
        7213 read 2.1 newest 11 -> send 2.1 still there? = 2.1 sending 7258
        7214 sent 2.1 101 -> sent 101 = idle
        99999 wake -> nothing = idle
        9999999 wake -> nothing = idle
        ",
        "sent 101",
    );
    assert_eq!(scene.conversation.wake_at(), None);
    assert_eq!(scene.conversation.nudged_at, Some(seconds(7_214)));
}

#[test]
fn the_state_says_when_it_is_due_and_no_job_waits_for_it() {
    let scene = becomes(attentive(), "", "due at 7211");
    assert_eq!(scene.conversation.wake_at(), Some(seconds(7_211)));
    assert_eq!(scene.conversation.job_at(), None);
    assert_eq!(
        scene.conversation.priority(),
        crate::queue::Priority::FollowUp
    );
}

#[test]
fn there_is_none_unless_it_is_switched_on() {
    becomes(auto(), "9999999 wake -> nothing = idle", "no silence");
    becomes(
        attentive(),
        "
        20 no nudges
        21 wake -> nothing
        ",
        "none: follow-ups are switched off",
    );
    becomes(
        attentive(),
        "20 for_fan no nudges",
        "none: follow-ups are switched off",
    );
}

#[test]
fn a_fan_who_writes_before_is_answered_and_not_nudged() {
    becomes(attentive(), "7210 fan 2", "none: the fan wrote or paid");
}

#[test]
fn a_fan_who_writes_while_it_is_written_is_answered_in_its_place() {
    let written = "
        7211 wake -> compose 2.1
        7212 fan 2 -> 2 waits 7220 settling = 2.2 settling 7220..7237, owed 2
        7213 composed 2.1 still there? -> nothing
        7220 wake -> compose 2.2
        7221 composed 2.2 oh hi -> read 2.2
        7222 read 2.2 newest 7212 -> send 2.2 oh hi
        7223 sent 2.2 101 -> 2 replied 2, sent 101
    ";
    let scene = becomes(attentive(), written, "due at 14423");
    assert_eq!(scene.conversation.nudged_at, None, "it was an answer");
}

#[test]
fn a_fan_whose_message_shows_in_the_last_look_is_answered_in_its_place() {
    becomes(
        attentive(),
        "
        7211 wake
        7212 composed 2.1 still there? -> read 2.1
        7213 fan 2 -> 2 waits 7221 settling
        7213 read 2.1 newest 7213 -> nothing = 2.2 settling 7221..7238, owed 2
        ",
        "none: the fan wrote or paid",
    );
}

#[test]
fn a_fan_who_writes_while_it_is_on_its_way_is_answered_after_it() {
    becomes(
        attentive(),
        "
        7211 wake
        7212 composed 2.1 still there?
        7213 read 2.1 newest 11 -> send 2.1 still there?
        7214 fan 2 -> 2 waits 7258 settling
        7215 sent 2.1 101 -> 2 waits 7222 settling, sent 101 = 3.1 settling 7222..7239, owed 2
        ",
        "sent 101",
    );
    // It did not go out, and what the fan wrote makes an answer of it.
    becomes(
        attentive(),
        "
        7211 wake
        7212 composed 2.1 still there?
        7213 read 2.1 newest 11 -> send 2.1 still there?
        7214 fan 2
        7215 not_sent 2.1 -> compose 2.2, 2 waits 7215 retrying = 2.2 composing, owed 2
        ",
        "none: the fan wrote or paid",
    );
}

#[test]
fn a_fan_who_wrote_what_gets_no_answer_is_not_silent_either() {
    let scene = check(
        attentive(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 read 1.1 newest 0 -> send 1.1 hi
        11 opt_out
        12 fan 2 -> 2 opted out
        13 opt_in
        14 sent 1.1 100 -> 1 replied 1, sent 100
        9999 wake -> nothing = idle
        ",
    );
    let state = scene.conversation.follow_up.unwrap().state;
    assert_eq!(state.to_string(), "none: the fan wrote or paid");
}

#[test]
fn one_that_did_not_go_out_is_tried_again_and_one_that_may_have_is_searched_for() {
    becomes(
        attentive(),
        "
        7211 wake
        7212 composed 2.1 still there?
        7213 read 2.1 newest 11 -> send 2.1 still there?
        7214 not_sent 2.1 -> read 2.2 = 2.2 pacing 7214
        7215 read 2.2 newest 11 -> send 2.2 still there?
        7216 unclear 2.2 -> nothing = 2.2 reconciling 7217 x0
        7217 wake -> find 2.2
        7217 creator 101 says still there? -> sent 101 = idle
        ",
        "sent 101",
    );
}

#[test]
fn a_human_who_writes_ends_the_silence() {
    becomes(
        attentive(),
        "20 creator 101 says I am here",
        "none: a human has the chat",
    );
    becomes(
        attentive(),
        "
        7211 wake -> compose 2.1
        7212 creator 101 says I am here -> nothing = paused 10812
        ",
        "none: a human has the chat",
    );
}

#[test]
fn a_pause_holds_it_until_it_is_over() {
    becomes(
        attentive(),
        "
        20 pause 9000
        7211 wake -> nothing = paused 9000
        9000 wake -> compose 2.1 = 2.1 composing
        ",
        "turn 2 sees to it",
    );
}

#[test]
fn a_fan_who_said_goodbye_is_not_nudged() {
    let said = |script: &str, expected: &str| {
        let scene = check(attentive(), script);
        let state = &scene.conversation.follow_up.unwrap().state;
        assert_eq!(state.to_string(), expected);
    };
    said(
        "
        0 fan 1
        0 noticed 1 farewell
        8 wake
        9 composed 1.1 bye
        10 read 1.1 newest 0
        11 sent 1.1 100
        9999 wake -> nothing
        ",
        "none: the fan had said goodbye",
    );
    // A last word after the goodbye makes it none the less.
    said(
        "
        0 fan 1
        0 noticed 1 farewell
        8 wake
        9 composed 1.1 bye
        10 read 1.1 newest 0
        11 sent 1.1 100
        60 fan 2
        68 wake
        69 composed 2.1 kiss
        70 read 2.1 newest 60
        71 sent 2.1 101
        ",
        "none: the fan had said goodbye",
    );
    // Who comes back another day has not said goodbye to that.
    said(
        "
        0 fan 1
        0 noticed 1 farewell
        8 wake
        9 composed 1.1 bye
        10 read 1.1 newest 0
        11 sent 1.1 100
        50000 fan 2
        50008 wake
        50009 composed 2.1 hey
        50010 read 2.1 newest 50000
        50011 sent 2.1 101
        ",
        "due at 1970-01-01T15:53:31Z",
    );
}

#[test]
fn a_fan_who_never_wrote_is_not_nudged() {
    let scene = check(
        attentive(),
        "
        1000 deliver 7 hi
        1001 read 1.1
        1002 sent 1.1 9 -> sent 9 = idle
        999999 wake -> nothing
        ",
    );
    let state = scene.conversation.follow_up.unwrap().state;
    assert_eq!(state.to_string(), "none: the fan never wrote");
}

#[test]
fn a_broadcast_puts_it_off() {
    becomes(
        attentive(),
        "
        7000 deliver 7 look at this
        7001 read 2.1
        7002 sent 2.1 9 -> sent 9 = idle
        7211 wake -> nothing = idle
        14202 wake -> compose 3.1
        ",
        "turn 3 sees to it",
    );
}

#[test]
fn what_forbids_a_reply_forbids_it() {
    for (script, expected) in [
        ("20 opt_out", "none: the fan opted out"),
        (
            "
            20 inactive
            21 wake
            ",
            "none: blocked: the creator is not active",
        ),
        (
            "
            20 mode off
            21 wake
            ",
            "none: blocked: the mode is off",
        ),
        (
            "
            7211 wake -> compose 2.1
            7212 opt_out -> nothing = idle
            ",
            "none: the fan opted out",
        ),
        (
            "
            7210 dry run
            7211 wake -> compose 2.1
            7212 composed 2.1 hey -> nothing = idle
            ",
            "none: blocked: dry run, the reply was not sent",
        ),
        (
            "
            7211 wake
            7212 composed 2.1 hey
            7213 read 2.1
            7214 refused 2.1 -> nothing = idle
            ",
            "none: blocked: Fanvue says that the fan cannot be written to",
        ),
        (
            "
            7211 wake
            7212 give_up it is broken -> nothing = idle
            ",
            "none: failed: it is broken",
        ),
        (
            "
            7211 wake
            7212 unusable 2.1 empty -> compose 2.2 anew: empty
            7213 unusable 2.2 empty -> nothing = idle
            ",
            "none: the model wrote nothing that may be sent: empty",
        ),
    ] {
        let scene = becomes(attentive(), script, expected);
        assert_eq!(scene.conversation.wake_at(), None, "{script}");
    }
}

#[test]
fn what_the_fans_words_stopped_stops_it() {
    becomes(
        attentive(),
        "
        20 fan 2
        20 noticed 2 minor
        ",
        "none: the fan wrote or paid",
    );
}

#[test]
fn in_draft_mode_an_operator_decides_on_it() {
    let drafts = || with(|settings| nudges(settings.mode(Mode::Draft).pace(Pace::Immediate)));
    let replied = "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        9 approve 1.1
        10 read 1.1 newest 0
        11 sent 1.1 100 -> 1 replied 1, sent 100
        7211 wake -> compose 2.1
        7212 composed 2.1 still there? -> nothing = 2.1 awaiting approval 93612
    ";
    for (script, expected) in [
        (
            "
            7300 approve 2.1 -> read 2.1
            7301 read 2.1 newest 11 -> send 2.1 still there?
            7302 sent 2.1 101 -> sent 101
            ",
            "sent as message 00000000-0000-0000-0000-000000000065",
        ),
        (
            "7300 reject 2.1 too soon -> nothing = idle",
            "none: blocked: an operator rejected the draft",
        ),
        (
            "93612 wake -> nothing = idle",
            "none: blocked: nobody decided on the draft in time",
        ),
        (
            "7300 fan 2 -> 2 waits 7308 settling",
            "none: the fan wrote or paid",
        ),
        (
            "7300 regenerate 2.1 warmer -> compose 2.2 as wished: warmer",
            "turn 2 sees to it",
        ),
    ] {
        let scene = check(drafts(), &format!("{replied}{script}"));
        let state = scene.conversation.follow_up.unwrap().state;
        assert_eq!(state.to_string(), expected);
    }
}

#[test]
fn it_waits_for_the_end_of_quiet_hours_and_of_a_stop() {
    let mut sleeps = attentive();
    sleeps.settings.quiet_hours =
        QuietHours::in_zone("UTC").daily("02:00".parse().unwrap(), "03:00".parse().unwrap());
    becomes(
        sleeps,
        "
        7211 wake -> nothing = 2.1 composing, held 7211..11384 quiethours
        11384 wake -> compose 2.1
        ",
        "turn 2 sees to it",
    );
    becomes(
        attentive(),
        "
        7000 stop
        7211 wake -> nothing = 2.1 composing, held 7211..8111 stopped
        8000 go on
        8001 wake -> compose 2.1
        ",
        "turn 2 sees to it",
    );
}

#[test]
fn there_is_one_in_so_many_days_at_most() {
    let again = |at: i64| {
        format!(
            "
            7211 wake
            7212 composed 2.1 still there?
            7213 read 2.1 newest 11
            7214 sent 2.1 101
            {} fan 2
            {} wake
            {} composed 3.1 hey
            {} read 3.1
            {at} sent 3.1 102 -> 2 replied 3, sent 102
            {} wake
            ",
            at - 12,
            at - 4,
            at - 3,
            at - 2,
            at + 7_200,
        )
    };
    let too_soon = "none: there was one too short a time before";
    becomes(attentive(), &again(10_000), too_soon);
    becomes(attentive(), &again(7_214 + 86_400 - 7_201), too_soon);
    becomes(
        attentive(),
        &again(7_214 + 86_400 - 7_200),
        "turn 4 sees to it",
    );
}

#[test]
fn one_that_could_not_go_out_for_days_does_not_go_out_at_all() {
    let late = "none: it could not be sent in time";
    // Nobody was there.
    becomes(attentive(), "266412 wake -> nothing = idle", late);
    // The account was not connected.
    becomes(
        attentive(),
        "
        7211 wake -> compose 2.1
        7212 park not_connected -> nothing = 2.1 composing, held 7212..7272 notconnected
        266400 wake -> compose 2.1
        266401 park not_connected
        266412 wake -> nothing = idle
        ",
        late,
    );
}
