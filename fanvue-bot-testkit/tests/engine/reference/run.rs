//! A script, played to the engine with faults and to the model without.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::RemoteMessage;
use fanvue_bot_core::conversation::{Conversation, Phase};
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::flow::{DraftId, OperatorAction, Timing};
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::llm::Completion;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue, WorkerId};
use fanvue_bot_core::retry::Backoff;
use fanvue_bot_core::settings::{Mode, Overrides, Pace, Settings};
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::{Clock, Timestamp};
use fanvue_bot_core::webhook::Event;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{FaultPlan, FaultRates, Faulty};
use fanvue_bot_testkit::llm::ScriptedLlm;

use super::model::{
    DRAFT_EXPIRY, Fate, HUMAN_PAUSE, LONGEST_SETTLE, Model, OPERATOR_PAUSE, SETTLE, Seen,
};
use super::script::{Act, Sign, script};
use crate::ids::{account, chat, message};
use crate::scene::Scene;

/// What was tried.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) acts: u64,
    pub(super) replies: u64,
    pub(super) faults: u64,
    pub(super) crashes: u64,
}

impl Counted {
    pub(super) fn add(&mut self, other: Self) {
        self.acts += other.acts;
        self.replies += other.replies;
        self.faults += other.faults;
        self.crashes += other.crashes;
    }
}

const TICK: Duration = Duration::from_millis(1);
/// A lease that lapses at once: what a crash leaves is taken over in the next millisecond.
const LEASE: Duration = TICK;
/// Whatever is due together is done within this time, or it belongs to a later one.
const TOGETHER: Duration = Duration::from_millis(240);
/// After so many tries nothing fails any more, until all is at rest.
const TRIES: u64 = 40;

const RATES: FaultRates = FaultRates {
    before: 30,
    after: 30,
    hang_before: 20,
    hang_after: 25,
};

/// The first message of a fan, and what it says; answered before the script begins, so that the chat is known.
const WARM_UP: u32 = 1;

/// Plays the script of `seed`; the error tells where engine and model differ.
pub(super) async fn run(number: u64, seed: Seed) -> Result<Counted, String> {
    let mut stage = Stage::new(seed).await;
    let mut model = Model::new();
    let acts = script(seed);
    let mut now = 0;
    let mut played = Vec::new();
    let compare = |stage: &Seen, model: &Model, played: &[(u64, Act)]| {
        let expected = model.seen();
        if *stage == expected {
            return Ok(());
        }
        Err(format!(
            "seed {number}, MODEL_FIRST={number} MODEL_SEEDS=1\nplayed {played:#?}\nmodel  {expected:#?}\nengine {stage:#?}"
        ))
    };
    for (wait, act) in &acts {
        now += wait;
        stage.pass_to(now).await;
        model.pass_to(now);
        compare(&stage.seen().await, &model, &played)?;
        played.push((now, *act));
        stage.act(act).await;
        model.act(act);
        stage.work().await;
        compare(&stage.seen().await, &model, &played)?;
    }
    now += 2_000_000;
    stage.pass_to(now).await;
    model.pass_to(now);
    compare(&stage.seen().await, &model, &played)?;
    Ok(Counted {
        acts: u64::try_from(acts.len()).unwrap(),
        replies: u64::try_from(stage.replies()).unwrap(),
        faults: u64::try_from(stage.plan.injected().len()).unwrap(),
        crashes: stage.crashes,
    })
}

struct Stage {
    scene: Scene,
    engine: Engine,
    plan: FaultPlan,
    start: Timestamp,
    crashes: u64,
    /// The events of the fan's messages, as Fanvue first told them.
    events: BTreeMap<u32, Event>,
}

