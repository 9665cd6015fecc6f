//! Decisions, listed and counted: the contract of [`AdminQueries`](crate::admin::AdminQueries) as plain code.
//! It looks at all messages of the creator for each page, which is short and not fast.

use std::cmp::Reverse;

use super::records::Records;
use crate::admin::{DecidedMessage, DecisionsOf, TimeSpan};
use crate::decision::Reason;
use crate::id::{CreatorId, FanId, MessageId};
use crate::page::{Cursor, Page, PageRequest};
use crate::store::StoreError;
use crate::time::Timestamp;

/// Where a decision stands in its list.
type Place = Reverse<(Timestamp, FanId, MessageId)>;

impl Records {
    pub(super) fn decisions(
        &self,
        of: DecisionsOf,
        page: &PageRequest,
    ) -> Result<Page<DecidedMessage>, StoreError> {
        let after = match &page.after {
            Some(cursor) => Some(read_cursor(of, cursor)?),
            None => None,
        };
        let mut rest: Vec<_> = self
            .decided(of.creator())
            .filter(|entry| match of {
                DecisionsOf::Fan(conversation) => entry.conversation == conversation,
                DecisionsOf::Creator(_) => true,
                DecisionsOf::Reason(_, reason) => entry.decision.reason() == reason,
            })
            .filter(|entry| after.is_none_or(|after| place(entry) > after))
            .collect();
        rest.sort_by_key(place);
        let more = rest.len() > page.limit;
        rest.truncate(page.limit);
        let next = match rest.last() {
            Some(last) => more.then(|| write_cursor(of, last)),
            None => page.after.clone().filter(|_| more),
        };
        Ok(Page { items: rest, next })
    }

    pub(super) fn decision_counts(&self, creator: CreatorId, span: TimeSpan) -> Vec<(Reason, u64)> {
        let decided: Vec<_> = self
            .decided(creator)
            .filter(|entry| span.contains(entry.decision.at))
            .map(|entry| entry.decision.reason())
            .collect();
        Reason::ALL
            .iter()
            .map(|reason| (*reason, decided.iter().filter(|of| *of == reason).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason, u64::try_from(count).unwrap_or(u64::MAX)))
            .collect()
    }

    fn decided(&self, creator: CreatorId) -> impl Iterator<Item = DecidedMessage> + '_ {
        self.messages_of(creator).filter_map(|message| {
            Some(DecidedMessage {
                conversation: message.conversation,
                message: message.id,
                sent_at: message.sent_at,
                decision: message.decision.clone()?,
            })
        })
    }
}

fn place(entry: &DecidedMessage) -> Place {
    let (at, fan) = (entry.decision.at, entry.conversation.fan);
    Reverse((at, fan, entry.message))
}

/// `decisions/list/micros/fan/message`: a keyset.
fn write_cursor(of: DecisionsOf, last: &DecidedMessage) -> Cursor {
    Cursor::new(format!(
        "decisions/{}/{}/{}/{}",
        list(of),
        last.decision.at.as_micros(),
        last.conversation.fan,
        last.message
    ))
}

fn read_cursor(of: DecisionsOf, cursor: &Cursor) -> Result<Place, StoreError> {
    let parse = || {
        let rest = cursor.as_str().strip_prefix("decisions/")?;
        let mut parts = rest.strip_prefix(&list(of))?.strip_prefix('/')?.split('/');
        let micros = parts.next()?.parse().ok()?;
        let fan = parts.next()?.parse().ok()?;
        let message = parts.next()?.parse().ok()?;
        let place = Reverse((Timestamp::from_micros(micros), fan, message));
        parts.next().is_none().then_some(place)
    };
    parse().ok_or(StoreError::InvalidCursor)
}

fn list(of: DecisionsOf) -> String {
    match of {
        DecisionsOf::Fan(id) => format!("fan/{}/{}", id.creator, id.fan),
        DecisionsOf::Creator(creator) => format!("creator/{creator}"),
        DecisionsOf::Reason(creator, reason) => format!("reason/{creator}/{reason}"),
    }
}
