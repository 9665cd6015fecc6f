//! Patterns over words, so that a list of phrases can be read and mended by whoever speaks the language.
//!
//! | Written | Is |
//! | --- | --- |
//! | `word` | this word; from five letters on, also with two neighbors swapped |
//! | `word*` | a word that begins so |
//! | `a\|b\|c*` | one of these |
//! | `?a\|b` | one of these, or nothing |
//! | `_` | any word |
//! | `~`, `~~` | any words: at most three, at most seven |
//! | `!a\|b` | neither of these follows |
//! | `{minor}` | a number from 9 to 17, in digits or words |
//! | `^`, `$` | the beginning, the end of the sentence |
//! | `<<`, `>>` | the beginning, the end of the whole message, in which no face laughs or winks |
//! | `[?]` | the sentence is a question |

use super::words::{Sentence, Word, Words};

/// Phrases that are a sign of something, and what in the same sentence means that they are not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) any: &'static [&'static str],
    pub(super) unless: &'static [&'static str],
}

/// A [`Rule`], read once.
#[derive(Debug)]
pub(super) struct Compiled {
    any: Vec<Vec<Element>>,
    unless: Vec<Vec<Element>>,
}

impl Compiled {
    /// One rule for all languages: what speaks against it in one holds for a phrase of another, too.
    pub(super) fn new(rules: impl Iterator<Item = Rule> + Clone) -> Self {
        let read =
            |patterns: &'static [&'static str]| patterns.iter().map(|pattern| parse(pattern));
        Self {
            any: rules.clone().flat_map(|rule| read(rule.any)).collect(),
            unless: rules.flat_map(|rule| read(rule.unless)).collect(),
        }
    }

    pub(super) fn is_in(&self, words: &Words) -> bool {
        let last = words.sentences.len().saturating_sub(1);
        words.sentences.iter().enumerate().any(|(index, sentence)| {
            let place = Place {
                sentence,
                is_alone: index == 0 && last == 0 && !words.is_playful,
            };
            let found = |patterns: &[Vec<Element>]| patterns.iter().any(|p| place.has(p));
            found(&self.any) && !found(&self.unless)
        })
    }
}

#[derive(Debug)]
enum Element {
    One(Vec<Choice>),
    Maybe(Vec<Choice>),
    None(Vec<Choice>),
    Gap(usize),
    Any,
    Begin,
    End,
    Alone,
    AloneEnd,
    Question,
}

#[derive(Debug)]
enum Choice {
    Word(&'static str),
    Prefix(&'static str),
    Minor,
}

fn parse(pattern: &'static str) -> Vec<Element> {
    pattern
        .split(' ')
        .map(|element| match element {
            "~" => Element::Gap(3),
            "~~" => Element::Gap(7),
            "_" => Element::Any,
            "^" => Element::Begin,
            "$" => Element::End,
            "<<" => Element::Alone,
            ">>" => Element::AloneEnd,
            "[?]" => Element::Question,
            _ => {
                if let Some(choices) = element.strip_prefix('?') {
                    Element::Maybe(parse_choices(choices))
                } else if let Some(choices) = element.strip_prefix('!') {
                    Element::None(parse_choices(choices))
                } else {
                    Element::One(parse_choices(element))
                }
            }
        })
        .collect()
}

fn parse_choices(choices: &'static str) -> Vec<Choice> {
    choices
        .split('|')
        .map(|choice| match choice.strip_suffix('*') {
            Some(prefix) => Choice::Prefix(prefix),
            None if choice == "{minor}" => Choice::Minor,
            None => Choice::Word(choice),
        })
        .collect()
}

/// A sentence in which a pattern is looked for.
struct Place<'a> {
    sentence: &'a Sentence,
    is_alone: bool,
}

impl Place<'_> {
    fn has(&self, pattern: &[Element]) -> bool {
        (0..self.sentence.words.len()).any(|at| self.follows(at, pattern))
    }

