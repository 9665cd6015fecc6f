//! What Fanvue saw against what the store says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::id::{AccountId, ConversationId, FanId, MessageId};
use fanvue_bot_core::message::{Author, Message};
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::settings::QuietHours;
use fanvue_bot_core::store::{Store, StoreError};
use uuid::Uuid;

use super::DayReport;
use super::cast::{lock, mentioned};
use crate::simulator::world::{self, Origin, World};
use crate::world_client::timestamp;

/// The report, or one line for everything that is not as it must be.
pub(super) async fn audit(
    world: &Mutex<World>,
    pairs: &[(Uuid, Uuid)],
    store: &Arc<dyn Store>,
) -> Result<DayReport, Vec<String>> {
    let mut report = DayReport::default();
    let mut faults = Vec::new();
    for (creator, fan) in pairs {
        let seen: Vec<world::Message> = lock(world)
            .chat(*creator, *fan)
            .map(|chat| chat.messages.clone())
            .unwrap_or_default();
        match stored(store, *creator, *fan).await {
            Ok(stored) => compare(&seen, &stored, &mut report, &mut faults),
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

fn compare(
    seen: &[world::Message],
    stored: &Stored,
    report: &mut DayReport,
    faults: &mut Vec<String>,
) {
    if let Some(unsettled) = &stored.unsettled {
        faults.push(format!("a conversation is not at rest: {unsettled}"));
    }
    let mut answered: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, message) in seen.iter().enumerate() {
        let text = message.text.as_deref().unwrap_or_default();
        let row = stored.messages.get(&message.uuid);
        let quiet = stored.quiet_hours.is_quiet(timestamp(message.sent_at));
        match message.origin {
            Origin::Api => {
                report.replies += 1;
                if quiet {
                    faults.push(format!("a reply went out in quiet hours: {text}"));
                }
                *texts.entry(text).or_default() += 1;
                for number in mentioned(text) {
                    answered.entry(number).or_default().push(place);
                }
                match row {
                    None => faults.push(format!("a reply that the fan read is not stored: {text}")),
                    Some(row) if row.author != Author::Bot => {
                        faults.push(format!(
                            "a reply of ours is stored as {}'s: {text}",
                            row.author
                        ));
                    }
                    Some(_) => {}
                }
            }
            Origin::Fan => {
                report.inbound += 1;
                report.in_quiet_hours += u64::from(quiet);
                match row.map(|row| &row.decision) {
                    None => faults.push(format!("a fan's message is not stored: {text:?}")),
                    Some(None) => faults.push(format!("a fan's message has no decision: {text:?}")),
                    Some(Some(decision)) => match &decision.outcome {
                        Outcome::Replied { .. } | Outcome::Merged { .. } => {}
                        Outcome::PausedByHuman { .. }
                        | Outcome::Blocked {
                            rule: Rule::BeforeBot,
                        } => report.by_human += 1,
                        other => {
                            faults.push(format!("a fan's message ends as «{other}»: {text:?}"))
                        }
                    },
                }
            }
            Origin::Human => match row {
                Some(row) if row.author != Author::Human => {
                    faults.push(format!(
                        "a human's message is stored as {}'s: {text}",
                        row.author
                    ));
                }
                // One that came in when nobody was asking may be known by its webhook only.
                _ => {}
            },
            _ => {}
        }
    }
    for (text, count) in texts {
        if count > 1 {
            faults.push(format!("the fan read the same reply {count} times: {text}"));
        }
    }
    for (place, message) in seen
        .iter()
        .enumerate()
        .filter(|(_, message)| message.from_fan())
    {
        let text = message.text.as_deref().unwrap_or_default();
        let Some(number) = mentioned(text).first().copied() else {
            continue;
        };
        let replies = answered.get(&number).map_or(&[][..], Vec::as_slice);
        if replies.len() > 1 {
            faults.push(format!("{text} was answered {} times", replies.len()));
        }
        let outcome = stored
            .messages
            .get(&message.uuid)
            .and_then(|row| row.decision.as_ref())
            .map(|d| &d.outcome);
        let decided = matches!(
            outcome,
            Some(Outcome::Replied { .. } | Outcome::Merged { .. })
        );
        if decided && replies.is_empty() {
            faults.push(format!(
                "{text} is decided as answered, and no reply answers it"
            ));
        }
        if !decided && !replies.is_empty() {
            faults.push(format!(
                "{text} was answered, and is decided as {outcome:?}"
            ));
        }
        let human_after = seen[place..]
            .iter()
            .any(|later| later.origin == Origin::Human);
        let left_to_human = matches!(
            outcome,
            Some(
                Outcome::PausedByHuman { .. }
                    | Outcome::Blocked {
                        rule: Rule::BeforeBot
                    }
            )
        );
        if left_to_human && !human_after {
            faults.push(format!(
                "{text} is left to a human, and no human wrote after it"
            ));
        }
    }
    for row in stored.messages.values() {
        if seen.iter().all(|message| message.uuid != row.id.as_uuid()) {
            faults.push(format!(
                "a stored message by {} does not exist: {}",
                row.author,
                MessageId::from_uuid(row.id.as_uuid())
            ));
        }
    }
}
