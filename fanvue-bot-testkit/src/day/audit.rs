//! What Fanvue saw against what the store says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::id::{AccountId, ConversationId, FanId, MessageId};
use fanvue_bot_core::message::{Author, Message};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::settings::QuietHours;
use fanvue_bot_core::store::{Store, StoreError};
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

use super::cast::{Pair, lock, mentioned};
use super::character::Sign;
use super::conduct::words;
use super::{DayReport, Fared, conduct};
use crate::simulator::world::{self, Origin, World};
use crate::world_client::timestamp;

/// How much later than the next message one may come in.
const LATE: Duration = Duration::from_secs(900);

/// The report, or one line for everything that is not as it must be.
pub(super) async fn audit(
    world: &Mutex<World>,
    pairs: &[Pair],
    store: &Arc<dyn Store>,
) -> Result<DayReport, Vec<String>> {
    let mut report = DayReport::default();
    let mut faults = Vec::new();
    for pair in pairs {
        let seen: Vec<world::Message> = lock(world)
            .chat(pair.creator, pair.fan)
            .map(|chat| chat.messages.clone())
            .unwrap_or_default();
        match stored(store, pair.creator, pair.fan).await {
            Ok(stored) => {
                conduct::check(&seen, &stored.quiet_hours, &mut faults);
                let fared = compare(&seen, &stored, &mut faults);
                report.inbound += fared.inbound;
                report.replies += fared.replies;
                report.by_human += fared.by_human;
                report.in_quiet_hours += fared.in_quiet_hours;
                *report.by_character.entry(pair.character).or_default() += fared;
            }
            Err(error) => faults.push(format!("the store does not answer: {error}")),
        }
    }
    if faults.is_empty() {
        Ok(report)
    } else {
        Err(faults)
    }
}

struct Stored {
    quiet_hours: QuietHours,
    messages: BTreeMap<Uuid, Message>,
    unsettled: Option<String>,
}

async fn stored(store: &Arc<dyn Store>, creator: Uuid, fan: Uuid) -> Result<Stored, StoreError> {
    let mut stored = Stored {
        quiet_hours: QuietHours::none(),
        messages: BTreeMap::new(),
        unsettled: None,
    };
    let Some(tenant) = store
        .creator_by_account(AccountId::from_uuid(creator))
        .await?
    else {
        return Ok(stored);
    };
    let tenant: Creator = tenant.value;
    stored.quiet_hours = tenant.settings.quiet_hours;
    let id = ConversationId::new(tenant.id, FanId::from_uuid(fan));
    if let Some(conversation) = store.conversation(id).await? {
        let conversation = conversation.value;
        if conversation.turn.is_some() || !conversation.pending.is_empty() {
            stored.unsettled = Some(format!(
                "turn {:?}, {} pending",
                conversation.turn,
                conversation.pending.len()
            ));
        }
    }
    let mut request = PageRequest::first(50);
    loop {
        let page = store.messages(id, &request).await?;
        stored.messages.extend(
            page.items
                .into_iter()
                .map(|message| (message.id.as_uuid(), message)),
        );
        match page.next {
            Some(next) => request = PageRequest::after(50, next),
            None => return Ok(stored),
        }
    }
}

