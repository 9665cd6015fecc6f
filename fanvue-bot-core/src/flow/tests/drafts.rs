//! The life of a draft that waits for an operator.

use super::*;

/// Plays `script` in draft mode and compares what is remembered of the drafts then, the oldest first: the text
/// as written, an arrow and the text as edited, and what became of it.
#[track_caller]
fn check_drafts(script: &str, drafts: &[&str]) {
    let scene = check(draft(), script);
    let remembered: Vec<String> = scene
        .conversation
        .drafts
        .iter()
        .map(shown_remembered)
        .collect();
    assert_eq!(remembered, drafts, "{script}");
}

fn shown_remembered(draft: &Draft) -> String {
    let edited = draft
        .edited
        .as_ref()
        .map_or(String::new(), |edited| format!(" -> {}", edited.text()));
    let id = shown_draft(draft.id());
    let state = match &draft.state {
        DraftState::Rejected { reason: Some(note) } => format!("rejected: {}", note.as_str()),
        DraftState::Sent { message } => format!("sent {}", shown_id(*message)),
        state => state.as_str().to_owned(),
    };
    let at = draft.changed_at.as_seconds();
    format!("{id} {}{edited} | {state} at {at}", draft.written.text())
}

/// A draft that waits.
const WAITS: &str = "
    0 fan 1
    8 wake
    9 composed 1.1 hi";

/// `lines` after a draft began to wait.
fn then(lines: &str) -> String {
    format!("{WAITS}\n{lines}")
}

#[test]
fn a_draft_waits_is_approved_and_is_sent() {
    check_drafts(WAITS, &["1.1 hi | pending at 9"]);
    check_drafts(&then("10 approve 1.1"), &["1.1 hi | approved at 10"]);
    check_drafts(
        &then(
            "10 approve 1.1
            10 read 1.1
            11 sent 1.1 9",
        ),
        &["1.1 hi | sent 9 at 11"],
    );
}

#[test]
fn an_edit_is_kept_beside_what_the_model_wrote() {
    check_drafts(
        &then("10 edit 1.1 hello -> nothing = 1.1 awaiting approval 86409, owed 1"),
        &["1.1 hi -> hello | edited at 10"],
    );
    check_drafts(
        &then(
            "10 edit 1.1 hello
            11 edit 1.1 hello
            12 approve 1.1
            12 read 1.1 -> send 1.1 hello
            13 sent 1.1 9",
        ),
        &["1.1 hi -> hello | sent 9 at 13"],
    );
    check_drafts(
        &then("10 approve 1.1 hello"),
        &["1.1 hi -> hello | approved at 10"],
    );
}

#[test]
fn a_rejection_keeps_its_reason() {
    check_drafts(
        &then("10 reject 1.1 too long -> 1 blocked rejected = idle"),
        &["1.1 hi | rejected: too long at 10"],
    );
    check_drafts(&then("10 reject 1.1"), &["1.1 hi | rejected at 10"]);
}

#[test]
fn a_draft_that_nobody_decides_on_expires() {
    check_drafts(
        &then(
            "86408 wake -> nothing
            86409 wake -> 1 blocked draftexpired = idle
            86410 approve 1.1 -> too late: nobody decided on it in time
            86411 fan 2 -> 2 waits 86419 settling",
        ),
        &["1.1 hi | expired at 86409"],
    );
    // Also if the operator is faster than the wake-up.
    check_drafts(
        &then(
            "86409 approve 1.1 -> 1 blocked draftexpired, too late: nobody decided on it in time",
        ),
        &["1.1 hi | expired at 86409"],
    );
}

#[test]
fn whatever_takes_the_chat_on_supersedes_a_draft_before_and_after_its_approval() {
    for approved in ["", "10 approve 1.1"] {
        for happens in [
            "11 fan 2",
            "11 creator 5 says hello",
            "11 pause 500",
            "11 opt_out",
            "11 deleted 1",
        ] {
            check_drafts(
                &then(&format!("{approved}\n{happens}")),
                &["1.1 hi | superseded at 11"],
            );
        }
    }
    check_drafts(
        &then(
            "10 approve 1.1
            10 read 1.1
            11 fan 2
            12 not_sent 1.1",
        ),
        &["1.1 hi | superseded at 12"],
    );
}

