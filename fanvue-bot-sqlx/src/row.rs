//! Rows as plain structs, between the domain and any SQL dialect.
//!
//! A row holds what a column holds: integers, text, bytes. Back ends bind and read these; none of them
//! knows how a domain type is written.

mod broadcast;
mod conversation;
mod creator;
mod fan;
mod job;
mod message;
mod transaction;

use std::fmt;

use fanvue_bot_core::queue::QueueError;
use fanvue_bot_core::store::StoreError;

pub(crate) use self::broadcast::{BroadcastRow, standing};
pub(crate) use self::conversation::ConversationRow;
pub(crate) use self::creator::CreatorRow;
pub(crate) use self::fan::FanRow;
pub(crate) use self::job::{
    JobRow, SET_ASIDE, SET_ASIDE_ATTEMPTS, StandingRow, keys_of_lane, kind_from_json,
};
pub(crate) use self::message::{ContentRow, DecisionRow, MessageRow};
pub(crate) use self::transaction::TransactionRow;

/// A stored field that does not read back. Names the field and never shows what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CorruptField {
    pub(crate) table: &'static str,
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
}

impl CorruptField {
    pub(crate) const fn new(
        table: &'static str,
        field: &'static str,
        expected: &'static str,
    ) -> Self {
        Self {
            table,
            field,
            expected,
        }
    }
}

impl fmt::Display for CorruptField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} is not {}", self.table, self.field, self.expected)
    }
}

impl From<CorruptField> for StoreError {
    fn from(field: CorruptField) -> Self {
        Self::Corrupt {
            reason: field.to_string(),
        }
    }
}

impl From<CorruptField> for QueueError {
    fn from(field: CorruptField) -> Self {
        Self::Corrupt {
            reason: field.to_string(),
        }
    }
}

/// A value that no column can hold; nothing of the kind is written.
pub(crate) fn rejected(field: &str, why: &str) -> StoreError {
    StoreError::Rejected {
        reason: format!("{field} {why}"),
    }
}
