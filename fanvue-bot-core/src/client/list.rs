//! Lists of fans: those that Fanvue keeps by itself, and the creator's own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::ListId;

/// A list of fans at Fanvue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the API knows exactly these two kinds"
)]
pub enum FanList {
    /// One that Fanvue keeps by itself.
    Smart(SmartList),
    /// One that the creator keeps.
    Custom(ListId),
}

/// A list that Fanvue keeps by itself, named by a fixed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum SmartList {
    /// Running subscriptions.
    Subscribers,
    /// Running subscriptions that renew themselves.
    AutoRenewing,
    /// Running subscriptions that do not.
    NonRenewing,
    /// Followers without a running subscription.
    Followers,
    /// Running subscriptions that cost nothing.
    FreeTrialSubscribers,
    /// Former subscribers.
    ExpiredSubscribers,
    /// Fans who have spent more than 50 dollars.
    SpentMoreThan50,
    /// Muted chats; only below `/v1`.
    Muted,
    /// Fans who are creators too; only below `/v1`.
    Creators,
}

impl SmartList {
    /// All, in Fanvue's order.
    pub const ALL: [Self; 9] = [
        Self::Subscribers,
        Self::AutoRenewing,
        Self::NonRenewing,
        Self::Followers,
        Self::FreeTrialSubscribers,
        Self::ExpiredSubscribers,
        Self::SpentMoreThan50,
        Self::Muted,
        Self::Creators,
    ];

    /// Fanvue's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribers => "subscribers",
            Self::AutoRenewing => "auto_renewing",
            Self::NonRenewing => "non_renewing",
            Self::Followers => "followers",
            Self::FreeTrialSubscribers => "free_trial_subscribers",
            Self::ExpiredSubscribers => "expired_subscribers",
            Self::SpentMoreThan50 => "spent_more_than_50",
            Self::Muted => "muted",
            Self::Creators => "creators",
        }
    }
}

impl fmt::Display for SmartList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word names no smart list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no smart list of this name; the nearest is {nearest}")]
#[non_exhaustive]
pub struct UnknownSmartList {
    /// The list whose word is most like it.
    pub nearest: SmartList,
}

impl FromStr for SmartList {
    type Err = UnknownSmartList;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        // A part of a list's word means that list, however much is left out.
        let is_part = |list: Self| !word.is_empty() && list.as_str().contains(word);
        let distance = |list: Self| (!is_part(list), edits(word, list.as_str()));
        let nearest = Self::ALL
            .into_iter()
            .min_by_key(|list| distance(*list))
            .unwrap_or(Self::Subscribers);
        if nearest.as_str() == word {
            Ok(nearest)
        } else {
            Err(UnknownSmartList { nearest })
        }
    }
}

impl TryFrom<String> for SmartList {
    type Error = UnknownSmartList;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

impl From<SmartList> for String {
    fn from(list: SmartList) -> Self {
        list.as_str().to_owned()
    }
}

/// How many characters of one word have to be added, dropped or replaced to make the other.
///
/// Words that are longer than any list's count by their beginning.
fn edits(a: &str, b: &str) -> usize {
    const LONGEST: usize = 40;
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(LONGEST).collect(),
        b.chars().take(LONGEST).collect(),
    );
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = before + usize::from(from != to);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A list that the creator keeps, as Fanvue lists it. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct CustomList {
    /// Its id.
    pub id: ListId,
    /// The creator's name for it.
    pub name: String,
    /// How many fans are in it, if told.
    pub members: Option<u64>,
}

impl fmt::Debug for CustomList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomList")
            .field("id", &self.id)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smart_list_reads_back_by_its_word() {
        for list in SmartList::ALL {
            assert_eq!(list.as_str().parse(), Ok(list));
            let json = serde_json::to_string(&FanList::Smart(list)).unwrap();
            assert_eq!(json, format!(r#"{{"smart":"{list}"}}"#));
            assert_eq!(
                serde_json::from_str::<FanList>(&json).unwrap(),
                FanList::Smart(list)
            );
        }
    }

    #[test]
    fn a_misspelt_word_is_refused_with_the_nearest() {
        fn check(word: &str, nearest: SmartList) {
            assert_eq!(word.parse::<SmartList>(), Err(UnknownSmartList { nearest }));
        }
        check("subscriber", SmartList::Subscribers);
        check("Followers", SmartList::Followers);
        check("autorenewing", SmartList::AutoRenewing);
        check("expired", SmartList::ExpiredSubscribers);
        check(&"followers".repeat(1_000), SmartList::Followers);
    }
}
