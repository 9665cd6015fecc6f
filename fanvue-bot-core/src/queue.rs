//! The port to the job queue: durable, at least once, ordered per conversation, fair between creators.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::id::{ConversationId, CreatorId, FanId, JobId};
use crate::page::{Page, PageRequest};
use crate::retry::Retry;
use crate::store::Erased;
use crate::text::text_newtype;
use crate::time::Timestamp;

/// What a job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobKind {
    /// Look at a conversation and do what its state says is due. Carries nothing else: what is to be
    /// done is part of the committed conversation, so a wake-up that is repeated or late does no harm.
    Wake {
        /// Which conversation.
        conversation: ConversationId,
    },
}

impl JobKind {
    /// The name under which it is stored and counted.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Wake { .. } => "wake",
        }
    }
}

/// Which jobs exclude and follow each other: those of one lane run one at a time, in order.
///
/// The tenant is part of it, for fairness and isolation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a lane is exactly this pair")]
pub struct OrderingKey {
    /// The tenant.
    pub creator: CreatorId,
    /// The lane within the tenant: the fan, for a conversation.
    pub lane: Uuid,
}

impl OrderingKey {
    /// The conversation that this lane belongs to.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        ConversationId::new(self.creator, FanId::from_uuid(self.lane))
    }
}

impl From<ConversationId> for OrderingKey {
    fn from(id: ConversationId) -> Self {
        Self {
            creator: id.creator,
            lane: id.fan.as_uuid(),
        }
    }
}

text_newtype! {
    /// A name for a piece of work: a second job with the same key, in the same tenant, is not enqueued.
    ///
    /// At most 200 bytes.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct IdempotencyKey(Box<str>, cut at 200): Display;

    /// The key with this text, cut to 200 bytes at a character boundary.
    new;

    /// The text.
    as_str;
}

impl IdempotencyKey {
    /// The key `name` of a lane: it begins with the lane, so that it goes when the lane is erased.
    #[must_use]
    pub fn in_lane(lane: &OrderingKey, name: &str) -> Self {
        Self::new(format!("{}{name}", Self::prefix_of(lane)))
    }

    /// What the keys of a lane begin with, and no others.
    #[must_use]
    pub fn prefix_of(lane: &OrderingKey) -> String {
        format!("{}/", lane.lane)
    }
}

/// What goes first when not everything can: an earlier variant is claimed before a later one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Priority {
    /// A fan is waiting for an answer.
    #[default]
    LiveReply,
    /// An operator has approved a draft.
    ApprovedDraft,
    /// A nudge after a silence.
    FollowUp,
    /// A message to many.
    Broadcast,
}

impl Priority {
    /// The number under which it is stored; smaller goes first.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::LiveReply => 0,
            Self::ApprovedDraft => 1,
            Self::FollowUp => 2,
            Self::Broadcast => 3,
        }
    }

    /// The priority stored as `rank`; an unknown one goes last.
    #[must_use]
    pub const fn from_rank(rank: u8) -> Self {
        match rank {
            0 => Self::LiveReply,
            1 => Self::ApprovedDraft,
            2 => Self::FollowUp,
            _ => Self::Broadcast,
        }
    }
}

/// A job to enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewJob {
    /// What it asks for.
    pub kind: JobKind,
    /// Its lane.
    pub ordering_key: OrderingKey,
    /// Its name.
    pub idempotency_key: IdempotencyKey,
    /// Not before this.
    pub due: Timestamp,
    /// What goes first.
    pub priority: Priority,
}

impl NewJob {
    /// A wake-up of `conversation` at `due`.
    #[must_use]
    pub fn wake(conversation: ConversationId, due: Timestamp, key: IdempotencyKey) -> Self {
        Self {
            kind: JobKind::Wake { conversation },
            ordering_key: conversation.into(),
            idempotency_key: key,
            due,
            priority: Priority::LiveReply,
        }
    }

    /// With this priority.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }
}

