//! Page cursors: where a page ended, bound to the list that it is from.

use std::fmt::Write as _;

use fanvue_bot_core::admin::{DecidedMessage, DecisionsOf};
use fanvue_bot_core::broadcast::Broadcast;
use fanvue_bot_core::id::{ConversationId, CreatorId};
use fanvue_bot_core::ledger::Transaction;
use fanvue_bot_core::message::Message;
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::queue::{OrderingKey, QueueError};
use fanvue_bot_core::secret::VaultError;
use fanvue_bot_core::store::{Due, StoreError};
use uuid::Uuid;

/// The last message of a page of a conversation's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageCursor {
    pub(crate) sent_at: i64,
    pub(crate) id: Uuid,
}

/// The last transaction of a page of a conversation's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransactionCursor {
    pub(crate) at: i64,
    pub(crate) id: Uuid,
}

/// The last conversation of a page of those that are due, of one creator or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DueCursor {
    pub(crate) wake_at: i64,
    pub(crate) creator: Uuid,
    pub(crate) fan: Uuid,
}

/// The last decision of a page of a list of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecisionCursor {
    pub(crate) decided_at: i64,
    pub(crate) fan: Uuid,
    pub(crate) id: Uuid,
}

/// The last broadcast of a page of a creator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BroadcastCursor {
    pub(crate) created_at: i64,
    pub(crate) id: Uuid,
}

/// The last job of a page of a lane's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobCursor {
    pub(crate) seq: i64,
}

/// The last secret of a page of those under other master keys; no owner is the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretCursor {
    pub(crate) owner: Option<Uuid>,
    pub(crate) kind: String,
}

impl MessageCursor {
    pub(crate) fn at(last: &Message) -> Self {
        Self {
            sent_at: last.sent_at.as_micros(),
            id: last.id.as_uuid(),
        }
    }

    pub(crate) fn encode(self, list: ConversationId) -> Cursor {
        encode("m1", mark_of_chat(list), self.sent_at, [self.id])
    }

    pub(crate) fn decode(cursor: &Cursor, list: ConversationId) -> Result<Self, StoreError> {
        let (sent_at, [id]) = decode(cursor, "m1", mark_of_chat(list))?;
        Ok(Self { sent_at, id })
    }
}

impl TransactionCursor {
    pub(crate) fn at(last: &Transaction) -> Self {
        Self {
            at: last.at.as_micros(),
            id: last.id.as_uuid(),
        }
    }

    pub(crate) fn encode(self, list: ConversationId) -> Cursor {
        encode("t1", mark_of_chat(list), self.at, [self.id])
    }

    pub(crate) fn decode(cursor: &Cursor, list: ConversationId) -> Result<Self, StoreError> {
        let (at, [id]) = decode(cursor, "t1", mark_of_chat(list))?;
        Ok(Self { at, id })
    }
}

impl DueCursor {
    pub(crate) fn at(last: &Due) -> Self {
        Self {
            wake_at: last.wake_at.as_micros(),
            creator: last.conversation.creator.as_uuid(),
            fan: last.conversation.fan.as_uuid(),
        }
    }

    pub(crate) fn encode(self, of: Option<CreatorId>) -> Cursor {
        encode(
            "d1",
            mark_of_due(of),
            self.wake_at,
            [self.creator, self.fan],
        )
    }

    pub(crate) fn decode(cursor: &Cursor, of: Option<CreatorId>) -> Result<Self, StoreError> {
        let (wake_at, [creator, fan]) = decode(cursor, "d1", mark_of_due(of))?;
        if of.is_some_and(|of| of.as_uuid() != creator) {
            return Err(StoreError::InvalidCursor);
        }
        Ok(Self {
            wake_at,
            creator,
            fan,
        })
    }
}

impl DecisionCursor {
    /// Before everything: no decision is at the end of time on the last of all messages.
    pub(crate) const FIRST: Self = Self {
        decided_at: i64::MAX,
        fan: Uuid::max(),
        id: Uuid::max(),
    };

