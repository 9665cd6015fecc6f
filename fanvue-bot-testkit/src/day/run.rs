//! The day itself: one thread, one virtual clock, one event after the other.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanvue_bot_core::backend::{Backend, CommitAndEnqueue};
use fanvue_bot_core::client::{AppCredentials, ClientSecret, FanvueClient};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::{CaughtUp, Engine};
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::{AccountId, CreatorId};
use fanvue_bot_core::intake::IntakeError;
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmProvider};
use fanvue_bot_core::memory::MemoryVault;
use fanvue_bot_core::oauth::TokenSource;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, ClaimedLane, JobQueue, WorkerId};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::settings::{Mode, Pace, ParseTimeOfDayError, QuietHours, Settings};
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::{Clock, Timestamp};
use fanvue_bot_core::webhook::{Hints, Verifier};
use uuid::Uuid;

use super::cast::{Action, Dice, Pair, Scene, lock, mentioned, play, script};
use super::crash::unless_crashed;
use super::interleave::{Crossing, Interleaved, Meanwhile};
use super::{Day, DayFailure, DayReport, audit};
use crate::clock::VirtualClock;
use crate::entropy::SeededEntropy;
use crate::fault::{FaultPlan, Faulty};
use crate::llm::ScriptedLlm;
use crate::simulator::world::{
    App, Delivery, Outcome, PortalWebhook, SCOPES, Trigger, WebhookFamily, WebhookFault,
    WebhookRule, World,
};
use crate::world_client::{WorldClient, moment, timestamp, token_set};

const CLIENT_ID: &str = "simulated-day";
const CLIENT_SECRET: &str = "simulated-day-secret";
const SIGNING_SECRET: &str = "simulated-day-signing-secret";
const LEASE: Duration = Duration::from_secs(30);
/// A creator's chats are polled at least once this long after something was said; before the next time there is nothing to find.
const POLLED: Duration = Duration::from_secs(300);
/// What the model writes now and then and no fan may read.
pub(super) const UNFIT: &str = "text me on whatsapp, +49 151 23456789";
/// Of so many drafts one is unfit.
const UNFIT_EVERY: u64 = 37;
/// After the last scene everything has to come to rest within this time.
const REST: Duration = Duration::from_secs(6 * 3_600);

/// What a look at the inbox came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenIn {
    Nothing,
    Some,
    /// It failed, or nobody looked.
    Failed,
}

