//! Outcomes that no longer fit.

use super::*;

/// A script for each phase, and the state it ends in.
const PHASES: &[&str] = &[
    "",
    "105 fan 1",
    "100 fan 1
     108 wake",
    "100 fan 1
     108 wake
     108 composed 1.1 hi",
    "100 fan 1
     108 wake
     108 composed 1.1 hi
     108 read 1.1",
    "100 fan 1
     108 wake
     108 composed 1.1 hi
     108 read 1.1
     108 unclear 1.1",
    "100 fan 1
     108 wake
     108 composed 1.1 hi
     108 read 1.1
     108 sent 1.1 9",
];

#[test]
fn an_outcome_of_another_draft_changes_nothing_in_any_phase() {
    for creator in [auto(), draft()] {
        for phase in PHASES {
            for draft in ["1.0", "1.9", "0.1", "2.1"] {
                for stale in [
                    format!("composed {draft} old"),
                    format!("unusable {draft} old"),
                    format!("read {draft} newest 0"),
                    format!("sent {draft} 7"),
                    format!("not_sent {draft}"),
                    format!("refused {draft}"),
                    format!("unclear {draft}"),
                    format!("not_found {draft}"),
                    format!("approve {draft}"),
                    format!("reject {draft}"),
                    "deleted 77".to_owned(),
                    "fetched 77".to_owned(),
                ] {
                    unchanged(creator.clone(), phase, &stale);
                }
            }
        }
    }
}

#[test]
fn an_outcome_that_does_not_fit_the_phase_changes_nothing() {
    // Of each phase, what is not waited for in it.
    for (phase, unfit) in [
        (
            0,
            "composed read sent not_sent refused unclear not_found approve reject",
        ),
        (
            1,
            "composed read sent not_sent refused unclear not_found approve reject",
        ),
        (
            2,
            "read sent not_sent refused unclear not_found approve reject",
        ),
        (
            3,
            "composed unusable sent not_sent refused unclear not_found approve reject",
        ),
        (4, "composed unusable read not_found approve reject"),
        (5, "composed unusable read unclear approve reject"),
        (
            6,
            "composed unusable read sent not_sent refused unclear not_found approve reject",
        ),
    ] {
        for verb in unfit.split(' ') {
            let tail = match verb {
                "composed" | "unusable" => " old",
                "sent" => " 7",
                _ => "",
            };
            unchanged(auto(), PHASES[phase], &format!("{verb} 1.1{tail}"));
        }
    }
}

#[track_caller]
fn unchanged(creator: Creator, phase: &str, stale: &str) {
    let mut scene = Scene {
        ceiling: Ceiling::none(),
        creator,
        conversation: nobody_wrote(),
    };
    for line in phase.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (now, happens) = line.split_once(' ').unwrap();
        let now = seconds(now.parse().unwrap());
        let _ = scene.step(now, input(happens, now));
    }
    let now = seconds(108);
    let before = scene.step(now, Input::Wake);
    let after = scene.step(now, input(stale, now));
    assert_eq!(after.next, before.next, "{stale} after {phase}");
    assert_eq!(after.effect, before.effect, "{stale} after {phase}");
    assert!(
        after.decisions.is_empty() && after.sent.is_none(),
        "{stale} after {phase}"
    );
}