/// What became of one job of an `enqueue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a job is new or it is not")]
pub enum Enqueued {
    /// It was added.
    New(JobId),
    /// Its idempotency key is taken: nothing was added.
    Duplicate,
}

/// A job in the hands of a worker.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct ClaimedJob {
    /// The right to end it.
    pub claim: Claim,
    /// What it asks for.
    pub kind: JobKind,
    /// When it was due.
    pub due: Timestamp,
    /// How often it has been claimed, this time included: 1 for the first.
    pub attempt: u32,
}

/// The right to end one job. Not `Clone`: a claim ends once.
///
/// Fenced: after the lease has lapsed and another worker has taken the job, this claim can neither
/// extend nor end it. A lapsed claim whose job nobody has taken yet still can.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct Claim {
    /// Which job.
    pub job: JobId,
    /// Which taking of it; grows with each.
    pub token: u64,
    /// Until when the worker holds it, unless extended.
    pub leased_until: Timestamp,
}

impl Claim {
    /// A second handle on the same claim, for adapters and for extending: only one of the handles can
    /// end the job, since ending spends the token.
    #[must_use]
    pub const fn duplicate(&self) -> Self {
        Self {
            job: self.job,
            token: self.token,
            leased_until: self.leased_until,
        }
    }
}

/// All due jobs of one lane, oldest first.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it")]
pub struct ClaimedLane {
    /// The lane.
    pub ordering_key: OrderingKey,
    /// Its due jobs, by due time, then by order of enqueueing; never empty.
    pub jobs: Vec<ClaimedJob>,
}

/// How much a claim takes, at most.
///
/// ```
/// use fanvue_bot_core::queue::ClaimLimits;
///
/// let limits = ClaimLimits::lanes(64).of_one_creator(48);
/// assert_eq!((limits.lanes, limits.of_one_creator), (64, 48));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimLimits {
    /// So many lanes in all.
    pub lanes: usize,
    /// So many lanes of one creator in this claim.
    pub of_one_creator: usize,
    /// No lane of these creators. They are left for another claim, and their turn does not pass.
    pub except: Vec<CreatorId>,
}

impl ClaimLimits {
    /// So many lanes, whosoever they are.
    #[must_use]
    pub const fn lanes(lanes: usize) -> Self {
        Self {
            lanes,
            of_one_creator: usize::MAX,
            except: Vec::new(),
        }
    }

    /// At most so many lanes of one creator.
    #[must_use]
    pub const fn of_one_creator(mut self, lanes: usize) -> Self {
        self.of_one_creator = lanes;
        self
    }

    /// No lane of these creators.
    #[must_use]
    pub fn except(mut self, creators: impl IntoIterator<Item = CreatorId>) -> Self {
        self.except = creators.into_iter().collect();
        self
    }

    /// Whether they let no lane through.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.lanes == 0 || self.of_one_creator == 0
    }
}

text_newtype! {
    /// Names a worker process in leases and logs.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub struct WorkerId(Arc<str>): Display;

    /// The worker with this name; unique per process.
    new;

    /// The name.
    as_str;
}

text_newtype! {
    /// Why a job failed, in words fit for an operator: at most 500 bytes, never a secret nor anyone's words.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct FailureNote(Box<str>, cut at 500): Display;

    /// A note with this text, cut to 500 bytes at a character boundary.
    new;

    /// The text.
    as_str;
}

impl FailureNote {
    /// `error` and its causes, from the outside in, joined by colons.
    #[must_use]
    pub fn from_error(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self::new(text)
    }
}

/// A job as it stands, for people to see. Gives no right to end it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "adapters build it from rows")]
pub struct JobRecord {
    /// Which job.
    pub job: JobId,
    /// What it asks for.
    pub kind: JobKind,
    /// When it is or was due.
    pub due: Timestamp,
    /// What goes first.
    pub priority: Priority,
    /// How often it has been claimed.
    pub attempts: u32,
    /// What became of it so far.
    pub standing: JobStanding,
}