impl Stage {
    async fn new(seed: Seed) -> Self {
        let mut settings = Settings::default()
            .mode(Mode::Auto)
            .pace(Pace::Immediate)
            .settle(
                Duration::from_millis(SETTLE),
                Duration::from_millis(LONGEST_SETTLE),
            );
        settings.human_pause = Duration::from_millis(HUMAN_PAUSE);
        settings.draft_expiry = Duration::from_millis(DRAFT_EXPIRY);
        let scene = Scene::with([], settings, Backend::shared).await;
        scene.connect(Duration::from_secs(30 * 86_400)).await;
        let plan = FaultPlan::seeded(seed.derive("faults"), RATES);
        plan.calm();
        let answers = AtomicU64::new(0);
        let llm = ScriptedLlm::default().template(move |_| {
            let number = answers.fetch_add(1, Ordering::Relaxed);
            Completion::new(format!("answer a{number}a"))
        });
        let engine = Engine::builder(
            Backend::shared(Arc::new(Faulty::new(
                Arc::clone(&scene.memory),
                plan.clone(),
            ))),
            Arc::new(Faulty::new(llm, plan.clone())),
            Arc::new(Faulty::new(Arc::clone(&scene.fanvue), plan.clone())),
            scene.tokens.clone(),
        )
        .clock(Arc::new(scene.clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(seed.value())))
        .backoff(Backoff::new(TICK, TICK, 100_000))
        .timing(
            Timing::default()
                .send(2 * TICK, 3 * TICK)
                .search(TICK, TICK, 2)
                .look(TICK, TICK),
        )
        .build();
        let mut stage = Self {
            start: scene.clock.now(),
            scene,
            engine,
            plan,
            crashes: 0,
            events: BTreeMap::new(),
        };
        let event = stage.scene.received(WARM_UP, Some("hi"));
        stage.deliver(&event).await;
        stage.pass_to(30_000).await;
        assert_eq!(stage.scene.fanvue.sent().len(), 1);
        stage.start = stage.scene.clock.now();
        stage.plan.resume();
        stage
    }

    fn at(&self, millis: u64) -> Timestamp {
        self.start + Duration::from_millis(millis)
    }

    /// Lets time pass, and does what falls due in it.
    async fn pass_to(&mut self, millis: u64) {
        let to = self.at(millis);
        while let Some(due) = self.scene.memory.next_due().filter(|due| *due < to) {
            self.scene.clock.advance_to(due.max(self.scene.clock.now()));
            self.work().await;
        }
        self.scene.clock.advance_to(to);
    }

    /// What a crash leaves is taken over at once; nothing is waited for that is not due now.
    async fn work(&mut self) {
        let until = self.scene.clock.now() + TOGETHER;
        let mut tries = 0;
        while let Some(due) = self.scene.memory.next_due().filter(|due| *due < until) {
            self.scene.clock.advance_to(due.max(self.scene.clock.now()));
            tries += 1;
            if tries == TRIES {
                self.plan.calm();
            }
            let (worker, now) = (WorkerId::new("w"), self.scene.clock.now());
            let claimed = self
                .scene
                .memory
                .claim(&worker, &ClaimLimits::lanes(8), now, LEASE)
                .await;
            for lane in claimed.unwrap() {
                if unless_hung(&self.plan, self.engine.run(lane))
                    .await
                    .is_none()
                {
                    self.crashes += 1;
                }
            }
            self.scene.clock.advance(TICK);
        }
        self.plan.resume();
    }

    async fn act(&mut self, act: &Act) {
        match *act {
            Act::FanWrites { number, sign, how } => {
                let words = match sign {
                    Sign::None => "what are you up to",
                    Sign::Stop => "stop messaging me",
                    Sign::Resume => "you can write me again",
                };
                self.scene.fanvue.show(RemoteMessage::new(
                    message(number),
                    fanvue_bot_core::id::AccountId::from_uuid(crate::ids::fan().as_uuid()),
                    Content::text(words),
                    self.scene.clock.now(),
                ));
                let told = (!how.is_wordless()).then_some(words);
                let event = self
                    .scene
                    .event("received", "fan", number, told, "SINGLE_RECIPIENT");
                if !how.is_late() {
                    self.deliver(&event).await;
                }
                self.events.insert(number, event);
            }
            Act::Arrives { number } | Act::ArrivesAgain { number } => {
                let event = self.events[&number].clone();
                self.deliver(&event).await;
            }
            Act::FanDeletes { number } => {
                self.scene.fanvue.remove(message(number));
                let event = self
                    .scene
                    .event("deleted", "fan", number, None, "SINGLE_RECIPIENT");
                self.deliver(&event).await;
            }
            Act::HumanWrites { number } => {
                let words = "it's really me";
                self.scene.fanvue.show(RemoteMessage::new(
                    message(number),
                    account(),
                    Content::text(words),
                    self.scene.clock.now(),
                ));
                let event =
                    self.scene
                        .event("sent", "creator", number, Some(words), "SINGLE_RECIPIENT");
                self.deliver(&event).await;
            }
            Act::Echo { back } => {
                let sent = self.scene.fanvue.sent();
                if let Some(words) = sent.iter().rev().nth(back) {
                    let number = 900 + u32::try_from(sent.len() - back).unwrap();
                    let event = self.scene.event(
                        "sent",
                        "creator",
                        number,
                        Some(words),
                        "SINGLE_RECIPIENT",
                    );
                    self.deliver(&event).await;
                }
            }
            Act::Pause => {
                let until = self.scene.clock.now() + Duration::from_millis(OPERATOR_PAUSE);
                self.operate(OperatorAction::Pause { until }).await;
            }
            Act::Resume => self.operate(OperatorAction::Resume).await,
            Act::OptOut => self.operate(OperatorAction::OptOut).await,
            Act::OptIn => self.operate(OperatorAction::OptIn).await,
            Act::Mode(mode) => {
                let mut overrides = Overrides::none();
                overrides.mode = Some(mode);
                self.operate(OperatorAction::Override(Box::new(overrides)))
                    .await;
            }
            Act::Approve => {
                let draft = self.draft().await;
                let edited = None;
                self.operate(OperatorAction::Approve { draft, edited })
                    .await;
            }
            Act::Reject => {
                let draft = self.draft().await;
                let reason = None;
                self.operate(OperatorAction::Reject { draft, reason }).await;
            }
            Act::Regenerate => {
                let draft = self.draft().await;
                let instruction = None;
                self.operate(OperatorAction::Regenerate { draft, instruction })
                    .await;
            }
        }
    }