    pub(crate) fn at(last: &DecidedMessage) -> Self {
        Self {
            decided_at: last.decision.at.as_micros(),
            fan: last.conversation.fan.as_uuid(),
            id: last.message.as_uuid(),
        }
    }

    pub(crate) fn encode(self, of: DecisionsOf) -> Cursor {
        let (kind, list) = mark_of_decisions(of);
        encode(kind, list, self.decided_at, [self.fan, self.id])
    }

    pub(crate) fn decode(cursor: &Cursor, of: DecisionsOf) -> Result<Self, StoreError> {
        let (kind, list) = mark_of_decisions(of);
        let (decided_at, [fan, id]) = decode(cursor, kind, list)?;
        Ok(Self {
            decided_at,
            fan,
            id,
        })
    }
}

impl BroadcastCursor {
    pub(crate) fn at(last: &Broadcast) -> Self {
        Self {
            created_at: last.created_at.as_micros(),
            id: last.id.as_uuid(),
        }
    }

    pub(crate) fn encode(self, creator: CreatorId) -> Cursor {
        encode("b1", mark(&[creator.as_uuid()]), self.created_at, [self.id])
    }

    /// Where a page begins; the first is after the end of time.
    pub(crate) fn of(page: &PageRequest, creator: CreatorId) -> Result<Self, StoreError> {
        let Some(cursor) = &page.after else {
            return Ok(Self {
                created_at: i64::MAX,
                id: Uuid::max(),
            });
        };
        let (created_at, [id]) = decode(cursor, "b1", mark(&[creator.as_uuid()]))?;
        Ok(Self { created_at, id })
    }
}

impl JobCursor {
    pub(crate) fn encode(self, lane: &OrderingKey) -> Cursor {
        encode(
            "j1",
            mark(&[lane.creator.as_uuid(), lane.lane]),
            self.seq,
            [],
        )
    }

    pub(crate) fn decode(cursor: &Cursor, lane: &OrderingKey) -> Result<Self, QueueError> {
        let list = mark(&[lane.creator.as_uuid(), lane.lane]);
        match decode::<0>(cursor, "j1", list) {
            Ok((seq, [])) => Ok(Self { seq }),
            Err(_) => Err(QueueError::InvalidCursor),
        }
    }
}

impl SecretCursor {
    pub(crate) fn encode(&self) -> Cursor {
        let owner = self.owner.unwrap_or_default();
        Cursor::new(format!("s1.{}.{}", owner.as_simple(), self.kind))
    }

    pub(crate) fn decode(cursor: &Cursor) -> Result<Self, VaultError> {
        let parse = || {
            let (owner, kind) = cursor.as_str().strip_prefix("s1.")?.split_once('.')?;
            let owner = Uuid::try_parse(owner).ok().filter(|_| owner.len() == 32)?;
            Some(Self {
                owner: Some(owner).filter(|owner| !owner.is_nil()),
                kind: kind.to_owned(),
            })
        };
        parse().ok_or(VaultError::InvalidCursor)
    }
}

/// The kind of list, which list, a time, and ids.
fn encode<const N: usize>(kind: &str, list: u64, time: i64, ids: [Uuid; N]) -> Cursor {
    let mut text = format!("{kind}.{list:016x}.{time:016x}");
    for id in ids {
        // Writing to a string does not fail.
        let _ = write!(text, ".{}", id.as_simple());
    }
    Cursor::new(text)
}

fn decode<const N: usize>(
    cursor: &Cursor,
    kind: &str,
    list: u64,
) -> Result<(i64, [Uuid; N]), StoreError> {
    let parse = || {
        let mut parts = cursor.as_str().split('.');
        let of_this_list = parts.next()? == kind && parts.next()? == format!("{list:016x}");
        let time = parts.next().filter(|time| time.len() == 16)?;
        let time = u64::from_str_radix(time, 16).ok()?;
        let mut ids = [Uuid::nil(); N];
        for id in &mut ids {
            let digits = parts.next().filter(|digits| digits.len() == 32)?;
            *id = Uuid::try_parse(digits).ok()?;
        }
        let whole = of_this_list && parts.next().is_none();
        whole.then_some((i64::from_ne_bytes(time.to_ne_bytes()), ids))
    };
    parse().ok_or(StoreError::InvalidCursor)
}