/// The stage: everything but what is under test.
struct Stage {
    world: Arc<Mutex<World>>,
    clock: VirtualClock,
    dice: Dice,
    plan: FaultPlan,
    /// One for each process.
    engines: Vec<Engine>,
    /// Whose turn it is.
    turn: AtomicUsize,
    verifier: Verifier,
    pairs: Vec<Pair>,
    interleave: u64,
    claims: usize,
    /// Whether something is already happening in the middle of something else.
    inside: AtomicBool,
    crashes: AtomicU64,
    freezes: AtomicU64,
    /// Messages that only the poll brought up.
    found: AtomicU64,
    /// After which time one more poll of a creator finds all that there is to find.
    polled_until: Mutex<BTreeMap<CreatorId, Timestamp>>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

pub(super) async fn run<B>(day: &Day, backend: Arc<B>) -> Result<DayReport, DayFailure>
where
    B: Store + JobQueue + CommitAndEnqueue,
{
    let failed = |fault: String| DayFailure {
        seed: day.seed,
        faults: vec![fault],
    };
    let start = day.start;
    let clock = VirtualClock::at(start);
    let dice = Dice::new(day.seed);
    let mut world = World::new(day.seed);
    world.settings_mut().rate_limits.per_minute = day.requests_per_minute;
    world.add_app(app());
    for rule in webhook_faults() {
        world.add_webhook_fault(rule);
    }

    let truth = Backend::separate(
        Arc::<B>::clone(&backend) as Arc<dyn Store>,
        Arc::<B>::clone(&backend) as Arc<dyn JobQueue>,
    );
    let world = Arc::new(Mutex::new(world));
    // What a refresh costs that dies halfway has a test of its own: it ends with a person connecting again.
    let plan = FaultPlan::seeded(Seed::new(day.seed), day.faults)
        .only(|operation| operation != "FanvueClient::refresh_tokens");
    let crossing = Crossing::default();
    let client = Arc::new(Interleaved {
        inner: Faulty::new(
            WorldClient::new(Arc::clone(&world), Arc::new(clock.clone())),
            plan.clone(),
        ),
        crossing: crossing.clone(),
    });
    let unfit = Arc::new(AtomicU64::new(0));
    let llm = Arc::new(Interleaved {
        inner: Faulty::new(model(&clock, day.writing, &unfit), plan.clone()),
        crossing: crossing.clone(),
    });
    let mut faulty = Backend::shared(Arc::new(Faulty::new(backend, plan.clone())));
    if let Some(inbox) = &day.inbox {
        faulty = faulty.inbox(Arc::new(Faulty::new(Arc::clone(inbox), plan.clone())));
    }
    let vault = Arc::new(MemoryVault::new());
    let tokens = |seed: u64| {
        TokenSource::new(
            Arc::<MemoryVault>::clone(&vault),
            Arc::clone(truth.store()),
            Arc::clone(&client) as Arc<dyn FanvueClient>,
            AppCredentials {
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret::new(CLIENT_SECRET),
            },
        )
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(seed)))
    };

    plan.calm();
    let pairs = people(day, &world, truth.store(), &tokens(day.seed ^ 1), start)
        .await
        .map_err(|error| failed(error.to_string()))?;
    plan.resume();
    let engines = (0..day.processes.max(1))
        .map(|process| {
            let seed = day.seed ^ (u64::try_from(process).unwrap_or(u64::MAX) << 32);
            let llm = Arc::clone(&llm) as Arc<dyn LlmProvider>;
            let client = Arc::clone(&client) as Arc<dyn FanvueClient>;
            Engine::builder(faulty.clone(), llm, client, tokens(seed ^ 1))
                .clock(Arc::new(clock.clone()))
                .entropy(Arc::new(SeededEntropy::new(seed ^ 2)))
                .build()
        })
        .collect();
    let verifier =
        Verifier::new(&Secret::new(SIGNING_SECRET)).map_err(|error| failed(error.to_string()))?;
    let mut scenes = script(day, &dice, &pairs, start);
    let stage = Arc::new(Stage {
        world,
        clock,
        dice,
        plan,
        engines,
        turn: AtomicUsize::new(0),
        verifier,
        pairs,
        interleave: day.interleave,
        claims: day.claims,
        inside: AtomicBool::new(false),
        crashes: AtomicU64::new(0),
        freezes: AtomicU64::new(0),
        found: AtomicU64::new(0),
        polled_until: Mutex::new(BTreeMap::new()),
    });
    let meanwhile: Arc<dyn Meanwhile> = Arc::<Stage>::clone(&stage);
    crossing.open(&meanwhile);

    stage.play_all(day, &mut scenes).await.map_err(failed)?;
    let mut report = audit::audit(&stage.world, &stage.pairs, truth.store())
        .await
        .map_err(|faults| DayFailure {
            seed: day.seed,
            faults,
        })?;
    report.faults = u64::try_from(stage.plan.injected().len()).unwrap_or(u64::MAX);
    report.crashes = stage.crashes.load(Ordering::Relaxed);
    report.rate_limited = crossing.rate_limited();
    report.found_by_poll = stage.found.load(Ordering::Relaxed);
    report.freezes = stage.freezes.load(Ordering::Relaxed);
    report.unfit_drafts = unfit.load(Ordering::Relaxed);
    Ok(report)
}

fn app() -> App {
    let webhook =
        PortalWebhook::new("https://bot.test/webhooks/fanvue").families([WebhookFamily::Current]);
    App::new(CLIENT_ID, CLIENT_SECRET)
        .webhook(webhook)
        .webhook_secret(SIGNING_SECRET)
}

