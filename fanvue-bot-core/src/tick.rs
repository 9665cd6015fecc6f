//! What has to be done from time to time and that no message asks for.
//!
//! A deployment in which a `worker` runs needs a tick now and then for what a worker does not do; one
//! without a worker needs it every minute.

use crate::broadcast::{Advanced, Broadcaster};
use crate::engine::{CaughtUp, Engine, EngineError};
use crate::id::CreatorId;
use crate::oauth::{Authorizer, Connection, GrantId};
use crate::pulse::Pulse;
use crate::queue::FailureNote;
use crate::revision::Versioned;
use crate::self_test;
use crate::store::{RegisterName, Store, StoreError};
use crate::time::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a refresh token may lie unused. How long Fanvue lets it is not published.
///
/// Source: Fanvue API reference, section 13: refresh at least daily.
const UNUSED: Duration = Duration::from_secs(86_400);
/// How many creators are listed at a time.
const PAGE: usize = 100;
/// How many broadcasts are listed at a time.
const BROADCASTS: usize = 50;
/// Where the round through the creators stands: the last one that was seen to.
const ROUND: &str = "tick";

/// Does what has to be done from time to time:
///
/// - wakes conversations whose wake-up got lost ([`Engine::wake_overdue`]),
/// - erases authorizations that nobody came back to, for each creator in turn, and those of agencies,
/// - uses refresh tokens that were not used for a day, so that they do not lapse,
/// - reads the chats again for what webhooks missed, of each creator whose time it is ([`Engine::catch_up`]),
/// - sees to the broadcasts that are due, so that scheduled ones begin ([`Broadcaster::advance`]),
/// - erases rows of creators who are being erased ([`Engine::erase_creators`]),
/// - writes how things go to the store ([`Pulse::flush`]).
///
/// Leases that lapsed need nobody: whoever claims finds them.
#[derive(Debug, Clone)]
pub struct Tick {
    engine: Engine,
    authorizer: Option<Authorizer>,
}

/// What a [`Tick::run`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TickReport {
    /// Creators whose chats were read again.
    pub polled: u64,
    /// Messages that webhooks had missed.
    pub found: u64,
    /// Polls that have to wait, because something failed or Fanvue said so.
    pub polls_put_off: u64,
    /// How often a broadcast was seen to.
    pub broadcasts: u64,
    /// Creators who were seen to.
    pub creators: u64,
    /// Authorizations that had expired and were erased.
    pub authorizations_erased: u64,
    /// Grants whose tokens were refreshed to keep them alive.
    pub grants_kept: u64,
    /// Creators of whom nothing is left.
    pub creators_erased: u64,
    /// What could not be done and is tried again in the next round.
    pub failed: u64,
    /// Whether the time was up before all creators were seen to: the next tick goes on there.
    pub more: bool,
}