fn mark_of_chat(list: ConversationId) -> u64 {
    mark(&[list.creator.as_uuid(), list.fan.as_uuid()])
}

fn mark_of_due(of: Option<CreatorId>) -> u64 {
    of.map_or_else(|| mark(&[]), |creator| mark(&[creator.as_uuid()]))
}

fn mark_of_decisions(of: DecisionsOf) -> (&'static str, u64) {
    match of {
        DecisionsOf::Fan(list) => ("f1", mark_of_chat(list)),
        DecisionsOf::Creator(creator) => ("c1", mark(&[creator.as_uuid()])),
        DecisionsOf::Reason(creator, reason) => {
            let creator = creator.as_uuid();
            let bytes = creator.as_bytes().iter().chain(reason.as_str().as_bytes());
            ("r1", mark_of_bytes(bytes))
        }
    }
}

/// Tells lists of a kind apart; not a secret and not a proof.
fn mark(ids: &[Uuid]) -> u64 {
    mark_of_bytes(ids.iter().flat_map(Uuid::as_bytes))
}

fn mark_of_bytes<'b>(bytes: impl Iterator<Item = &'b u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::id::FanId;

    use super::*;

    fn list(fan: u128) -> ConversationId {
        ConversationId::new(
            CreatorId::from_uuid(Uuid::from_u128(1)),
            FanId::from_uuid(Uuid::from_u128(fan)),
        )
    }

    #[test]
    fn a_cursor_reads_back_also_before_1970() {
        for sent_at in [0, 1, -1, i64::MIN, i64::MAX] {
            let cursor = MessageCursor {
                sent_at,
                id: Uuid::from_u128(9),
            };
            let read = MessageCursor::decode(&cursor.encode(list(2)), list(2)).unwrap();
            assert_eq!(read, cursor);
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let cursor = MessageCursor {
            sent_at: 5,
            id: Uuid::from_u128(9),
        }
        .encode(list(2));
        assert!(matches!(
            MessageCursor::decode(&cursor, list(3)),
            Err(StoreError::InvalidCursor)
        ));
    }

    #[test]
    fn a_cursor_of_what_is_due_reads_back_in_its_own_list_only() {
        let creator = |number| Some(CreatorId::from_uuid(Uuid::from_u128(number)));
        let cursor = DueCursor {
            wake_at: -7,
            creator: Uuid::from_u128(1),
            fan: Uuid::from_u128(2),
        };
        for of in [None, creator(1)] {
            assert_eq!(DueCursor::decode(&cursor.encode(of), of).unwrap(), cursor);
            for other in [None, creator(1), creator(3)] {
                let read = DueCursor::decode(&cursor.encode(of), other);
                assert_eq!(read.is_ok(), of == other, "{of:?} read as {other:?}");
            }
        }
    }

    #[test]
    fn a_cursor_of_secrets_reads_back() {
        for owner in [None, Some(Uuid::from_u128(7))] {
            let cursor = SecretCursor {
                owner,
                kind: "token_set".to_owned(),
            };
            assert_eq!(SecretCursor::decode(&cursor.encode()).unwrap(), cursor);
        }
        for text in ["", "s1", "s1.x.y", "s1.00.token_set", "d1.00.token_set"] {
            assert!(matches!(
                SecretCursor::decode(&Cursor::new(text)),
                Err(VaultError::InvalidCursor)
            ));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m1", "m1...", "m2.0.0.0", "m1.é.é.é", "m1.1.2.3.4.5"] {
            assert!(matches!(
                MessageCursor::decode(&Cursor::new(text), list(2)),
                Err(StoreError::InvalidCursor)
            ));
        }
    }
}