/// Whether a job has still to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "what has ended otherwise is not kept"
)]
pub enum JobStanding {
    /// It waits or is being done.
    Open {
        /// Why it was handed back last, if it was.
        last_error: Option<FailureNote>,
    },
    /// It was given up.
    GivenUp {
        /// When.
        at: Timestamp,
        /// Why.
        cause: FailureNote,
    },
}

/// A durable queue of jobs.
///
/// - **At least once**: a job whose lease lapses is handed out again, with a higher attempt.
/// - **Ordered**: jobs of one [`OrderingKey`] are claimed together, oldest first, and while any of them
///   is held, no claim gets that lane, not even one by the same worker. A job that waits for a later time
///   does not block its lane; one that was rescheduled after a failure does, until it is due again, and
///   then stands by its new due time.
/// - **Fair**: a claim takes lanes of different creators in turn, so that one creator's backlog does not
///   delay another's.
/// - **Idempotent**: a key stays taken while its job lives and for a retention time after it ended
///   (a setting of the adapter; a day by default).
/// - Every method is atomic and cancel-safe.
/// - The caller's `now` decides what is due, everywhere. Where several hosts share a queue, its own clock
///   decides leases; for memory, SQLite and virtual time `now` does that too. A lease lapses at its end,
///   not after it.
#[async_trait]
pub trait JobQueue: fmt::Debug + Send + Sync + 'static {
    /// Adds jobs: all or none, durable when this returns. Answers in the order of `jobs`; of two equal
    /// keys in one call the second is a duplicate.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; nothing was added then.
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError>;

    /// Takes lanes that have due jobs, as many as `limits` let through, each with all its due jobs (an adapter may
    /// cap how many of one lane it hands out at once), and leases them to `worker` until `now + lease`. It may take
    /// fewer than there are; if it takes none, there was none that `limits` let through.
    ///
    /// Within a creator, a lane whose first job has the better priority goes first, then the longer due.
    ///
    /// After a claim that left creators out and took nothing, [`ready`](Self::ready) does not resolve for what it
    /// left out: who leaves creators out claims anew when they may have lanes again.
    ///
    /// A queue whose server crashes may forget its last claims: the jobs are there and can be claimed again, also
    /// while who had them still works. Such a claim can end nothing any more, and the revision of what both work on
    /// lets only one of them commit.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; nothing was taken then.
    async fn claim(
        &self,
        worker: &WorkerId,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, QueueError>;

    /// Extends leases to `now + lease` and answers with the claims that are still held; one that is
    /// missing from the answer is lost, and its work must be dropped.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; the leases are as before then.
    async fn extend(
        &self,
        claims: &[Claim],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Claim>, QueueError>;

    /// Ends jobs as done.
    ///
    /// # Errors
    /// [`QueueError::ClaimLost`] if some were taken by another worker meanwhile, or have ended already:
    /// those are left as they are, the others are ended.
    async fn complete(&self, claims: Vec<Claim>, now: Timestamp) -> Result<(), QueueError>;

    /// Hands a job back after a failure, to be claimed again from `due` on. Its lane waits for it.
    ///
    /// # Errors
    /// [`QueueError::ClaimLost`] if it was taken by another worker meanwhile.
    async fn reschedule(
        &self,
        claim: Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError>;

    /// Gives a job up: it is kept for people to see, and never claimed again by itself. Its lane goes on.
    ///
    /// # Errors
    /// [`QueueError::ClaimLost`] if it was taken by another worker meanwhile.
    async fn dead_letter(
        &self,
        claim: Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError>;

    /// The jobs of a lane that have not ended, in hands or not, and those that were given up: in the order in which
    /// they were enqueued. For people to see. A job that stays while pages are read appears exactly once.
    ///
    /// # Errors
    /// [`QueueError::InvalidCursor`] if the cursor is not from the list of `lane`.
    async fn jobs(
        &self,
        lane: &OrderingKey,
        page: &PageRequest,
    ) -> Result<Page<JobRecord>, QueueError>;

    /// Erases what the queue holds of a lane: its jobs that nobody has claimed, those that were given up, the keys
    /// of both and those of its ended jobs that are [`IdempotencyKey::in_lane`], which are free from here on. Of a
    /// claimed job the note of its last failure is erased; it stays claimed, and what is left of it ends with it.
    ///
    /// All or nothing, durable when this returns, idempotent.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; nothing was erased then.
    async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError>;

    /// Erases what the queue holds of a creator, up to `limit` lanes at a time, each as
    /// [`erase_lane`](Self::erase_lane) does, and up to `limit` keys of ended jobs. Durable when this returns,
    /// idempotent.
    ///
    /// [`Erased::All`] means that nothing is left but jobs that are claimed, which end with their claims.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`]; nothing was erased by this call then.
    async fn erase_lanes_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, QueueError>;

    /// Resolves when a claim may find work: a signal from an enqueue, or the next due time. May resolve
    /// for nothing, and may miss work that other processes enqueued or, in an adapter that cannot sleep,
    /// a due time; so callers also poll. A job enqueued between a claim and the call is not missed, unless another
    /// caller in this process claims in between and leaves its creator out; one that comes during the call ends it.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`].
    async fn ready(&self) -> Result<(), QueueError>;
}

/// Why a queue refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The lease lapsed and another worker took the jobs: drop the result.
    #[error("the claim on {} job(s) was lost to another worker", jobs.len())]
    ClaimLost {
        /// Which.
        jobs: Vec<JobId>,
    },
    /// The cursor does not belong to this list.
    #[error("the page cursor is not from this list; start again without one")]
    InvalidCursor,
    /// A stored job does not read back; a newer version of the library may have written it.
    #[error("a stored job does not read back: {reason}")]
    Corrupt {
        /// Which field.
        reason: String,
    },
    /// The queue did not answer.
    #[error("the job queue is unavailable")]
    Unavailable {
        /// The adapter's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl QueueError {
    /// The queue did not answer because of `source`.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// Whether and how to try again.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::ClaimLost { .. } => Retry::Reconcile,
            Self::Corrupt { .. } | Self::InvalidCursor => Retry::Never,
            Self::Unavailable { .. } => Retry::Backoff,
        }
    }
}

macro_rules! forward_queue {
    ($($pointer:ident)::+) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<Q: JobQueue + ?Sized> JobQueue for $($pointer)::+<Q> {
            async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
                (**self).enqueue(jobs).await
            }

            async fn claim(
                &self,
                worker: &WorkerId,
                limits: &ClaimLimits,
                now: Timestamp,
                lease: Duration,
            ) -> Result<Vec<ClaimedLane>, QueueError> {
                (**self).claim(worker, limits, now, lease).await
            }

            async fn extend(
                &self,
                claims: &[Claim],
                now: Timestamp,
                lease: Duration,
            ) -> Result<Vec<Claim>, QueueError> {
                (**self).extend(claims, now, lease).await
            }

            async fn complete(&self, claims: Vec<Claim>, now: Timestamp) -> Result<(), QueueError> {
                (**self).complete(claims, now).await
            }

            async fn reschedule(
                &self,
                claim: Claim,
                due: Timestamp,
                cause: &FailureNote,
            ) -> Result<(), QueueError> {
                (**self).reschedule(claim, due, cause).await
            }

            async fn dead_letter(
                &self,
                claim: Claim,
                now: Timestamp,
                cause: &FailureNote,
            ) -> Result<(), QueueError> {
                (**self).dead_letter(claim, now, cause).await
            }

            async fn jobs(&self, lane: &OrderingKey, page: &PageRequest) -> Result<Page<JobRecord>, QueueError> {
                (**self).jobs(lane, page).await
            }

            async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError> {
                (**self).erase_lane(lane).await
            }

            async fn erase_lanes_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, QueueError> {
                (**self).erase_lanes_of(creator, limit).await
            }

            async fn ready(&self) -> Result<(), QueueError> {
                (**self).ready().await
            }
        }
    };
}
forward_queue!(Arc);
forward_queue!(Box);