/// One line for every message that did not end as it must, and how the fan fared.
fn compare(seen: &[world::Message], stored: &Stored, faults: &mut Vec<String>) -> Fared {
    let mut fared = Fared {
        fans: 1,
        ..Fared::default()
    };
    if let Some(unsettled) = &stored.unsettled {
        faults.push(format!("a conversation is not at rest: {unsettled}"));
    }
    let replies = replies(seen, stored, faults);
    fared.replies = replies.count;
    for message in seen.iter().filter(|message| message.from_fan()) {
        let sent_at = timestamp(message.sent_at);
        fared.inbound += 1;
        fared.in_quiet_hours += u64::from(stored.quiet_hours.is_quiet(sent_at));
        let text = words(message);
        let Some(row) = stored.messages.get(&message.uuid) else {
            faults.push(format!("a fan's message is not stored: {text:?}"));
            continue;
        };
        let Some(outcome) = row.decision.as_ref().map(|decision| &decision.outcome) else {
            faults.push(format!("a fan's message has no decision: {text:?}"));
            continue;
        };
        let answers = mentioned(text)
            .first()
            .and_then(|number| replies.to.get(number))
            .map_or(&[][..], Vec::as_slice);
        if answers.len() > 1 {
            faults.push(format!("{text} was answered {} times", answers.len()));
        }
        match outcome {
            Outcome::Replied { .. } | Outcome::Merged { .. } => {
                fared.answered += 1;
                match answers.first() {
                    Some(at) => {
                        let waited = at.since(sent_at);
                        fared.waited += waited;
                        fared.longest = fared.longest.max(waited);
                    }
                    // What has no words cannot be named in a reply.
                    None if message.text.is_none() => {}
                    None => faults.push(format!(
                        "{text} is decided as answered, and no reply answers it"
                    )),
                }
                continue;
            }
            Outcome::PausedByHuman { .. }
            | Outcome::Blocked {
                rule: Rule::BeforeBot,
            } => {
                fared.by_human += 1;
                if !seen
                    .iter()
                    .any(|other| other.origin == Origin::Human && other.sent_at > message.sent_at)
                {
                    faults.push(format!(
                        "{text} is left to a human, and no human wrote after it"
                    ));
                }
            }
            Outcome::NoSafeReply { .. } => fared.unfit += 1,
            Outcome::OptedOut => {
                fared.opted_out += 1;
                // What is not answered yet when the fan wants no more is concluded with it, and what comes
                // in before the word that lets the bot go on.
                let wanted =
                    conduct::wanted(seen, sent_at) && conduct::wanted(seen, sent_at.minus(LATE));
                if wanted && !said_from(seen, sent_at, Sign::Stop) {
                    faults.push(format!("{text} counts as of a fan who wants no messages"));
                }
            }
            Outcome::Blocked { rule: Rule::Minor } => {
                fared.safety += 1;
                if !seen.iter().any(|other| Sign::Minor.is_in(words(other))) {
                    faults.push(format!("{text} counts as of a minor"));
                }
            }
            Outcome::Blocked { rule: Rule::Crisis } => {
                fared.safety += 1;
                if !seen.iter().any(|other| Sign::Crisis.is_in(words(other))) {
                    faults.push(format!("{text} counts as of a fan in a crisis"));
                }
            }
            other => faults.push(format!("a fan's message ends as «{other}»: {text:?}")),
        }
        if !answers.is_empty() {
            faults.push(format!(
                "{text} was answered, and is decided as {outcome:?}"
            ));
        }
    }
    for row in stored.messages.values() {
        let human = seen.iter().find(|message| message.uuid == row.id.as_uuid());
        match human.map(|message| message.origin) {
            None => faults.push(format!(
                "a stored message by {} does not exist: {}",
                row.author,
                MessageId::from_uuid(row.id.as_uuid())
            )),
            // One that came in when nobody was asking may be known by its webhook only.
            Some(Origin::Human) if row.author != Author::Human => faults.push(format!(
                "a human's message is stored as {}'s: {}",
                row.author, row.id
            )),
            Some(_) => {}
        }
    }
    fared
}

/// Whether the fan says this at `at` or later.
fn said_from(seen: &[world::Message], at: Timestamp, sign: Sign) -> bool {
    seen.iter()
        .any(|message| timestamp(message.sent_at) >= at && sign.is_in(words(message)))
}

/// The bot's messages.
struct Replies {
    count: u64,
    /// When each numbered message was answered.
    to: BTreeMap<u64, Vec<Timestamp>>,
}

fn replies(seen: &[world::Message], stored: &Stored, faults: &mut Vec<String>) -> Replies {
    let mut replies = Replies {
        count: 0,
        to: BTreeMap::new(),
    };
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    for message in seen.iter().filter(|message| message.origin == Origin::Api) {
        let text = words(message);
        replies.count += 1;
        *texts.entry(text).or_default() += 1;
        for number in mentioned(text) {
            let at = timestamp(message.sent_at);
            replies.to.entry(number).or_default().push(at);
        }
        match stored.messages.get(&message.uuid) {
            None => faults.push(format!("a reply that the fan read is not stored: {text}")),
            Some(row) if row.author != Author::Bot => faults.push(format!(
                "a reply of ours is stored as {}'s: {text}",
                row.author
            )),
            Some(_) => {}
        }
    }
    for (text, count) in texts {
        if count > 1 {
            faults.push(format!("the fan read the same reply {count} times: {text}"));
        }
    }
    replies
}