fn webhook_faults() -> Vec<WebhookRule> {
    [
        (WebhookFault::Duplicate, 0.15),
        (WebhookFault::Reorder, 0.15),
        (WebhookFault::Delay(20_000), 0.10),
        (WebhookFault::Delay(400_000), 0.02),
        (WebhookFault::WithoutText, 0.20),
        // Only the poll can find what it told of.
        (WebhookFault::Drop, 0.08),
    ]
    .into_iter()
    .map(|(fault, probability)| WebhookRule::new(fault, Trigger::Chance(probability)))
    .collect()
}

/// A model that names the messages it was asked to answer, and now and then writes what must not go out.
fn model(clock: &VirtualClock, writing: Duration, unfit: &Arc<AtomicU64>) -> ScriptedLlm {
    let clock = clock.clone();
    let unfit = Arc::clone(unfit);
    let answers = AtomicU64::new(0);
    ScriptedLlm::default().template(move |request: &CompletionRequest| {
        clock.advance(writing);
        let number = answers.fetch_add(1, Ordering::Relaxed);
        let asked = request
            .messages
            .last()
            .map(|message| mentioned(&message.content))
            .unwrap_or_default();
        let mut text = format!("answer a{number}a");
        for message in asked {
            text.push_str(&format!(" m{message}x"));
        }
        if number % UNFIT_EVERY == UNFIT_EVERY - 1 {
            unfit.fetch_add(1, Ordering::Relaxed);
            text.push_str(", ");
            text.push_str(UNFIT);
        }
        Completion::new(text)
    })
}

/// Our id of the creator with this account; not Fanvue's, so that mixing them up shows.
const fn creator_id(account: Uuid) -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(account.as_u128() ^ 0xffff))
}

/// Soon after the day begins, so that a short one has some too, at noon, and across midnight; each shorter
/// than the time in which a day has to come to rest.
fn quiet_hours() -> Result<QuietHours, ParseTimeOfDayError> {
    Ok(QuietHours::in_zone("Europe/Berlin")
        .daily("16:40".parse()?, "17:10".parse()?)
        .daily("12:30".parse()?, "14:00".parse()?)
        .daily("22:30".parse()?, "03:00".parse()?))
}

async fn people(
    day: &Day,
    world: &Mutex<World>,
    store: &Arc<dyn Store>,
    tokens: &TokenSource,
    start: Timestamp,
) -> Result<Vec<Pair>, Box<dyn std::error::Error + Send + Sync>> {
    let mut pairs = Vec::new();
    for number in 0..day.creators {
        let (account, issued) = {
            let mut world = lock(world);
            let account = world.add_creator(&format!("creator-{number}"), "Creator", moment(start));
            let issued = world
                .issue_tokens(CLIENT_ID, account, SCOPES.iter().copied(), moment(start))
                .map_err(|error| format!("{error:?}"))?;
            for (fan, character) in (0..day.fans).zip(day.characters.iter().cycle()) {
                pairs.push(Pair {
                    creator: account,
                    fan: world.add_fan(&format!("fan-{number}-{fan}"), "Fan", moment(start)),
                    character: *character,
                });
            }
            (account, token_set(&issued))
        };
        let id = creator_id(account);
        let settings = Settings::default()
            .mode(Mode::Auto)
            .quiet_hours(quiet_hours()?)
            .pace(if number % 2 == 0 {
                Pace::Immediate
            } else {
                Pace::default()
            });
        let creator = Creator::new(id, Persona::named("Luna"))
            .account(AccountId::from_uuid(account))
            .settings(settings);
        store.commit(&creator.into(), None).await?;
        tokens.connect(id, &issued).await?;
    }
    Ok(pairs)
}

