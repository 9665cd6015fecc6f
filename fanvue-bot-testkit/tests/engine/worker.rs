//! The worker's loop, in tokio's paused time, which the scene's clock keeps up with.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::id::{ConversationId, CreatorId, FanId};
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::memory::MemoryBackend;
use fanvue_bot_core::page::{Page, PageRequest};
use fanvue_bot_core::queue::{
    Claim, ClaimLimits, ClaimedLane, Enqueued, FailureNote, IdempotencyKey, JobQueue, JobRecord,
    NewJob, OrderingKey, QueueError, WorkerId,
};
use fanvue_bot_core::store::Erased;
use fanvue_bot_core::time::{Clock as _, Timestamp};
use fanvue_bot_core::worker::{Worker, WorkerOptions, WorkerReport};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use crate::scene::Scene;

fn creator_of(number: u128) -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(number))
}

const TICK: Duration = Duration::from_millis(50);

fn options() -> WorkerOptions {
    WorkerOptions::new(WorkerId::new("w")).lease(Duration::from_secs(3))
}

/// An engine on the scene's clock and Fanvue, with this backend and this model.
fn engine(scene: &Scene, backend: Backend, llm: impl LlmProvider) -> Engine {
    let fanvue = Arc::clone(&scene.fanvue) as _;
    Engine::builder(backend, Arc::new(llm), fanvue, scene.tokens.clone())
        .clock(Arc::new(scene.clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(3)))
        .build()
}

fn with_queue(scene: &Scene, queue: impl JobQueue) -> Backend {
    Backend::separate(Arc::clone(&scene.memory) as _, Arc::new(queue))
}

/// Lets the worker work until `seen`, and then stops it.
async fn work_until(scene: &Scene, worker: Worker, seen: impl AsyncFn() -> bool) -> WorkerReport {
    let (stop, stopped) = oneshot::channel::<()>();
    let watch = async {
        while !seen().await {
            tokio::time::sleep(TICK).await;
            scene.clock.advance(TICK);
        }
        drop(stop);
    };
    let run = worker.run(async {
        let _stop = stopped.await;
    });
    let both = async { tokio::join!(run, watch) };
    let (report, ()) = tokio::time::timeout(Duration::from_secs(3_600), both)
        .await
        .expect("what the test waits for happens within an hour");
    report
}

/// A scene in which the fan has written and is to be answered now.
async fn with_a_fan_waiting() -> Scene {
    let scene = Scene::new([]).await;
    scene.fan_writes(1, "hi").await;
    scene.clock.advance(Duration::from_secs(8));
    scene
}

async fn is_answered(scene: &Scene) -> bool {
    let decision = scene.stored(1).await.decision;
    decision.is_some_and(|decision| matches!(decision.outcome, Outcome::Replied { .. }))
}

#[tokio::test(start_paused = true)]
async fn after_a_claim_that_failed_the_queue_is_left_alone_and_then_asked_again() {
    let scene = with_a_fan_waiting().await;
    let plan = FaultPlan::at(1, Fault::Before).only(|operation| operation == "JobQueue::claim");
    let queue = Faulty::new(Arc::clone(&scene.memory), plan.clone());
    let engine = engine(&scene, with_queue(&scene, queue), scene.llm.clone());
    // Each renewal of leases falls on the end of a wait, so that a wait that begins anew never ends.
    let poll = Duration::from_secs(1);
    let worker = Worker::new(engine, options().poll(poll).lease(poll * 3));
    let started = Instant::now();
    let report = work_until(&scene, worker, async || {
        assert!(started.elapsed() >= poll || plan.calls() <= 1);
        is_answered(&scene).await
    })
    .await;
    assert!(started.elapsed() < poll * 2);
    assert_eq!(report.done, 1);
}

