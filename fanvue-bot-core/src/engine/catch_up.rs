//! Reads the chats again for what the webhooks missed; what to read is decided in
//! [`catch_up`](crate::catch_up).

use std::collections::BTreeMap;
use std::time::Duration;

use super::chat::{Until, arrivals};
use super::failure::{Failure, Remedy};
use super::{Engine, EngineError, with_auth};
use crate::catch_up::{CatchUpOptions, Look, Newest, Progress, Sighting, Walk, plan};
use crate::client::{ChatFilter, ChatSummary, ClientError, RemoteMessage};
use crate::creator::{Creator, CreatorStatus};
use crate::id::{AccountId, ConversationId, CreatorId, MessageId};
use crate::intake::Brought;
use crate::page::{Cursor, Page, PageRequest};
use crate::pulse::{Part, Trouble};
use crate::queue::FailureNote;
use crate::rate::Class;
use crate::retry::Retry;
use crate::revision::Versioned;
use crate::self_test;
use crate::store::{RegisterName, StoreError};
use crate::time::Timestamp;

/// The largest page that Fanvue gives.
const PAGE: usize = 50;
/// How many ids of creators one call of the store answers with.
const CREATORS: usize = 1_000;
/// How much later a message may show than one that was sent at the same time or after it.
const LATE: Duration = Duration::from_secs(5);
/// A webhook that has not come in this long after its message is taken for lost.
const WEBHOOK: Duration = Duration::from_secs(30);
/// How many stored messages are compared with what a look lists.
const COMPARED: usize = 100;
/// How many messages that a list leaves out are asked for, one by one, before they count as deleted.
const ASKED: usize = 3;

/// What [`Engine::catch_up`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaughtUp {
    /// The chats were read.
    Polled {
        /// How many messages came to light.
        found: u64,
        /// When the creator is polled next.
        next_at: Timestamp,
    },
    /// It is not the time, or another process is at it.
    NotDue {
        /// When it is, as far as is known.
        next_at: Timestamp,
    },
    /// Something failed, or Fanvue or our own budget said to wait; what was read before stays read.
    PutOff {
        /// Why.
        cause: FailureNote,
        /// When it goes on.
        next_at: Timestamp,
    },
    /// There is no such creator, they are not active, or they have no account.
    NobodyToPoll,
}

impl CaughtUp {
    const fn next_at(&self) -> Option<Timestamp> {
        match self {
            Self::Polled { next_at, .. }
            | Self::NotDue { next_at }
            | Self::PutOff { next_at, .. } => Some(*next_at),
            Self::NobodyToPoll => None,
        }
    }
}

/// When this process looks at which creator next. A hint: what counts is in the registers.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    listed_at: Option<Timestamp>,
    next: BTreeMap<CreatorId, Timestamp>,
}

impl Engine {
    /// Up to `limit` creators whose poll may be due, as far as this process knows; each is to be given to
    /// [`Engine::catch_up`], at once or a few at a time. Until then, or for an interval, they are not named again.
    ///
    /// # Errors
    /// The store's.
    pub async fn due_for_catch_up(&self, limit: usize) -> Result<Vec<CreatorId>, EngineError> {
        let interval = self.shared.catch_up.interval;
        let now = self.now();
        let stale = self
            .schedule()
            .listed_at
            .is_none_or(|at| now.since(at) >= interval || at > now);
        if stale {
            let creators = self.all_creators().await?;
            let mut schedule = self.schedule();
            schedule.listed_at = Some(now);
            let known = std::mem::take(&mut schedule.next);
            schedule.next = creators
                .into_iter()
                .map(|creator| (creator, known.get(&creator).copied().unwrap_or(now)))
                .collect();
        }
        let mut schedule = self.schedule();
        let mut due: Vec<(Timestamp, CreatorId)> = schedule
            .next
            .iter()
            .filter(|(_, next_at)| **next_at <= now)
            .map(|(creator, next_at)| (*next_at, *creator))
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        for (_, creator) in &due {
            schedule.next.insert(*creator, now + interval);
        }
        Ok(due.into_iter().map(|(_, creator)| creator).collect())
    }