#[test]
fn a_draft_that_is_tried_again_stays_the_one_that_was_approved() {
    check_drafts(
        &then(
            "10 approve 1.1
            10 read 1.1
            11 not_sent 1.1
            11 read 1.2
            12 unclear 1.2
            13 sent 1.2 9",
        ),
        &["1.2 hi | sent 9 at 13"],
    );
}

#[test]
fn an_approved_draft_that_cannot_be_sent_has_failed() {
    check_drafts(
        &then(
            "10 approve 1.1
            10 read 1.1
            11 refused 1.1",
        ),
        &["1.1 hi | failed at 11"],
    );
    check_drafts(
        &then(
            "10 approve 1.1
            11 give_up broken",
        ),
        &["1.1 hi | failed at 11"],
    );
}

#[test]
fn another_draft_is_written_as_the_operator_wishes() {
    check_drafts(
        &then(
            "10 regenerate 1.1 be shorter -> compose 1.2 as wished: be shorter, 1 waits 10 composing
            11 unusable 1.2 bad -> compose 1.3 anew: bad
            12 composed 1.3 yo -> 1 awaits approval 1",
        ),
        &[
            "1.1 hi | rejected: be shorter at 10",
            "1.3 yo | pending at 12",
        ],
    );
    check_drafts(
        &then("10 regenerate 1.1 -> compose 1.2, 1 waits 10 composing"),
        &["1.1 hi | rejected at 10"],
    );
}

#[test]
fn what_an_operator_wished_holds_until_the_fan_writes_again() {
    check(
        draft(),
        &then(
            "10 fan 2
            18 wake
            19 composed 1.2 hello
            20 regenerate 1.2 be shorter
            21 deleted 2 -> compose 1.4 as wished: be shorter, 2 blocked deleted
            22 fan 3
            30 wake -> compose 1.5",
        ),
    );
}

#[test]
fn an_operator_is_told_why_nothing_came_of_it() {
    for verb in [
        "approve 1.1",
        "edit 1.1 hey",
        "reject 1.1",
        "regenerate 1.1",
    ] {
        let too_late = "too late: the chat went on without it";
        check(
            draft(),
            &then(&format!(
                "10 fan 2
                11 {verb} -> {too_late}"
            )),
        );
        check(
            draft(),
            &then(&format!(
                "10 creator 5 says hello
                11 {verb} -> {too_late}"
            )),
        );
        check(
            draft(),
            &then(&format!(
                "10 opt_out
                11 {verb} -> no reply may go out: the fan opted out"
            )),
        );
        check(
            draft(),
            &then(&format!(
                "10 mode off
                11 {verb} -> 1 blocked modeoff, no reply may go out: blocked: the mode is off"
            )),
        );
        check(
            draft(),
            &then(&format!(
                "10 {}",
                verb.replace("1.1", "1.2 -> there is no such draft")
                    .replace("draft hey", "draft")
            )),
        );
    }
    check(
        draft(),
        &then(
            "10 approve 1.1
            10 approve 1.1 -> read 1.1, too late: it is approved
            10 read 1.1
            10 reject 1.1 -> too late: it is approved
            11 sent 1.1 9
            12 reject 1.1 -> too late: it was sent",
        ),
    );
}

#[test]
fn the_latest_drafts_are_remembered_and_older_ones_make_room() {
    let mut script = String::new();
    for turn in 1..=13 {
        let at = turn * 100;
        script.push_str(&format!(
            "{at} fan {turn}
            {} wake
            {} composed {turn}.1 hi
            {} reject {turn}.1\n",
            at + 8,
            at + 9,
            at + 10,
        ));
    }
    let scene = check(draft(), &script);
    let turns: Vec<u64> = scene
        .conversation
        .drafts
        .iter()
        .map(|draft| draft.turn.number())
        .collect();
    assert_eq!(turns, (4..=13).collect::<Vec<_>>());
}