impl Stage {
    async fn play_all(&self, day: &Day, scenes: &mut VecDeque<Scene>) -> Result<(), String> {
        let end = self.clock.now() + day.length;
        let worker = WorkerId::new("day");
        loop {
            let now = self.clock.now();
            if now > end + REST {
                return Err(format!(
                    "at rest {} s after the last scene nothing was at rest: {} deliveries open, next job {:?}",
                    REST.as_secs(),
                    usize::from(lock(&self.world).next_due().is_some()),
                    day.next_due.as_ref().and_then(|next| next()),
                ));
            }
            if scenes.is_empty() {
                self.plan.calm();
            }
            let mut busy = false;
            while scenes.front().is_some_and(|scene| scene.at <= now) {
                if let Some(scene) = scenes.pop_front() {
                    self.play(scene, now);
                    busy = true;
                }
            }
            busy |= self.deliver().await;
            let taken_in = self.take_in().await;
            busy |= taken_in == TakenIn::Some;
            busy |= self.work(&worker).await;
            busy |= self.poll().await;
            if busy {
                continue;
            }
            let next_job = match &day.next_due {
                Some(next_due) => next_due(),
                None => (now < end + REST / 2).then(|| now + day.step),
            };
            let next = [
                scenes.front().map(|scene| scene.at),
                lock(&self.world).next_due().map(timestamp),
                next_job,
                self.next_poll(),
                (taken_in == TakenIn::Failed).then(|| now + Duration::from_secs(1)),
            ]
            .into_iter()
            .flatten()
            .min();
            match next {
                None => return Ok(()),
                Some(next) => self
                    .clock
                    .advance_to(next.max(now + Duration::from_millis(1))),
            }
        }
    }

    fn play(&self, scene: Scene, now: Timestamp) {
        play(&self.world, &self.dice, scene, now);
        self.polled_until()
            .insert(creator_id(scene.creator), now + POLLED);
    }

    /// The process whose turn it is.
    fn engine(&self) -> &Engine {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.engines[turn % self.engines.len()]
    }

    fn polled_until(&self) -> MutexGuard<'_, BTreeMap<CreatorId, Timestamp>> {
        self.polled_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The process that polls: another one every hour.
    fn poller(&self) -> &Engine {
        let hours = self.clock.now().as_seconds().unsigned_abs() / 3_600;
        let turn = usize::try_from(hours).unwrap_or(0);
        &self.engines[turn % self.engines.len()]
    }

    fn next_poll(&self) -> Option<Timestamp> {
        if self.polled_until().is_empty() {
            return None;
        }
        Some(self.poller().next_catch_up()?.max(self.clock.now()))
    }

