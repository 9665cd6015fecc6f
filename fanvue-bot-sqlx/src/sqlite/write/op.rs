//! Operations on their way through the writer, and their answers on the way back.

use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::queue::{Claim, ClaimedLane, QueueError};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::secret::{Rewrapped, VaultError};
use fanvue_bot_core::store::{Erased, Lease, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::{
    Acquiring, BroadcastWrite, Claiming, Completing, DeadLettering, DeletingSecret, ErasingCreator,
    ErasingLane, ErasingMessages, Extending, Intake, MarkingErased, PuttingSecret, Releasing,
    Rescheduling, RewrappingSecret, SettingRegister, Transaction, Written, commit, end,
};
use crate::sqlite::fault::Fault;

/// An operation, what came of it, and who waits for that. The caller may have gone: the operation is
/// done all the same, since the writer cannot know that it was given up.
pub(in crate::sqlite) struct Call<A, T, E> {
    pub(super) args: A,
    pub(super) outcome: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<A, T, E: From<Fault>> Call<A, T, E> {
    /// Hands the operation to the writer and waits for its answer, which comes after the commit.
    pub(in crate::sqlite) async fn make(
        inbox: &mpsc::Sender<Op>,
        args: A,
        wrap: impl FnOnce(Self) -> Op,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        let call = Self {
            args,
            outcome: None,
            reply,
        };
        if inbox.send(wrap(call)).await.is_err() {
            return Err(Fault::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(Fault::Closed.into()))
    }

    fn answer(self) {
        let outcome = self.outcome.unwrap_or_else(|| Err(Fault::Closed.into()));
        // The caller may have gone.
        let _ = self.reply.send(outcome);
    }

    fn fail(self, fault: &Fault) {
        // The caller may have gone.
        let _ = self.reply.send(Err(fault.clone().into()));
    }
}

/// Everything that can be asked of the writer.
pub(in crate::sqlite) enum Op {
    Intake(Call<Intake, Written, BackendError>),
    Claim(Call<Claiming, Vec<ClaimedLane>, QueueError>),
    Extend(Call<Extending, Vec<Claim>, QueueError>),
    Complete(Call<Completing, (), QueueError>),
    Reschedule(Call<Rescheduling, (), QueueError>),
    DeadLetter(Call<DeadLettering, (), QueueError>),
    Acquire(Call<Acquiring, Option<Lease>, StoreError>),
    Release(Call<Releasing, (), StoreError>),
    SetRegister(Call<SettingRegister, Revision, StoreError>),
    PutSecret(Call<PuttingSecret, Revision, VaultError>),
    DeleteSecret(Call<DeletingSecret, (), VaultError>),
    RewrapSecret(Call<RewrappingSecret, Rewrapped, VaultError>),
    EraseMessages(Call<ErasingMessages, Erased, StoreError>),
    EraseLane(Call<ErasingLane, (), QueueError>),
    MarkErased(Call<MarkingErased, (), StoreError>),
    EraseCreator(Call<ErasingCreator, Erased, StoreError>),
    EraseJobs(Call<ErasingCreator, Erased, QueueError>),
    EraseBroadcasts(Call<ErasingCreator, Erased, StoreError>),
    WriteBroadcast(Call<BroadcastWrite, Revision, StoreError>),
    Close(oneshot::Sender<()>),
}

impl Op {
    pub(super) fn answer(self) {
        match self {
            Self::Intake(call) => call.answer(),
            Self::Claim(call) => call.answer(),
            Self::Extend(call) => call.answer(),
            Self::Complete(call) => call.answer(),
            Self::Reschedule(call) => call.answer(),
            Self::DeadLetter(call) => call.answer(),
            Self::Acquire(call) => call.answer(),
            Self::Release(call) => call.answer(),
            Self::SetRegister(call) => call.answer(),
            Self::PutSecret(call) => call.answer(),
            Self::DeleteSecret(call) => call.answer(),
            Self::RewrapSecret(call) => call.answer(),
            Self::EraseMessages(call) => call.answer(),
            Self::EraseLane(call) => call.answer(),
            Self::MarkErased(call) => call.answer(),
            Self::EraseCreator(call) => call.answer(),
            Self::EraseJobs(call) => call.answer(),
            Self::EraseBroadcasts(call) => call.answer(),
            Self::WriteBroadcast(call) => call.answer(),
            Self::Close(_) => {}
        }
    }

    pub(super) fn fail(self, fault: &Fault) {
        match self {
            Self::Intake(call) => call.fail(fault),
            Self::Claim(call) => call.fail(fault),
            Self::Extend(call) => call.fail(fault),
            Self::Complete(call) => call.fail(fault),
            Self::Reschedule(call) => call.fail(fault),
            Self::DeadLetter(call) => call.fail(fault),
            Self::Acquire(call) => call.fail(fault),
            Self::Release(call) => call.fail(fault),
            Self::SetRegister(call) => call.fail(fault),
            Self::PutSecret(call) => call.fail(fault),
            Self::DeleteSecret(call) => call.fail(fault),
            Self::RewrapSecret(call) => call.fail(fault),
            Self::EraseMessages(call) => call.fail(fault),
            Self::EraseLane(call) => call.fail(fault),
            Self::MarkErased(call) => call.fail(fault),
            Self::EraseCreator(call) => call.fail(fault),
            Self::EraseJobs(call) => call.fail(fault),
            Self::EraseBroadcasts(call) => call.fail(fault),
            Self::WriteBroadcast(call) => call.fail(fault),
            Self::Close(_) => {}
        }
    }
}

/// The operations of one transaction. Intakes and completions are done together, since one statement
/// serves any number of them; the others in the order in which they came.
#[derive(Default)]
pub(super) struct Group<'o> {
    intakes: Vec<&'o mut Call<Intake, Written, BackendError>>,
    completions: Vec<&'o mut Call<Completing, (), QueueError>>,
    others: Vec<&'o mut Op>,
}

impl<'o> Group<'o> {
    pub(super) fn of(ops: &'o mut [Op]) -> Self {
        let mut group = Self::default();
        for op in ops {
            match op {
                Op::Intake(call) => group.intakes.push(call),
                Op::Complete(call) => group.completions.push(call),
                other => group.others.push(other),
            }
        }
        group
    }

    /// At most how many numbers of the sequence these operations need.
    pub(super) fn numbers(&self) -> i64 {
        let jobs: usize = self.intakes.iter().map(|call| call.args.jobs.len()).sum();
        let others = self
            .others
            .iter()
            .filter(|op| matches!(op, Op::Claim(_) | Op::Acquire(_) | Op::PutSecret(_)))
            .count();
        i64::try_from(jobs + others).unwrap_or(i64::MAX)
    }

    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        end::complete(transaction, &mut self.completions).await?;
        commit::commit(transaction, &mut self.intakes).await?;
        for op in &mut self.others {
            match op {
                Op::Claim(call) => call.run(transaction).await?,
                Op::Extend(call) => call.run(transaction).await?,
                Op::Reschedule(call) => call.run(transaction).await?,
                Op::DeadLetter(call) => call.run(transaction).await?,
                Op::Acquire(call) => call.run(transaction).await?,
                Op::Release(call) => call.run(transaction).await?,
                Op::SetRegister(call) => call.run(transaction).await?,
                Op::PutSecret(call) => call.run(transaction).await?,
                Op::DeleteSecret(call) => call.run(transaction).await?,
                Op::RewrapSecret(call) => call.run(transaction).await?,
                Op::EraseMessages(call) => call.run(transaction).await?,
                Op::EraseLane(call) => call.run(transaction).await?,
                Op::MarkErased(call) => call.run(transaction).await?,
                Op::EraseCreator(call) => call.run(transaction).await?,
                Op::EraseJobs(call) => call.run_jobs(transaction).await?,
                Op::EraseBroadcasts(call) => call.run_broadcasts(transaction).await?,
                Op::WriteBroadcast(call) => call.run(transaction).await?,
                Op::Intake(_) | Op::Complete(_) | Op::Close(_) => {}
            }
        }
        transaction.purge().await
    }
}