#[tokio::test(start_paused = true)]
async fn options_of_nothing_and_of_forever_work() {
    for time in [Duration::ZERO, Duration::MAX] {
        let scene = with_a_fan_waiting().await;
        let plan = FaultPlan::none().only(|operation| operation == "JobQueue::claim");
        let queue = Faulty::new(Arc::clone(&scene.memory), plan.clone());
        let engine = engine(&scene, with_queue(&scene, queue), scene.llm.clone());
        let options = options().concurrency(0).lease(time).poll(time).drain(time);
        let started = Instant::now();
        let report = work_until(&scene, Worker::new(engine, options), async || {
            is_answered(&scene).await && started.elapsed() > Duration::from_secs(1)
        })
        .await;
        assert_eq!(report.done, 1);
        let claims = plan.calls();
        assert!(claims < 250, "{claims} claims in a second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_panics_is_counted_and_comes_back() {
    let scene = with_a_fan_waiting().await;
    let backend = Backend::shared(Arc::clone(&scene.memory));
    let worker = Worker::new(engine(&scene, backend, PanicsOnce::default()), options());
    let report = work_until(&scene, worker, async || is_answered(&scene).await).await;
    assert_eq!((report.lost, report.done), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn in_two_steps_a_worker_finds_the_fan_whose_wake_up_got_lost() {
    let scene = Scene::new([]).await;
    let plan = FaultPlan::none();
    let queue = Faulty::new(Arc::clone(&scene.memory), plan.clone());
    let engine = engine(&scene, with_queue(&scene, queue), scene.llm.clone());
    plan.fail_next("JobQueue::enqueue", Fault::Before);
    let event = scene.received(1, Some("hi"));
    engine.accept(&event).await.unwrap_err();
    assert_eq!(scene.memory.job_count(), 0);
    let started = Instant::now();
    let worker = Worker::new(engine, options());
    work_until(&scene, worker, async || is_answered(&scene).await).await;
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_ends_while_leases_are_renewed_is_not_lost() {
    let scene = with_a_fan_waiting().await;
    let meeting = Arc::new(Meeting::default());
    let queue = Arc::new(Steered {
        memory: Arc::clone(&scene.memory),
        meeting: Arc::clone(&meeting),
        moment: Moment::JobsEndDuringARenewal,
    });
    let engine = engine(&scene, with_queue(&scene, queue), scene.llm.clone());
    let worker = Worker::new(engine, options());
    let report = work_until(&scene, worker, async || meeting.renewals() > 0).await;
    assert_eq!((report.done, report.lost, report.handed_back), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_claimed_again_before_its_first_end_is_seen_stays_in_hand() {
    let scene = with_a_fan_waiting().await;
    let meeting = Arc::new(Meeting::default());
    let queue = Arc::new(Steered {
        memory: Arc::clone(&scene.memory),
        meeting: Arc::clone(&meeting),
        moment: Moment::JobComesBackDuringARenewal(scene.clock.clone()),
    });
    let calls = Arc::new(AtomicUsize::new(0));
    let llm = FailsInARenewal {
        meeting: Arc::clone(&meeting),
        calls: Arc::clone(&calls),
    };
    let engine = engine(&scene, with_queue(&scene, queue), llm);
    let worker = Worker::new(engine, options().drain(Duration::ZERO));
    let report = work_until(&scene, worker, async || meeting.renewals() > 5).await;
    assert_eq!(meeting.renewed.lock().unwrap()[1..], [1, 1, 1, 1, 1]);
    assert_eq!(calls.load(Ordering::SeqCst), 2, "its lease never lapses");
    assert_eq!((report.retrying, report.handed_back), (1, 1));
    assert_eq!(report.lost, 0);
}

#[tokio::test(start_paused = true)]
async fn one_creator_with_slow_work_leaves_a_hand_for_another() {
    let scene = Scene::new([]).await;
    let meeting = Arc::new(Meeting::default());
    let queue = Arc::new(Steered {
        memory: Arc::clone(&scene.memory),
        meeting: Arc::clone(&meeting),
        moment: Moment::EndingTakes(Duration::from_secs(1)),
    });
    let (flooding, other) = (creator_of(1), creator_of(2));
    let job = |creator, number: u128| {
        let fan = FanId::from_uuid(Uuid::from_u128(number));
        let key = IdempotencyKey::new(number.to_string());
        NewJob::wake(ConversationId::new(creator, fan), scene.clock.now(), key)
    };
    let flood: Vec<NewJob> = (0..40).map(|number| job(flooding, number)).collect();
    queue.enqueue(&flood).await.unwrap();
    let worker = Worker::new(
        engine(
            &scene,
            with_queue(&scene, Arc::clone(&queue)),
            scene.llm.clone(),
        ),
        options().concurrency(4),
    );
    let added: Cell<Option<Instant>> = Cell::new(None);
    let report = work_until(&scene, worker, async || {
        let taken = meeting.taken.lock().unwrap().clone();
        if added.get().is_none() && taken.len() == 6 {
            queue.enqueue(&[job(other, 100)]).await.unwrap();
            added.set(Some(Instant::now()));
        }
        scene.memory.job_count() == 0
    })
    .await;
    assert_eq!(report.done, 41);

    let taken = meeting.taken.lock().unwrap();
    let (at, _) = taken.iter().find(|(_, creator)| *creator == other).unwrap();
    let waited = at.duration_since(added.get().unwrap());
    assert!(
        waited <= Duration::from_millis(10),
        "{waited:?}: the free hand takes it at once"
    );
    let mut of_one: Vec<Instant> = taken
        .iter()
        .filter(|(_, creator)| *creator == flooding)
        .map(|(at, _)| *at)
        .collect();
    of_one.sort();
    for four in of_one.windows(4) {
        assert!(
            four[3] - four[0] >= Duration::from_secs(1),
            "in hand at once"
        );
    }
    let took = of_one.last().unwrap().duration_since(of_one[0]);
    assert!(
        took < Duration::from_secs(15),
        "{took:?}: a free hand was not filled"
    );
    let claims = meeting.claims.load(Ordering::Relaxed);
    assert!(claims < 120, "{claims} claims for 41 lanes in 14 s");
}

#[tokio::test(start_paused = true)]
async fn what_comes_for_a_creator_who_has_all_of_its_share_costs_few_claims() {
    let scene = Scene::new([]).await;
    let meeting = Arc::new(Meeting::default());
    let queue = Arc::new(Steered {
        memory: Arc::clone(&scene.memory),
        meeting: Arc::clone(&meeting),
        moment: Moment::EndingTakes(Duration::from_secs(10)),
    });
    let worker = Worker::new(
        engine(
            &scene,
            with_queue(&scene, Arc::clone(&queue)),
            scene.llm.clone(),
        ),
        options().concurrency(4),
    );
    let job = |number: u128| {
        let fan = FanId::from_uuid(Uuid::from_u128(number));
        let key = IdempotencyKey::new(number.to_string());
        NewJob::wake(
            ConversationId::new(creator_of(1), fan),
            scene.clock.now(),
            key,
        )
    };
    work_until(&scene, worker, async || {
        for number in 0..1_000 {
            queue.enqueue(&[job(number)]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        true
    })
    .await;
    assert_eq!(meeting.taken.lock().unwrap().len(), 3);
    let claims = meeting.claims.load(Ordering::Relaxed);
    assert!(claims < 120, "{claims} claims in a second, for three lanes");
}

/// A model that panics once, and then says something.
#[derive(Debug, Default)]
struct PanicsOnce(AtomicBool);

#[async_trait]
impl LlmProvider for PanicsOnce {
    async fn complete(&self, _request: &CompletionRequest) -> Result<Completion, LlmError> {
        assert!(self.0.swap(true, Ordering::SeqCst), "as the test asks");
        Ok(Completion::new("hey you"))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}

/// A model that fails as soon as leases are being renewed, and then never answers.
#[derive(Debug)]
struct FailsInARenewal {
    meeting: Arc<Meeting>,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl LlmProvider for FailsInARenewal {
    async fn complete(&self, _request: &CompletionRequest) -> Result<Completion, LlmError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) > 0 {
            std::future::pending::<()>().await;
        }
        self.meeting.renewing.notified().await;
        Err(LlmError::overloaded("busy"))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}

/// Where a lane's end and a renewal of leases wait for each other.
#[derive(Debug, Default)]
struct Meeting {
    renewing: Notify,
    ended: Notify,
    renewed: Mutex<Vec<usize>>,
    claims: AtomicUsize,
    /// Whose lanes were claimed, and when.
    taken: Mutex<Vec<(Instant, CreatorId)>>,
}

impl Meeting {
    fn renewals(&self) -> usize {
        self.renewed.lock().unwrap().len()
    }
}

#[derive(Debug)]
enum Moment {
    /// A job is handed back, due at once by this clock, while the first renewal is under way.
    JobComesBackDuringARenewal(VirtualClock),
    /// The end of a lane's jobs takes so long.
    EndingTakes(Duration),
    /// The jobs are ended before a renewal, and the lane hears of it only after.
    JobsEndDuringARenewal,
}

/// A queue in which things happen at one moment.
#[derive(Debug)]
struct Steered {
    memory: Arc<MemoryBackend>,
    meeting: Arc<Meeting>,
    moment: Moment,
}

#[async_trait]
impl JobQueue for Steered {
    async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        self.memory.enqueue(jobs).await
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        limits: &ClaimLimits,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<ClaimedLane>, QueueError> {
        let lanes = self.memory.claim(worker, limits, now, lease).await?;
        self.meeting.claims.fetch_add(1, Ordering::Relaxed);
        let mut taken = self.meeting.taken.lock().unwrap();
        let creators = lanes.iter().map(|lane| lane.ordering_key.creator);
        taken.extend(creators.map(|creator| (Instant::now(), creator)));
        Ok(lanes)
    }

    async fn extend(
        &self,
        claims: &[Claim],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Claim>, QueueError> {
        let is_first = self.meeting.renewals() == 0;
        self.meeting.renewed.lock().unwrap().push(claims.len());
        self.meeting.renewing.notify_one();
        if is_first && matches!(self.moment, Moment::JobComesBackDuringARenewal(_)) {
            self.meeting.ended.notified().await;
        }
        self.memory.extend(claims, now, lease).await
    }

    async fn complete(&self, claims: Vec<Claim>, now: Timestamp) -> Result<(), QueueError> {
        if let Moment::EndingTakes(time) = self.moment {
            tokio::time::sleep(time).await;
        }
        self.memory.complete(claims, now).await?;
        if matches!(self.moment, Moment::JobsEndDuringARenewal) {
            self.meeting.renewing.notified().await;
        }
        Ok(())
    }

    async fn reschedule(
        &self,
        claim: Claim,
        due: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        self.memory.reschedule(claim, due, cause).await?;
        if let Moment::JobComesBackDuringARenewal(clock) = &self.moment {
            clock.advance_to(due);
            self.meeting.ended.notify_one();
        }
        Ok(())
    }

    async fn dead_letter(
        &self,
        claim: Claim,
        now: Timestamp,
        cause: &FailureNote,
    ) -> Result<(), QueueError> {
        self.memory.dead_letter(claim, now, cause).await
    }

    async fn jobs(
        &self,
        lane: &OrderingKey,
        page: &PageRequest,
    ) -> Result<Page<JobRecord>, QueueError> {
        self.memory.jobs(lane, page).await
    }

    async fn erase_lane(&self, lane: &OrderingKey) -> Result<(), QueueError> {
        self.memory.erase_lane(lane).await
    }

    async fn erase_lanes_of(&self, creator: CreatorId, limit: usize) -> Result<Erased, QueueError> {
        self.memory.erase_lanes_of(creator, limit).await
    }

    async fn ready(&self) -> Result<(), QueueError> {
        self.memory.ready().await
    }
}
