//! Which messages the model sees.
//!
//! Dropping the oldest message each turn would change the beginning of every prompt, and providers reuse
//! equal beginnings only. So when the history is full it is cut down to half at once, and the cut is
//! stored with the conversation, where all processes find it.

use super::TokenCounter;
use super::tokens::{FENCE, FRAME};
use crate::message::{Author, Message};
use crate::time::Timestamp;

/// Where the history begins: messages sent before this are not shown. `None` for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "a named option")]
pub struct HistoryCut(pub Option<Timestamp>);

/// The messages of a prompt, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain result")]
pub struct Selected<'a> {
    /// What came before the fan's turn.
    pub history: &'a [Message],
    /// The fan's turn: the newest messages, at least one if any are unanswered.
    pub turn: &'a [Message],
    /// The length of both.
    pub tokens: u32,
    /// Where the history begins now.
    pub cut: HistoryCut,
}

/// Chooses from `newest_first` what fits into `budget` tokens: the `unanswered` newest messages as the
/// fan's turn, cut at its old end only if it alone is too long, and before it as much history as the cut
/// and the budget allow.
#[must_use]
pub fn select<'a>(
    newest_first: &'a [Message],
    unanswered: usize,
    cut: HistoryCut,
    budget: u32,
    counter: &dyn TokenCounter,
) -> Selected<'a> {
    let (turn, older) = newest_first.split_at(unanswered.min(newest_first.len()));
    let (turn_kept, turn_tokens) = longest_within(turn, budget, counter);
    let turn = &turn[..turn_kept.max(1).min(turn.len())];

    let shown = match cut.0 {
        None => older,
        Some(from) => &older[..older.partition_point(|message| message.sent_at >= from)],
    };
    let room = budget.saturating_sub(turn_tokens);
    let (kept, tokens) = longest_within(shown, room, counter);
    if kept == shown.len() {
        return Selected {
            history: shown,
            turn,
            tokens: turn_tokens + tokens,
            cut,
        };
    }
    let (kept, tokens) = longest_within(shown, room / 2, counter);
    let history = &shown[..kept];
    // With no room for history at all, the cut lies behind everything that was shown.
    let from = history
        .last()
        .or(turn.last())
        .map(|message| message.sent_at)
        .or(cut.0);
    Selected {
        history,
        turn,
        tokens: turn_tokens + tokens,
        cut: HistoryCut(from),
    }
}

/// How many of the newest messages fit into `budget`, and their length.
fn longest_within(
    newest_first: &[Message],
    budget: u32,
    counter: &dyn TokenCounter,
) -> (usize, u32) {
    let id = counter.id();
    let mut total = 0_u32;
    for (index, message) in newest_first.iter().enumerate() {
        let words = match message.tokens {
            Some(count) if count.tokenizer == id => count.tokens,
            _ => message
                .content
                .text
                .as_deref()
                .map_or(0, |text| counter.count(text)),
        };
        // Media is named in words, which the stored count does not include.
        let media = if message.content.has_media { 24 } else { 0 };
        let fence = if message.author == Author::Fan {
            FENCE
        } else {
            0
        };
        let with = total
            .saturating_add(words)
            .saturating_add(media)
            .saturating_add(fence)
            .saturating_add(FRAME);
        if with > budget {
            return (index, total);
        }
        total = with;
    }
    (newest_first.len(), total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ConversationId, CreatorId, FanId, MessageId};
    use crate::message::{Content, MessageType};
    use crate::prompt::BytesPerFour;
    use uuid::Uuid;

    /// `count` messages of 12 tokens each, frame and marks included, newest first; message `n` was sent at second `n`.
    fn messages(count: i64) -> Vec<Message> {
        (0..count)
            .rev()
            .map(|n| Message {
                id: MessageId::from_uuid(Uuid::from_u128(n.unsigned_abs().into())),
                conversation: ConversationId::new(
                    CreatorId::from_uuid(Uuid::nil()),
                    FanId::from_uuid(Uuid::nil()),
                ),
                author: if n % 2 == 0 { Author::Fan } else { Author::Bot },
                kind: MessageType::SingleRecipient,
                content: Content::text("x".repeat(if n % 2 == 0 { 0 } else { 32 })),
                sent_at: Timestamp::from_seconds(n),
                stored_at: Timestamp::from_seconds(n),
                tokens: None,
                turn: None,
                decision: None,
                deleted_at: None,
            })
            .collect()
    }

    #[test]
    fn everything_is_shown_while_it_fits() {
        let messages = messages(9);
        let selected = select(&messages, 1, HistoryCut(None), 108, &BytesPerFour);
        assert_eq!(
            (selected.history.len(), selected.turn.len(), selected.tokens),
            (8, 1, 108)
        );
        assert_eq!(selected.cut, HistoryCut(None));
    }

    #[test]
    fn a_full_history_is_cut_to_half_and_stays_cut() {
        let all = messages(40);
        let first = select(&all, 1, HistoryCut(None), 252, &BytesPerFour);
        assert_eq!(first.history.len(), 10);
        let more = messages(46);
        let second = select(&more, 1, first.cut, 252, &BytesPerFour);
        assert_eq!(second.cut, first.cut, "the beginning stays the same");
        assert_eq!(second.history.len(), 16);
        assert_eq!(second.history.last(), first.history.last());
    }

    #[test]
    fn the_newest_message_is_shown_even_if_it_does_not_fit() {
        let messages = messages(3);
        let selected = select(&messages, 2, HistoryCut(None), 5, &BytesPerFour);
        assert_eq!((selected.turn.len(), selected.history.len()), (1, 0));
    }

    #[test]
    fn an_empty_conversation_selects_nothing() {
        let selected = select(&[], 3, HistoryCut(None), 100, &BytesPerFour);
        assert!(selected.turn.is_empty() && selected.history.is_empty());
    }
}
