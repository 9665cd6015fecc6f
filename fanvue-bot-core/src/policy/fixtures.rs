//! The phrases of the fixtures, one file for each detector and language.
//!
//! A line is a sign or none, `+` or `-`, and a text. Those in `blind` were written before the rules and held
//! back; those in `fresh` were written when the rules passed all others, to see what people say that the
//! rules do not know. What each set said at the first try stands in `docs/guides/policy.md`.

use super::{Detector, DraftCheck, PhraseCheck, Phrases, Signal, Signals};

macro_rules! fixtures {
    ($($of:expr => $name:literal;)+) => {
        [$(
            ($of, concat!($name, ".en"), include_str!(concat!("fixtures/", $name, ".en.txt"))),
            ($of, concat!($name, ".de"), include_str!(concat!("fixtures/", $name, ".de.txt"))),
            ($of, concat!("fresh/", $name, ".en"), include_str!(concat!("fixtures/fresh/", $name, ".en.txt"))),
            ($of, concat!("fresh/", $name, ".de"), include_str!(concat!("fixtures/fresh/", $name, ".de.txt"))),
            ($of, concat!("blind/", $name, ".en"), include_str!(concat!("fixtures/blind/", $name, ".en.txt"))),
            ($of, concat!("blind/", $name, ".de"), include_str!(concat!("fixtures/blind/", $name, ".de.txt"))),
        )+]
    };
}

/// What a text is a sign of.
#[derive(Debug, Clone, Copy)]
enum Of {
    Fan(Signal),
    Draft,
}

impl Of {
    fn is_in(self, text: &str) -> bool {
        match self {
            Self::Fan(signal) => Phrases::all().signals(text).contains(signal),
            // Any violation holds a draft back, whichever is found first.
            Self::Draft => PhraseCheck.violation(text).is_some(),
        }
    }
}

const FILES: [(Of, &str, &str); 66] = fixtures! {
    Of::Fan(Signal::BotQuestion) => "bot_question";
    Of::Fan(Signal::Minor) => "minor";
    Of::Fan(Signal::Crisis) => "crisis";
    Of::Fan(Signal::OptOut) => "opt_out";
    Of::Fan(Signal::Resume) => "resume";
    Of::Fan(Signal::Farewell) => "farewell";
    Of::Fan(Signal::Upset) => "upset";
    Of::Draft => "draft_contact";
    Of::Draft => "draft_payment";
    Of::Draft => "draft_meeting";
    Of::Draft => "draft_denial";
};

#[test]
fn every_phrase_is_read_as_it_is_meant() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for (of, name, text) in FILES {
        for line in text.lines() {
            let (expected, phrase) = match line.split_at(2) {
                ("+ ", phrase) => (true, phrase),
                ("- ", phrase) => (false, phrase),
                _ => panic!("{name}: a line begins with `+ ` or `- `: {line}"),
            };
            count += 1;
            if of.is_in(phrase) != expected {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(count >= 700, "{count}");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What fans and creators write all day: nothing in it stops a conversation or holds a reply back.
const EVERYDAY: [&str; 2] = [
    include_str!("fixtures/everyday.en.txt"),
    include_str!("fixtures/everyday.de.txt"),
];

#[test]
fn everyday_talk_is_a_sign_of_nothing() {
    let phrases = Phrases::all();
    let mut wrong = Vec::new();
    for phrase in EVERYDAY.iter().flat_map(|text| text.lines()) {
        let signals = phrases.signals(phrase);
        let violation = PhraseCheck.violation(phrase);
        if signals != Signals::default() || violation.is_some() {
            wrong.push(format!("{phrase}: {signals:?}, {violation:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