    /// Whether `pattern` stands at `at`.
    fn follows(&self, at: usize, pattern: &[Element]) -> bool {
        let Some((first, rest)) = pattern.split_first() else {
            return true;
        };
        let words = &self.sentence.words;
        let word = words.get(at);
        let is = |choices: &[Choice]| word.is_some_and(|word| choices.iter().any(|c| c.is(word)));
        match first {
            Element::One(choices) => is(choices) && self.follows(at + 1, rest),
            Element::Maybe(choices) => {
                is(choices) && self.follows(at + 1, rest) || self.follows(at, rest)
            }
            Element::None(choices) => !is(choices) && self.follows(at, rest),
            Element::Any => word.is_some() && self.follows(at + 1, rest),
            Element::Gap(most) => {
                (at..=(at + most).min(words.len())).any(|at| self.follows(at, rest))
            }
            Element::Begin => at == 0 && self.follows(at, rest),
            Element::End => at == words.len() && self.follows(at, rest),
            Element::Alone => at == 0 && self.is_alone && self.follows(at, rest),
            Element::AloneEnd => at == words.len() && self.is_alone && self.follows(at, rest),
            Element::Question => self.sentence.is_question && self.follows(at, rest),
        }
    }
}

impl Choice {
    fn is(&self, word: &Word) -> bool {
        match self {
            Self::Word(expected) => word
                .forms()
                .iter()
                .any(|form| form == expected || is_swapped(form, expected)),
            Self::Prefix(prefix) => word.forms().iter().any(|form| form.starts_with(prefix)),
            Self::Minor => {
                word.number().is_some_and(|n| (9..=17).contains(&n))
                    || word
                        .forms()
                        .iter()
                        .any(|form| MINOR.contains(&form.as_str()))
            }
        }
    }
}

const MINOR: &[&str] = &[
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "zehn",
    "elf",
    "zwoelf",
    "dreizehn",
    "vierzehn",
    "fuenfzehn",
    "sechzehn",
    "siebzehn",
];

/// Whether two neighbors are swapped, as fast fingers do.
fn is_swapped(form: &str, expected: &str) -> bool {
    let (a, b) = (form.as_bytes(), expected.as_bytes());
    if a.len() != b.len() || a.len() < 5 {
        return false;
    }
    let Some(at) = a.iter().zip(b).position(|(a, b)| a != b) else {
        return false;
    };
    at + 1 < a.len() && a[at] == b[at + 1] && a[at + 1] == b[at] && a[at + 2..] == b[at + 2..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &'static str, yes: &[&str], no: &[&str]) {
        let pattern = parse(pattern);
        let rule = Compiled {
            any: vec![pattern],
            unless: Vec::new(),
        };
        for text in yes {
            assert!(rule.is_in(&Words::of(text)), "{text}");
        }
        for text in no {
            assert!(!rule.is_in(&Words::of(text)), "{text}");
        }
    }

    #[test]
    fn words_prefixes_and_choices() {
        check(
            "a bot|robot*",
            &["are you a robotic thing", "a bot"],
            &["a bottle", "bot a"],
        );
        check(
            "write me",
            &["wriet me", "WRITE me!"],
            &["wrte me", "write. me"],
        );
    }

    #[test]
    fn what_may_stand_between() {
        check(
            "are ?really you",
            &["are really you", "are you"],
            &["are not you"],
        );
        check(
            "on ~ off",
            &["on off", "on 1 2 3 off"],
            &["on 1 2 3 4 off", "on. off"],
        );
        check("on _ off", &["on 1 off"], &["on off"]);
        check("on !off", &["on", "on it"], &["on off"]);
    }

    #[test]
    fn beginnings_ends_and_questions() {
        check("^ on", &["on it", "so. on it"], &["it on"]);
        check("on $", &["it on", "on. it"], &["on it"]);
        check(
            "<< stop >>",
            &["STOP!!"],
            &["stop. now", "stop 😂", "now stop"],
        );
        check("on [?]", &["on it?"], &["on it", "on. it?"]);
        check(
            "im {minor}",
            &["im 16", "im sixteen"],
            &["im 18", "im 16.5"],
        );
    }

    #[test]
    fn what_speaks_against_it_counts_within_the_sentence() {
        let rule = Rule {
            any: &["bot"],
            unless: &["not"],
        };
        let rule = Compiled::new(std::iter::once(rule));
        assert!(rule.is_in(&Words::of("not me. a bot")));
        assert!(!rule.is_in(&Words::of("not a bot")));
    }
}
