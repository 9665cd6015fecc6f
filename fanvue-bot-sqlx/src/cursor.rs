//! Page cursors: where a page ended, bound to the list that it is from.

use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::page::Cursor;
use fanvue_bot_core::store::StoreError;
use uuid::Uuid;

/// The last message of a page of a conversation's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageCursor {
    pub(crate) sent_at: i64,
    pub(crate) id: Uuid,
}

impl MessageCursor {
    pub(crate) fn encode(self, list: ConversationId) -> Cursor {
        Cursor::new(format!(
            "m1.{:016x}.{:016x}.{}",
            mark(list),
            self.sent_at,
            self.id.as_simple()
        ))
    }

    pub(crate) fn decode(cursor: &Cursor, list: ConversationId) -> Result<Self, StoreError> {
        Self::parse(cursor.as_str(), list).ok_or(StoreError::InvalidCursor)
    }

    fn parse(text: &str, list: ConversationId) -> Option<Self> {
        let mut parts = text.split('.');
        let (version, of, sent_at, id) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || version != "m1" || sent_at.len() != 16 || id.len() != 32 {
            return None;
        }
        if of != format!("{:016x}", mark(list)) {
            return None;
        }
        let sent_at = u64::from_str_radix(sent_at, 16).ok()?;
        Some(Self {
            sent_at: i64::from_ne_bytes(sent_at.to_ne_bytes()),
            id: Uuid::try_parse(id).ok()?,
        })
    }
}

/// Tells lists apart; not a secret and not a proof.
fn mark(list: ConversationId) -> u64 {
    let (creator, fan) = (list.creator.as_uuid(), list.fan.as_uuid());
    creator
        .as_bytes()
        .iter()
        .chain(fan.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use fanvue_bot_core::id::{CreatorId, FanId};

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
    fn nonsense_is_refused() {
        for text in ["", "m1", "m1...", "m2.0.0.0", "m1.é.é.é", "m1.1.2.3.4.5"] {
            assert!(matches!(
                MessageCursor::decode(&Cursor::new(text), list(2)),
                Err(StoreError::InvalidCursor)
            ));
        }
    }
}