impl Tick {
    /// The tick of `engine`'s deployment.
    #[must_use]
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            authorizer: None,
        }
    }

    /// Also erasing what was begun with `authorizer` and has expired.
    #[must_use]
    pub fn authorizer(mut self, authorizer: Authorizer) -> Self {
        self.authorizer = Some(authorizer);
        self
    }

    /// Does what is to be done, until it is done or the engine's clock says `until`.
    ///
    /// Idempotent, and safe to call at once and from many places: what two do at a time is done twice to the
    /// same end. May be dropped at any point.
    ///
    /// # Errors
    /// The store's and the queue's. Trouble with one creator is counted and does not end it.
    pub async fn run(&self, until: Timestamp) -> Result<TickReport, EngineError> {
        let mut report = TickReport::default();
        let mut overdue = None;
        loop {
            overdue = self.engine.wake_overdue(overdue).await?;
            if overdue.is_none() || self.engine.now() >= until {
                break;
            }
        }
        report.more = overdue.is_some();
        self.agencies(until, &mut report).await;
        self.creators(until, &mut report).await?;
        self.polls(until, &mut report).await?;
        self.broadcasts(until, &mut report).await?;
        let erased = self.engine.erase_creators(until).await?;
        report.creators_erased = erased.finished;
        report.failed += erased.failed;
        let (pulse, now): (&Pulse, _) = (self.engine.pulse(), self.engine.now());
        pulse.flush(&**self.store(), now).await?;
        Ok(report)
    }

    /// Polls whoever is due, once each, one after the other: several at once are several ticks. Who is left is no
    /// reason for another tick at once, since polls are due again every minute.
    async fn polls(&self, until: Timestamp, report: &mut TickReport) -> Result<(), EngineError> {
        let mut seen = BTreeSet::new();
        while self.engine.now() < until {
            let due = self.engine.due_for_catch_up(1).await?;
            let Some(creator) = due.first().filter(|creator| seen.insert(**creator)) else {
                break;
            };
            match self.engine.catch_up(*creator).await? {
                CaughtUp::Polled { found, .. } => {
                    report.polled += 1;
                    report.found += found;
                }
                CaughtUp::PutOff { .. } => report.polls_put_off += 1,
                CaughtUp::NotDue { .. } | CaughtUp::NobodyToPoll => {}
            }
        }
        Ok(())
    }

    /// Sees to the broadcasts that are due, in turns. The sends themselves are done by whoever works on conversations.
    async fn broadcasts(
        &self,
        until: Timestamp,
        report: &mut TickReport,
    ) -> Result<(), EngineError> {
        let Some(broadcaster) = Broadcaster::new(&self.engine) else {
            return Ok(());
        };
        loop {
            let mut more = false;
            for (creator, id) in broadcaster.due(BROADCASTS).await? {
                if self.engine.now() >= until {
                    report.more = true;
                    return Ok(());
                }
                match broadcaster.advance(creator, id).await {
                    Ok(advanced) => {
                        report.broadcasts += 1;
                        more |= advanced == Advanced::More;
                    }
                    Err(error) => {
                        report.failed += 1;
                        tracing::warn!(broadcast.id = %id, error = %FailureNote::from_error(&error), "a broadcast could not be seen to");
                    }
                }
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Sees to the creators, from where the last round stopped.
    async fn creators(&self, until: Timestamp, report: &mut TickReport) -> Result<(), StoreError> {
        let name = RegisterName::new(ROUND);
        let stood = self.store().register(&name).await?;
        let mut after: Option<CreatorId> =
            stored(stood.as_ref()).and_then(|creator| creator.parse().ok());
        loop {
            let ids = self.store().creator_ids(after, PAGE).await?;
            for id in &ids {
                if self.engine.now() >= until {
                    report.more = true;
                    return self.remember(&name, after, stood).await;
                }
                if *id != self_test::CREATOR {
                    self.creator(*id, report).await?;
                }
                after = Some(*id);
            }
            if ids.len() < PAGE {
                return self.remember(&name, None, stood).await;
            }
        }
    }

    /// Notes where the next tick goes on. Another one that ticks at the same time may have noted it first.
    async fn remember(
        &self,
        name: &RegisterName,
        after: Option<CreatorId>,
        stood: Option<Versioned<String>>,
    ) -> Result<(), StoreError> {
        let stands = after.map_or_else(String::new, |after| after.to_string());
        if stored(stood.as_ref()).unwrap_or_default() == stands {
            return Ok(());
        }
        let expected = stood.map(|stood| stood.revision);
        match self.store().set_register(name, &stands, expected).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn creator(&self, id: CreatorId, report: &mut TickReport) -> Result<(), StoreError> {
        report.creators += 1;
        if let Some(authorizer) = &self.authorizer {
            erase_expired(authorizer, id.into(), report).await;
        }
        self.keep_alive(id, report).await
    }

    /// Erases the authorizations that agencies have begun and not come back to.
    async fn agencies(&self, until: Timestamp, report: &mut TickReport) {
        let Some(authorizer) = &self.authorizer else {
            return;
        };
        match authorizer.expired_agencies().await {
            Ok(agencies) => {
                for agency in agencies {
                    if self.engine.now() >= until {
                        report.more = true;
                        return;
                    }
                    erase_expired(authorizer, agency.into(), report).await;
                }
            }
            Err(error) => {
                report.failed += 1;
                tracing::warn!(error = %FailureNote::from_error(&error), "the agencies whose authorization expired could not be read");
            }
        }
    }

    async fn keep_alive(&self, id: CreatorId, report: &mut TickReport) -> Result<(), StoreError> {
        let Some(creator) = self.store().creator(id).await? else {
            return Ok(());
        };
        let now = self.engine.now();
        let kept = async {
            let status = self.engine.grant(&creator.value).await?;
            let unused = status
                .issued_at
                .is_none_or(|issued| now.since(issued) >= UNUSED);
            if status.connection != Connection::Connected || !unused {
                return Ok(false);
            }
            self.engine.keep_grant(&creator.value).await.map(|()| true)
        };
        match kept.await {
            Ok(true) => report.grants_kept += 1,
            Ok(false) => {}
            Err(error) => {
                report.failed += 1;
                tracing::warn!(creator.id = %id, error = %FailureNote::from_error(&error), "an unused grant could not be kept alive");
            }
        }
        Ok(())
    }

    fn store(&self) -> &Arc<dyn Store> {
        self.engine.backend().store()
    }
}

async fn erase_expired(authorizer: &Authorizer, id: GrantId, report: &mut TickReport) {
    match authorizer.erase_expired(id).await {
        Ok(true) => report.authorizations_erased += 1,
        Ok(false) => {}
        Err(error) => {
            report.failed += 1;
            tracing::warn!(grant.id = %id, error = %FailureNote::from_error(&error), "an expired authorization could not be erased");
        }
    }
}

fn stored(stood: Option<&Versioned<String>>) -> Option<&str> {
    stood.map(|stood| stood.value.as_str())
}