    /// When [`Engine::due_for_catch_up`] next names somebody, as far as this process knows; `None` before its first
    /// call and where there are no creators.
    #[must_use]
    pub fn next_catch_up(&self) -> Option<Timestamp> {
        self.schedule().next.values().min().copied()
    }

    /// How far the creator's chats have been read; `None` if they never were. Asks Fanvue nothing.
    ///
    /// # Errors
    /// The store's.
    pub async fn catch_up_progress(
        &self,
        creator: CreatorId,
    ) -> Result<Option<Progress>, EngineError> {
        let stored = self.backend().store().register(&register(creator)).await?;
        Ok(stored.and_then(|stored| Progress::from_text(&stored.value)))
    }

    /// Polls one creator's chats for what the webhooks missed, if it is time and nobody else is at it. What is
    /// found is stored, and whoever is owed an answer is woken. Marks nothing as read.
    ///
    /// Made for being called often, from many processes: it reads at most a few pages, asks for nothing after half
    /// an interval, and goes on the next time where it stopped. May be dropped at any point. Never waits: what has
    /// to is [`CaughtUp::PutOff`].
    ///
    /// # Errors
    /// The store's; trouble with Fanvue is none.
    pub async fn catch_up(&self, creator: CreatorId) -> Result<CaughtUp, EngineError> {
        let outcome = self.try_catch_up(creator).await?;
        let mut schedule = self.schedule();
        if let (Some(at), Some(next_at)) = (schedule.next.get_mut(&creator), outcome.next_at()) {
            *at = next_at;
        }
        Ok(outcome)
    }

    async fn try_catch_up(&self, id: CreatorId) -> Result<CaughtUp, EngineError> {
        let store = self.backend().store();
        let Some(Versioned { value: creator, .. }) = store.creator(id).await? else {
            return Ok(CaughtUp::NobodyToPoll);
        };
        let (CreatorStatus::Active, Some(account)) = (creator.status, creator.account) else {
            return Ok(CaughtUp::NobodyToPoll);
        };
        let options = self.shared.catch_up;
        let name = register(id);
        let stored = store.register(&name).await?;
        let expected = stored.as_ref().map(|stored| stored.revision);
        let now = self.now();
        let known = stored
            .and_then(|stored| Progress::from_text(&stored.value))
            .filter(|progress| progress.account == account);
        let due = known.as_ref().is_some_and(|known| known.next_at <= now);
        let mut progress = known.unwrap_or_else(|| Progress::begin(id, account, now, &options));
        // A clock that was set back must not stop the polls.
        if !due && expected.is_some() && progress.next_at <= now + options.interval * 60 {
            return Ok(CaughtUp::NotDue {
                next_at: progress.next_at,
            });
        }
        if due {
            progress.next_at = now + options.interval;
        }
        // Whoever sets it polls; a process that dies here is followed by another after an interval.
        let next_at = progress.next_at;
        let revision = match store
            .set_register(&name, &progress.to_text(), expected)
            .await
        {
            Ok(revision) => revision,
            Err(StoreError::Conflict) => return Ok(CaughtUp::NotDue { next_at }),
            Err(error) => return Err(error.into()),
        };
        if !due {
            return Ok(CaughtUp::NotDue { next_at });
        }
        let mut round = Round {
            engine: self,
            creator: &creator,
            account,
            options,
            pages: options.pages,
            chats: options.chats,
            until: now + options.interval / 2,
            found: 0,
            missed: 0,
        };
        let result = round.run(&mut progress).await;
        let (found, missed) = (round.found, round.missed);
        let now = self.now();
        let cause = match result {
            Ok(()) => {
                self.works(id, Part::Poll);
                progress.polled(id, now, options.interval);
                None
            }
            Err(failure) => {
                if let Some((_, trouble)) = failure.symptom {
                    self.fails(id, Part::Poll, trouble);
                }
                progress.failed(now, told(&failure), failure.note.clone(), options.interval);
                Some(failure.note)
            }
        };
        let next_at = progress.next_at;
        match store
            .set_register(&name, &progress.to_text(), Some(revision))
            .await
        {
            // Somebody else has polled meanwhile; what was read here is stored all the same.
            Ok(_) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
        if missed > 0 {
            self.fails(id, Part::Webhook, Trouble::Missed);
            tracing::info!(creator.id = %id, messages = missed, "reading the chats brought up messages that no webhook had told of");
        }
        Ok(match cause {
            None => CaughtUp::Polled { found, next_at },
            Some(cause) => {
                tracing::debug!(creator.id = %id, %cause, failures = progress.failures, "the chats could not all be read");
                CaughtUp::PutOff { cause, next_at }
            }
        })
    }

    async fn all_creators(&self) -> Result<Vec<CreatorId>, EngineError> {
        let mut creators: Vec<CreatorId> = Vec::new();
        loop {
            let after = creators.last().copied();
            let page = self.backend().store().creator_ids(after, CREATORS).await?;
            let whole = page.len() == CREATORS;
            creators.extend(page);
            if !whole {
                creators.retain(|creator| *creator != self_test::CREATOR);
                return Ok(creators);
            }
        }
    }

    fn schedule(&self) -> std::sync::MutexGuard<'_, Schedule> {
        self.shared
            .schedule
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    u64::try_from(items.count()).unwrap_or(u64::MAX)
}

pub(super) fn register(creator: CreatorId) -> RegisterName {
    RegisterName::new(format!("catch-up/{creator}"))
}

/// How long a failure says to wait, if it does.
fn told(failure: &Failure) -> Option<Duration> {
    match failure.remedy {
        Remedy::Retry(Retry::After(wait)) => Some(wait),
        _ => None,
    }
}

/// Why a page or a walk was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// It was.
    Whole,
    /// So much was read that the rest is left to the next poll.
    Cut,
}

