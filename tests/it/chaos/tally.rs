//! What became of every message, as the simulator and the database have it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::page::PageRequest;
use fanvue_bot::sqlx::PostgresBackend;
use fanvue_bot::store::Store as _;
use fanvue_bot_testkit::simulator::Handle;
use fanvue_bot_testkit::simulator::world::{DeliveryState, Moment, Origin};
use uuid::Uuid;

/// Messages that a fan wrote carry a number, and replies repeat the numbers of what they answer.
pub(crate) fn numbered(number: u64) -> String {
    format!("m{number}x")
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|word| word.strip_prefix('m')?.strip_suffix('x')?.parse().ok())
        .collect()
}

/// What the simulator saw of one conversation.
#[derive(Debug, Default)]
struct Seen {
    /// What the fan wrote, oldest first.
    written: Vec<(u64, Uuid)>,
    /// What the replies answer, oldest first.
    answered: Vec<Vec<u64>>,
    /// What happened when: lines for whoever has to find out what went wrong.
    story: BTreeMap<(u64, usize), String>,
}

impl Seen {
    fn tell(&mut self, at: Moment, what: String) {
        self.story.insert((at.millis(), self.story.len()), what);
    }
}

/// The count. Everything but the first three should be empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    pub(crate) replies: usize,
    /// Decisions by name.
    pub(crate) decisions: BTreeMap<&'static str, usize>,
    /// Webhooks that were never acknowledged.
    pub(crate) not_acknowledged: usize,
    /// Messages whose webhook was acknowledged and which are not stored.
    pub(crate) lost: Vec<u64>,
    /// Messages without a final decision.
    pub(crate) undecided: Vec<u64>,
    /// Messages that no reply answers.
    pub(crate) unanswered: Vec<u64>,
    /// Messages that more than one reply answers.
    pub(crate) answered_twice: Vec<u64>,
    /// Messages that were answered after a later one of the same fan.
    pub(crate) out_of_order: Vec<String>,
    /// What happened in the conversations of which any of this is true.
    pub(crate) stories: Vec<Vec<String>>,
}

impl Tally {
    /// Whether nothing was lost, answered twice, left alone or put out of order.
    pub(crate) fn is_clean(&self) -> bool {
        self.not_acknowledged == 0 && self.faults() == 0
    }

    fn faults(&self) -> usize {
        self.lost.len()
            + self.undecided.len()
            + self.unanswered.len()
            + self.answered_twice.len()
            + self.out_of_order.len()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} replies, decisions {:?}; {} webhooks not acknowledged, {} lost, {} undecided, {} not \
             answered, {} answered twice, {} out of order",
            self.written,
            self.replies,
            self.decisions,
            self.not_acknowledged,
            self.lost.len(),
            self.undecided.len(),
            self.unanswered.len(),
            self.answered_twice.len(),
            self.out_of_order.len(),
        )
    }
}

fn seen(simulator: &Handle, creator: Uuid) -> BTreeMap<Uuid, Seen> {
    let mut conversations: BTreeMap<Uuid, Seen> = BTreeMap::new();
    for stored in simulator.messages() {
        let text = stored.message.text.as_deref().unwrap_or_default();
        let numbers = numbers(text);
        if stored.creator != creator || numbers.is_empty() {
            continue;
        }
        let conversation = conversations.entry(stored.fan).or_default();
        match stored.message.origin {
            Origin::Fan => {
                conversation.written.push((numbers[0], stored.message.uuid));
                conversation.tell(stored.message.sent_at, format!("written: {numbers:?}"));
            }
            Origin::Api => {
                conversation.tell(stored.message.sent_at, format!("reply to {numbers:?}"));
                conversation.answered.push(numbers);
            }
            _ => {}
        }
    }
    conversations
}

/// A conversation, line by line, with the deliveries of its events.
fn story(simulator: &Handle, fan: Uuid, mut seen: Seen) -> Vec<String> {
    for delivery in simulator.deliveries().iter().filter(|d| d.fan == fan) {
        for (at, outcome) in &delivery.attempts {
            let what = format!(
                "delivery of {} of {}: {outcome:?}",
                delivery.topic,
                delivery.created_at.millis()
            );
            seen.tell(*at, what);
        }
    }
    let lines = seen
        .story
        .iter()
        .map(|((at, _), what)| format!("{at} {what}"));
    lines.collect()
}

/// How many messages no reply answers yet.
pub(crate) fn waiting(simulator: &Handle, creator: Uuid) -> usize {
    let conversations = seen(simulator, creator);
    let waits = |seen: &Seen| {
        let answered: BTreeSet<u64> = seen.answered.iter().flatten().copied().collect();
        let written = seen.written.iter();
        written
            .filter(|(number, _)| !answered.contains(number))
            .count()
    };
    conversations.values().map(waits).sum()
}

/// How many webhooks are not acknowledged yet.
pub(crate) fn not_acknowledged(simulator: &Handle) -> usize {
    let deliveries = simulator.deliveries();
    let left = deliveries
        .iter()
        .filter(|delivery| delivery.state != DeliveryState::Delivered);
    left.count()
}

/// Counts, when nothing is under way any more.
pub(crate) async fn count(
    simulator: &Handle,
    account: Uuid,
    creator: CreatorId,
    database: &PostgresBackend,
) -> Tally {
    let mut tally = Tally {
        not_acknowledged: not_acknowledged(simulator),
        ..Tally::default()
    };
    for (fan, mut seen) in seen(simulator, account) {
        let before = tally.faults();
        let stored = decisions(
            database,
            ConversationId::new(creator, FanId::from_uuid(fan)),
        )
        .await;
        let mut replies: BTreeMap<u64, usize> = BTreeMap::new();
        let mut newest = 0;
        for number in seen.answered.iter().flatten() {
            *replies.entry(*number).or_default() += 1;
            if *number < newest {
                let replies = &seen.answered;
                let what = format!("{number} after {newest}, in replies to {replies:?}");
                tally.out_of_order.push(what);
            }
            newest = newest.max(*number);
        }
        tally.written += seen.written.len();
        tally.replies += seen.answered.len();
        for (number, message) in std::mem::take(&mut seen.written) {
            match stored.get(&message) {
                None => tally.lost.push(number),
                Some(None) => tally.undecided.push(number),
                Some(Some(decision)) => *tally.decisions.entry(decision).or_default() += 1,
            }
            match replies.get(&number) {
                None => tally.unanswered.push(number),
                Some(1) => {}
                Some(_) => tally.answered_twice.push(number),
            }
        }
        if tally.faults() > before {
            tally.stories.push(story(simulator, fan, seen));
        }
    }
    tally
}

/// The stored messages of a conversation, each with its final decision.
async fn decisions(
    database: &PostgresBackend,
    id: ConversationId,
) -> BTreeMap<Uuid, Option<&'static str>> {
    let mut stored = BTreeMap::new();
    let mut request = PageRequest::first(200);
    loop {
        let page = database.messages(id, &request).await.unwrap();
        stored.extend(page.items.into_iter().map(|message| {
            let outcome = message.decision.map(|decision| decision.outcome);
            let outcome = outcome.filter(fanvue_bot::decision::Outcome::is_final);
            (
                message.id.as_uuid(),
                outcome.map(|outcome| outcome.as_str()),
            )
        }));
        match page.next {
            Some(next) => request = PageRequest::after(200, next),
            None => return stored,
        }
    }
}
