//! Erasing what is held of one creator.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Engine, EngineError, Failure, catch_up};
use crate::client::Reach;
use crate::fields::{Fields, FieldsWriter};
use crate::id::CreatorId;
use crate::oauth::GrantId;
use crate::pulse::Whose;
use crate::queue::FailureNote;
use crate::rate::{self, Principal};
use crate::revision::Versioned;
use crate::self_test;
use crate::store::{Erased, HolderId, Lease, LeaseName, RegisterName, StoreError};
use crate::time::Timestamp;

/// Where it is kept who is being erased, since when.
const REGISTER: &str = "erasing";
/// Who changes that list at the same time are few.
const TRIES: usize = 16;
/// How many rows one transaction erases: few enough that whoever waits for it waits shortly.
const AT_ONCE: usize = 500;
/// What of a deployment's processes is under way at a time ends within this time of the mark.
const UNDER_WAY: Duration = Duration::from_secs(60);
/// For so long one process is alone with one creator; it asks again while it is at it.
const LEASE: Duration = Duration::from_secs(60);

/// That a creator is being erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatorErasure {
    /// Who.
    pub creator: CreatorId,
    /// Since when.
    pub since: Timestamp,
    /// From when on the rows go: what was under way by then has ended.
    pub rows_from: Timestamp,
}

/// What a round of [`Engine::erase_creators`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ErasedCreators {
    /// Of so many nothing is left.
    pub finished: u64,
    /// So many wait for their time or for another process, or were not done when the time was up.
    pub unfinished: u64,
    /// With so many something failed; it is tried again.
    pub failed: u64,
}

impl Engine {
    /// Erases what is held of a creator and of all their fans: persona and settings, secrets, conversations,
    /// messages, decisions, payments, broadcasts, jobs.
    ///
    /// When this returns, the creator is unknown: their webhooks are acknowledged and dropped, no answer is begun, their
    /// account may be connected to another creator. The grant is revoked and the rows are erased by
    /// [`erase_creators`](Self::erase_creators), which a worker and a [`Tick`](crate::tick::Tick) call: from
    /// [`CreatorErasure::rows_from`] on, when what was under way has ended. An agency's grant stays, since it reaches
    /// others too.
    ///
    /// What stays is one row with the creator's id, which keeps out what a process has still in hand; the id cannot be
    /// used again. Idempotent until it is done. May be dropped or killed at any point: what was once noted is done.
    ///
    /// # Errors
    /// [`EngineError::UnknownCreator`], also when nothing is left; the store's.
    pub async fn erase_creator(&self, id: CreatorId) -> Result<CreatorErasure, EngineError> {
        let store = self.backend().store();
        let now = self.now();
        let (erasing, _) = self.erasing().await?;
        if let Some(since) = erasing.get(&id) {
            store.mark_erased(id).await?;
            return Ok(self.erasure(id, *since));
        }
        if id == self_test::CREATOR || store.creator(id).await?.is_none() {
            return Err(EngineError::UnknownCreator);
        }
        // Before the mark, so that whoever finds the mark finds the rest of the work too.
        let erasing = self
            .change_erasing(|erasing| {
                erasing.entry(id).or_insert(now);
            })
            .await?;
        store.mark_erased(id).await?;
        tracing::info!(creator.id = %id, "a creator is being erased");
        let since = erasing.get(&id).copied().unwrap_or(now);
        Ok(self.erasure(id, since))
    }

    /// The creators of whom rows are still to be erased.
    ///
    /// # Errors
    /// The store's.
    pub async fn creators_being_erased(&self) -> Result<Vec<CreatorErasure>, EngineError> {
        let (erasing, _) = self.erasing().await?;
        let erasures = erasing
            .into_iter()
            .map(|(id, since)| self.erasure(id, since));
        Ok(erasures.collect())
    }

    /// Goes on with the creators who are being erased, until the engine's clock says `until`. Costs one read if there
    /// are none.
    ///
    /// Safe to call at once and from many places. May be dropped at any point, and goes on where it stopped.
    ///
    /// # Errors
    /// The store's, about the list. What fails with one creator is counted, and ends nothing for the others.
    pub async fn erase_creators(&self, until: Timestamp) -> Result<ErasedCreators, EngineError> {
        let mut report = ErasedCreators::default();
        for erasure in self.creators_being_erased().await? {
            match self.erase_all_of(&erasure, until).await {
                Ok(Erased::All) => report.finished += 1,
                Ok(Erased::Some) => report.unfinished += 1,
                Err(failure) => {
                    report.failed += 1;
                    tracing::warn!(creator.id = %erasure.creator, cause = %failure.note, "erasing a creator goes on later");
                }
            }
        }
        Ok(report)
    }

    fn erasure(&self, creator: CreatorId, since: Timestamp) -> CreatorErasure {
        let timing = self.shared.intake.send_timing();
        CreatorErasure {
            creator,
            since,
            rows_from: since + UNDER_WAY.max(timing.begin_within + timing.settled_within),
        }
    }