/// One poll of one creator.
struct Round<'a> {
    engine: &'a Engine,
    creator: &'a Creator,
    account: AccountId,
    options: CatchUpOptions,
    /// How many pages of the list may still be read.
    pages: usize,
    /// How many chats may still be read.
    chats: usize,
    /// Nothing is asked for after this.
    until: Timestamp,
    found: u64,
    /// How many of them a webhook should have told of by now.
    missed: u64,
}

impl Round<'_> {
    /// Reads from the top of the list down to what was read before. If a walk was interrupted, its rest follows,
    /// from where it stopped.
    async fn run(&mut self, progress: &mut Progress) -> Result<(), Failure> {
        let interrupted = progress.walk.clone();
        let down_to = interrupted
            .as_ref()
            .map_or(progress.swept_to, |walk| walk.top);
        let mut fresh = Walk {
            top: progress.swept_to,
            page: None,
        };
        let extent = self.walk(&mut fresh, progress, down_to, Top::Learn).await;
        match interrupted {
            // From now on the walk goes on where this one stopped, also after a failure.
            None if !matches!(extent, Ok(Extent::Whole)) => {
                if fresh.page.is_some() || extent.is_ok() {
                    progress.walk = Some(fresh);
                }
                extent.map(drop)
            }
            None => {
                progress.swept(fresh.top);
                Ok(())
            }
            Some(mut walk) => {
                if extent? == Extent::Cut {
                    return Ok(());
                }
                let down_to = progress.swept_to;
                let extent = self.walk(&mut walk, progress, down_to, Top::Known).await;
                if matches!(extent, Ok(Extent::Whole)) {
                    progress.swept(walk.top);
                } else {
                    progress.walk = Some(walk);
                }
                extent.map(drop)
            }
        }
    }

    /// Reads the list from `walk.page` on down to `down_to`. `walk` is left at the page that was not finished.
    async fn walk(
        &mut self,
        walk: &mut Walk,
        progress: &Progress,
        down_to: Timestamp,
        top: Top,
    ) -> Result<Extent, Failure> {
        loop {
            if self.pages == 0 || self.is_late() {
                return Ok(Extent::Cut);
            }
            self.pages -= 1;
            let page = self.list(walk.page.clone()).await?;
            if top == Top::Learn && walk.page.is_none() {
                let newest = page.items.iter().filter_map(|chat| chat.last_message_at);
                walk.top = newest.max().unwrap_or(walk.top).max(walk.top);
            }
            let (reached, extent) = self.read_page(&page.items, progress, down_to).await?;
            if extent == Extent::Cut {
                return Ok(Extent::Cut);
            }
            match page.next {
                Some(next) if !reached => walk.page = Some(next),
                _ => return Ok(Extent::Whole),
            }
        }
    }

    async fn list(&self, after: Option<Cursor>) -> Result<Page<ChatSummary>, Failure> {
        let request = match after {
            Some(cursor) => PageRequest::after(PAGE, cursor),
            None => PageRequest::first(PAGE),
        };
        let engine = self.engine;
        Ok(with_auth!(engine, self.creator, Class::Poll, |auth| {
            engine.shared.fanvue.chats(&auth, ChatFilter::All, &request)
        })?)
    }

    /// Reads what is to be read of the chats of a page. Answers with whether the list has been read before from
    /// here on. A chat that fails keeps no other from being read; the page is read again for it.
    async fn read_page(
        &mut self,
        page: &[ChatSummary],
        progress: &Progress,
        down_to: Timestamp,
    ) -> Result<(bool, Extent), Failure> {
        let mut setbacks = Setbacks::default();
        let mut sightings = Vec::with_capacity(page.len());
        for chat in page {
            sightings.push(match self.sight(chat, progress).await {
                Ok(sighting) => sighting,
                Err(failure) => {
                    setbacks.take(failure)?;
                    Sighting::nothing_to_read(chat.last_message_at)
                }
            });
        }
        let plan = plan(&sightings, progress, down_to, &self.options);
        let mut extent = Extent::Whole;
        for look in &plan.looks {
            if self.chats == 0 || self.is_late() {
                extent = Extent::Cut;
                break;
            }
            self.chats -= 1;
            if let Some(chat) = page.get(look.index)
                && let Err(failure) = self.read_chat(chat, look).await
            {
                setbacks.take(failure)?;
            }
        }
        setbacks.end()?;
        Ok((plan.reached, extent))
    }

    /// What is known of a chat of the list. What is older than anything that is looked at is not looked up.
    async fn sight(&self, chat: &ChatSummary, progress: &Progress) -> Result<Sighting, Failure> {
        let mut sighting = Sighting {
            last_message_at: chat.last_message_at,
            newest: Newest::Stored,
            unread: chat.unread_messages,
            complete_to: None,
        };
        let floor = progress.since.minus(self.options.answer_back);
        if chat.last_message_at.is_none_or(|at| at < floor) {
            return Ok(sighting);
        }
        let id = ConversationId::new(self.creator.id, chat.fan.id);
        let store = self.engine.backend().store();
        let stored = store.conversation(id).await?;
        sighting.complete_to = stored.and_then(|stored| stored.value.complete_to);
        let moved = chat.last_message_at > sighting.complete_to;
        if let Some(newest) = chat.last_message
            && (moved || chat.last_message_at == sighting.complete_to)
            && store.message(id, newest).await?.is_none()
        {
            sighting.newest = Newest::Missing;
        }
        Ok(sighting)
    }

    /// Reads one chat as far back as `look` says, and takes in what is new in it.
    async fn read_chat(&mut self, chat: &ChatSummary, look: &Look) -> Result<(), Failure> {
        let from = look.from;
        // Whoever waits for an answer must not wait until all who were found before have theirs.
        let class = if look.awaited {
            Class::LiveReply
        } else {
            Class::Poll
        };
        let id = ConversationId::new(self.creator.id, chat.fan.id);
        let engine = self.engine;
        let asked_at = engine.now();
        let listed = match engine
            .list(self.creator, id, class, Until::SentBefore(from))
            .await
        {
            Ok(listed) => listed,
            Err(failure) if failure.concerns_one_chat => {
                tracing::warn!(creator.id = %id.creator, cause = %failure.note, "a chat could not be read, and is left out until something is said in it");
                Vec::new()
            }
            Err(failure) => return Err(failure),
        };
        let recent: Vec<RemoteMessage> = listed
            .into_iter()
            .filter(|message| message.sent_at.is_some_and(|at| at >= from))
            .collect();
        let newest = recent.iter().filter_map(|message| message.sent_at).max();
        let brought = Brought {
            fan: &chat.fan,
            gone: self.gone(id, &recent).await?,
            arrivals: arrivals(&recent, Some(self.account), id),
            // A chat in which something was said just now is read once more.
            complete_to: newest
                .max(chat.last_message_at)
                .min(Some(asked_at.minus(LATE))),
        };
        let found = engine.shared.intake.bring(self.creator, &brought).await;
        let found = found.map_err(EngineError::from)?;
        let overdue = asked_at.minus(WEBHOOK);
        self.missed += count(found.iter().filter(|sent_at| **sent_at < overdue));
        self.found += count(found.iter());
        Ok(())
    }

    /// The stored messages that were deleted: in the time that the list covers, not on it, and not found when they
    /// are asked for.
    async fn gone(
        &self,
        id: ConversationId,
        listed: &[RemoteMessage],
    ) -> Result<Vec<MessageId>, Failure> {
        let times = || listed.iter().filter_map(|message| message.sent_at);
        let (Some(oldest), Some(newest)) = (times().min(), times().max()) else {
            return Ok(Vec::new());
        };
        let engine = self.engine;
        let page = PageRequest::first(COMPARED);
        let stored = engine.backend().store().messages(id, &page).await?;
        let missing = stored.items.iter().filter(|message| {
            message.deleted_at.is_none()
                && (oldest..=newest).contains(&message.sent_at)
                && listed.iter().all(|listed| listed.id != message.id)
        });
        let mut gone = Vec::new();
        for message in missing.take(ASKED) {
            match with_auth!(engine, self.creator, Class::Poll, |auth| engine
                .shared
                .fanvue
                .message(&auth, id.fan, message.id))
            {
                Err(ClientError::NotFound) => gone.push(message.id),
                Ok(_) => {}
                Err(error) => {
                    let failure = Failure::from(error);
                    if !failure.concerns_one_chat {
                        return Err(failure);
                    }
                }
            }
        }
        Ok(gone)
    }

    /// Whether the next poll may be near.
    fn is_late(&self) -> bool {
        self.engine.now() > self.until
    }
}

/// Failures of single chats of a page.
#[derive(Debug, Default)]
struct Setbacks {
    first: Option<Failure>,
    count: usize,
}

impl Setbacks {
    /// After so many it is not the chats that fail.
    const MOST: usize = 10;

    /// Passes over the chat.
    ///
    /// # Errors
    /// The failure, if it is one that the next chat would meet as well.
    fn take(&mut self, failure: Failure) -> Result<(), Failure> {
        self.count += 1;
        let waits = matches!(
            failure.remedy,
            Remedy::Person(_) | Remedy::Retry(Retry::After(_))
        );
        if failure.limited || waits || self.count > Self::MOST {
            return Err(failure);
        }
        self.first.get_or_insert(failure);
        Ok(())
    }

    /// The first of them, if there was any.
    fn end(self) -> Result<(), Failure> {
        self.first.map_or(Ok(()), Err)
    }
}

/// Whether a walk begins now and learns where, or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Top {
    Learn,
    Known,
}
