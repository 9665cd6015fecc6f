//! What people say, language by language.
//!
//! A language is one file. All of them are read for every text, since people mix languages and a text of
//! three words belongs to none.

mod de;
mod en;

use super::pattern::Rule;

/// What is looked for in one language.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) bot_question: Rule,
    pub(super) minor: Rule,
    pub(super) crisis: Rule,
    pub(super) opt_out: Rule,
    pub(super) resume: Rule,
    pub(super) farewell: Rule,
    pub(super) upset: Rule,
    pub(super) contact: Rule,
    pub(super) payment: Rule,
    pub(super) meeting: Rule,
    pub(super) denial: Rule,
    /// The names of the digits from 0 to 9.
    pub(super) digits: [&'static str; 10],
}

pub(super) const ALL: &[Language] = &[en::LANGUAGE, de::LANGUAGE];