    async fn erase_all_of(
        &self,
        erasure: &CreatorErasure,
        until: Timestamp,
    ) -> Result<Erased, Failure> {
        let id = erasure.creator;
        self.backend().store().mark_erased(id).await?;
        let Some(lease) = self.erasure_lease(id).await? else {
            return Ok(Erased::Some);
        };
        let erased = self.erase_under(&lease, erasure, until).await;
        // A lease that stays lapses.
        self.backend().store().release_lease(lease).await?;
        erased
    }

    async fn erase_under(
        &self,
        lease: &Lease,
        erasure: &CreatorErasure,
        until: Timestamp,
    ) -> Result<Erased, Failure> {
        let id = erasure.creator;
        let tokens = &self.shared.tokens;
        let is_time = self.now() >= erasure.rows_from;
        if let Err(error) = tokens.disconnect(id).await {
            // What Fanvue does not revoke by then is erased here alone.
            tracing::warn!(creator.id = %id, error = %FailureNote::from_error(&error), "the grant of a creator who is being erased could not be revoked at fanvue");
        }
        if !is_time {
            return Ok(Erased::Some);
        }
        tokens.erase_secrets_of(id).await?;
        let backend = self.backend();
        while backend.store().erase_creator(id, AT_ONCE).await? == Erased::Some {
            if !self.goes_on(lease, until).await? {
                return Ok(Erased::Some);
            }
        }
        let erase_jobs = || async {
            let erased = backend.queue().erase_lanes_of(id, AT_ONCE).await;
            erased.map_err(EngineError::from)
        };
        while erase_jobs().await? == Erased::Some {
            if !self.goes_on(lease, until).await? {
                return Ok(Erased::Some);
            }
        }
        if let Some(broadcasts) = backend.broadcasts_in() {
            while broadcasts.erase_broadcasts_of(id, AT_ONCE).await? == Erased::Some {
                if !self.goes_on(lease, until).await? {
                    return Ok(Erased::Some);
                }
            }
        }
        self.empty_registers(id).await?;
        self.change_erasing(|erasing| {
            erasing.remove(&id);
        })
        .await?;
        tracing::info!(creator.id = %id, "a creator was erased");
        Ok(Erased::All)
    }

    /// Whether there is time left, and nobody else is at it.
    async fn goes_on(&self, lease: &Lease, until: Timestamp) -> Result<bool, EngineError> {
        let now = self.now();
        let store = self.backend().store();
        let held = store
            .acquire_lease(&lease.name, &lease.holder, now, LEASE)
            .await?;
        Ok(held.is_some() && now < until)
    }

    async fn erasure_lease(&self, id: CreatorId) -> Result<Option<Lease>, EngineError> {
        let holder = HolderId::new(format!("erase/{:016x}", self.draw()?.value()));
        let name = LeaseName::new(format!("erase/{id}"));
        let store = self.backend().store();
        Ok(store
            .acquire_lease(&name, &holder, self.now(), LEASE)
            .await?)
    }

    /// Registers are never deleted; those of the creator say nothing from here on.
    async fn empty_registers(&self, id: CreatorId) -> Result<(), EngineError> {
        let (grant, reach) = (GrantId::Creator(id), Reach::Own);
        let names = [
            catch_up::register(id),
            Whose::Creator(id).register(),
            rate::register(&Principal::Calls { grant, reach }),
            rate::register(&Principal::Statuses { grant, reach }),
        ];
        let store = self.backend().store();
        for name in names {
            let mut tries = 0;
            while let Some(stored) = store.register(&name).await?
                && !stored.value.is_empty()
            {
                match store.set_register(&name, "", Some(stored.revision)).await {
                    Err(StoreError::Conflict) if tries < TRIES => tries += 1,
                    outcome => {
                        outcome?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn erasing(
        &self,
    ) -> Result<(BTreeMap<CreatorId, Timestamp>, Option<Versioned<String>>), EngineError> {
        let store = self.backend().store();
        let stored = store.register(&RegisterName::new(REGISTER)).await?;
        let text = stored.as_ref().map_or("", |stored| &*stored.value);
        Ok((Fields::read(text).times(), stored))
    }

    /// Changes who is being erased, and answers with who is then.
    async fn change_erasing(
        &self,
        change: impl Fn(&mut BTreeMap<CreatorId, Timestamp>) + Send + Sync,
    ) -> Result<BTreeMap<CreatorId, Timestamp>, EngineError> {
        let store = self.backend().store();
        let mut tries = 0;
        loop {
            let (before, stored) = self.erasing().await?;
            let mut erasing = before.clone();
            change(&mut erasing);
            if erasing == before {
                return Ok(erasing);
            }
            let mut fields = FieldsWriter::default();
            for (id, since) in &erasing {
                fields.time(&id.to_string(), *since);
            }
            let name = RegisterName::new(REGISTER);
            let expected = stored.map(|stored| stored.revision);
            match store
                .set_register(&name, &fields.into_text(), expected)
                .await
            {
                Ok(_) => return Ok(erasing),
                Err(StoreError::Conflict) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}