    /// The draft that an operator has before them.
    async fn draft(&self) -> DraftId {
        let turn = self.scene.conversation().await.turn;
        turn.map_or(
            DraftId {
                turn: TurnId::new(0),
                draft: 0,
            },
            |turn| DraftId {
                turn: turn.id,
                draft: turn.draft,
            },
        )
    }

    /// Fanvue tells of an event until it is acknowledged.
    async fn deliver(&mut self, event: &Event) {
        for _ in 0..TRIES {
            match unless_hung(&self.plan, self.engine.accept(event)).await {
                Some(Ok(_)) => return,
                Some(Err(_)) => {}
                None => self.crashes += 1,
            }
            self.scene.clock.advance(TICK);
        }
        panic!("an event is not taken in");
    }

    /// An operator acts, and again until it is answered.
    async fn operate(&mut self, action: OperatorAction) {
        for _ in 0..TRIES {
            let acting = self.engine.act(chat(), action.clone());
            match unless_hung(&self.plan, acting).await {
                Some(Ok(_)) => return,
                Some(Err(_)) => {}
                None => self.crashes += 1,
            }
            self.scene.clock.advance(TICK);
        }
        panic!("an operator is not answered");
    }

    /// Replies since the warm-up.
    fn replies(&self) -> usize {
        self.scene.fanvue.sent().len() - 1
    }

    async fn seen(&self) -> Seen {
        let conversation: Conversation = self.scene.conversation().await;
        let mut turns: Vec<TurnId> = Vec::new();
        let mut fates = BTreeMap::new();
        let mut outcomes = Vec::new();
        for number in self.events.keys() {
            let stored = self.scene.memory.message(chat(), message(*number)).await;
            if let Some(decision) = stored.unwrap().and_then(|message| message.decision) {
                if let Outcome::Replied { turn } | Outcome::Merged { turn } = decision.outcome {
                    turns.push(turn);
                }
                outcomes.push((*number, decision.outcome));
            }
        }
        turns.sort_unstable();
        turns.dedup();
        for (number, outcome) in outcomes {
            fates.insert(number, fate(&outcome, &turns));
        }
        let now = self.scene.clock.now();
        Seen {
            fates,
            replies: self.replies(),
            opted_out: conversation.opted_out,
            paused: conversation.paused_until.is_some_and(|until| until > now),
            draft_waits: conversation
                .turn
                .is_some_and(|turn| matches!(turn.phase, Phase::AwaitingApproval { .. })),
        }
    }
}

fn fate(outcome: &Outcome, turns: &[TurnId]) -> Fate {
    match outcome {
        Outcome::Replied { turn } | Outcome::Merged { turn } => {
            Fate::Answered(turns.iter().position(|known| known == turn).unwrap() + 1)
        }
        Outcome::Waiting { .. } => Fate::Waiting,
        Outcome::AwaitingApproval { .. } => Fate::AwaitingApproval,
        Outcome::PausedByHuman { .. } => Fate::Paused,
        Outcome::OptedOut => Fate::OptedOut,
        Outcome::Blocked { rule } => match rule {
            Rule::ModeOff => Fate::ModeOff,
            Rule::Rejected => Fate::Rejected,
            Rule::DraftExpired => Fate::Expired,
            Rule::Deleted => Fate::Deleted,
            rule => panic!("no script leads to {rule:?}"),
        },
        outcome => panic!("no script leads to {outcome:?}"),
    }
}

/// Runs until it ends or a call in it never returns, and drops it then, as a kill does.
async fn unless_hung<T>(plan: &FaultPlan, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let hangs = plan.hangs();
    loop {
        let polled = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(value) = polled {
            return Some(value);
        }
        if plan.hangs() > hangs {
            return None;
        }
        tokio::task::yield_now().await;
    }
}