    /// Polls the chats that are due, of creators with somebody who said something.
    async fn poll(&self) -> bool {
        if self.polled_until().is_empty() {
            return false;
        }
        let engine = self.poller();
        let due = engine.due_for_catch_up(usize::MAX);
        let Ok(Ok(due)) = unless_crashed(&self.plan, due).await else {
            return false;
        };
        let mut polled = false;
        for creator in due {
            if !self.polled_until().contains_key(&creator) {
                continue;
            }
            polled = true;
            match unless_crashed(&self.plan, engine.catch_up(creator)).await {
                Ok(Ok(CaughtUp::Polled { found, .. })) => {
                    self.found.fetch_add(found, Ordering::Relaxed);
                    // What was said during the poll may have come after its list.
                    let now = self.clock.now();
                    self.polled_until()
                        .retain(|polled, until| *polled != creator || *until >= now);
                }
                // What is put off, or whose register did not answer, comes back.
                Ok(_) => {}
                Err(_) => {
                    self.crashes.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        polled
    }

    /// Delivers the webhooks that are due.
    async fn deliver(&self) -> bool {
        let now = self.clock.now();
        let due = lock(&self.world).take_due(moment(now));
        let any = !due.is_empty();
        for delivery in due {
            let outcome = match unless_crashed(&self.plan, self.receive(&delivery)).await {
                Ok(status) => Outcome::Answered(status),
                Err(_) => {
                    self.crashes.fetch_add(1, Ordering::Relaxed);
                    Outcome::Failed("connection closed".to_owned())
                }
            };
            lock(&self.world).finish_delivery(delivery, outcome, moment(now));
        }
        any
    }

    /// What a web server does with a webhook.
    async fn receive(&self, delivery: &Delivery) -> u16 {
        let now = self.clock.now();
        let signature = delivery.signature(moment(now));
        let Ok(verified) = self
            .verifier
            .verify(signature.as_bytes(), &delivery.body, now)
        else {
            return 401;
        };
        let Ok(event) = verified.parse(&Hints::default()) else {
            return 200;
        };
        let intake = self.engine().intake();
        match intake.receive(&event, verified, &Hints::default()).await {
            Ok(_) => 200,
            Err(_) => 503,
        }
    }

    /// Takes in what is in the inbox, if there is one: now and then only, as where another process does it.
    async fn take_in(&self) -> TakenIn {
        let intake = self.engine().intake();
        let Some(inbox) = intake.backend().kept_in() else {
            return TakenIn::Nothing;
        };
        if self.dice.chance(500) {
            return TakenIn::Failed;
        }
        let taking_in = async {
            let waiting = inbox.waiting(self.clock.now(), 16).await?;
            for event in &waiting {
                intake.take_in(event).await?;
                inbox.settle(&[event.id]).await?;
            }
            Ok::<_, IntakeError>(!waiting.is_empty())
        };
        match unless_crashed(&self.plan, taking_in).await {
            Ok(Ok(true)) => TakenIn::Some,
            Ok(Ok(false)) => TakenIn::Nothing,
            Ok(Err(_)) => TakenIn::Failed,
            Err(_) => {
                self.crashes.fetch_add(1, Ordering::Relaxed);
                TakenIn::Failed
            }
        }
    }

    /// Claims what is due and brings it to rest.
    async fn work(&self, worker: &WorkerId) -> bool {
        let now = self.clock.now();
        let engine = self.engine();
        let queue = engine.backend().queue();
        let limits = ClaimLimits::lanes(self.claims);
        let claimed = queue.claim(worker, &limits, now, LEASE);
        let mut lanes = match unless_crashed(&self.plan, claimed).await {
            Ok(Ok(lanes)) => lanes,
            // The next try is a little later, as a worker's would be.
            Ok(Err(_)) => Vec::new(),
            Err(_) => {
                self.crashes.fetch_add(1, Ordering::Relaxed);
                Vec::new()
            }
        };
        let any = !lanes.is_empty();
        // Which of several lanes that are due comes first is the queue's own affair; the day is the same
        // whatever it is.
        lanes.sort_unstable_by(|one, other| one.ordering_key.cmp(&other.ordering_key));
        for lane in lanes {
            self.run_lane(engine, lane).await;
        }
        any
    }

    async fn run_lane(&self, engine: &Engine, lane: ClaimedLane) {
        // An error means that the jobs come back by themselves.
        if unless_crashed(&self.plan, engine.run(lane)).await.is_err() {
            self.crashes.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Meanwhile for Stage {
    fn happen(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            if !self.dice.chance(self.interleave) {
                return;
            }
            let Some(_inside) = Inside::enter(&self.inside) else {
                return;
            };
            let now = self.clock.now();
            let index = usize::try_from(
                self.dice
                    .below(u64::try_from(self.pairs.len()).unwrap_or(1)),
            )
            .unwrap_or(0);
            if let Some(pair) = self.pairs.get(index) {
                let action = match self.dice.below(8) {
                    0 => Some(Action::HumanWrites),
                    1..=4 => Some(Action::FanWrites),
                    _ => None,
                };
                if let Some(action) = action {
                    self.play(
                        Scene {
                            at: now,
                            creator: pair.creator,
                            fan: pair.fan,
                            action,
                        },
                        now,
                    );
                }
            }
            if self.dice.chance(500) {
                self.deliver().await;
            }
            if self.dice.chance(200) {
                self.poll().await;
            }
            if self.dice.chance(200) {
                self.freezes.fetch_add(1, Ordering::Relaxed);
                self.clock.advance(LEASE + Duration::from_secs(1));
                self.deliver().await;
                self.work(&WorkerId::new("other")).await;
            }
        })
    }
}

/// Held while something happens in the middle of something else; also given back by a crash.
struct Inside<'a>(&'a AtomicBool);

impl<'a> Inside<'a> {
    fn enter(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::SeqCst)).then_some(Self(flag))
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
