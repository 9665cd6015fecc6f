//! What no fan may read, by Fanvue's own record of the chat alone: nothing in quiet hours, over a human, or
//! after words that forbid it.

use fanvue_bot_core::flow::Timing;
use fanvue_bot_core::settings::{QuietHours, Settings};
use fanvue_bot_core::time::Timestamp;

use super::character::Sign;
use super::run::UNFIT;
use crate::simulator::world::{Message, Origin};
use crate::world_client::timestamp;

/// One line for each message of ours in `chat` that should not be there.
pub(super) fn check(chat: &[Message], quiet_hours: &QuietHours, faults: &mut Vec<String>) {
    let pause = Settings::default().human_pause;
    let sent = chat.iter().filter(|message| message.origin == Origin::Api);
    for reply in sent {
        let text = words(reply);
        let at = timestamp(reply.sent_at);
        if quiet_hours.is_quiet(at) {
            faults.push(format!("a reply went out in quiet hours: {text}"));
        }
        if text.contains(UNFIT) {
            faults.push(format!("a draft went out that must not: {text}"));
        }
        let known = known_at(at);
        if !wanted(chat, known) && !wanted(chat, at) {
            faults.push(format!("a reply went to a fan who wants none: {text}"));
        }
        let before = |message: &&Message| timestamp(message.sent_at) < known;
        let mut from_fan = chat
            .iter()
            .filter(|message| message.from_fan())
            .filter(before);
        if from_fan
            .any(|message| Sign::Minor.is_in(words(message)) || Sign::Crisis.is_in(words(message)))
        {
            faults.push(format!(
                "a reply went to a fan who only a person may write to: {text}"
            ));
        }
        let mut humans = chat
            .iter()
            .filter(before)
            .filter(|message| message.origin == Origin::Human && message.deleted_at.is_none());
        if humans.any(|human| at < timestamp(human.sent_at) + pause) {
            faults.push(format!("a reply went out over a human: {text}"));
        }
    }
}

/// What was in the chat before this time was to be seen in the last look before a send at `at`. A look counts for as
/// long as a request may take, so that a process that froze in it does not send by an old one, and the send
/// begins within a short time of it.
fn known_at(at: Timestamp) -> Timestamp {
    let timing = Timing::default();
    at.minus(timing.settled_within + timing.begin_within)
}

/// Whether the fan's last word on it before `known` lets them be written to.
pub(super) fn wanted(chat: &[Message], known: Timestamp) -> bool {
    chat.iter()
        .filter(|message| message.from_fan() && timestamp(message.sent_at) < known)
        .map(words)
        .rfind(|text| Sign::Stop.is_in(text) || Sign::Resume.is_in(text))
        .is_none_or(|text| Sign::Resume.is_in(text))
}

/// The words of a message; none if it is of media alone.
pub(super) fn words(message: &Message) -> &str {
    message.text.as_deref().unwrap_or_default()
}
