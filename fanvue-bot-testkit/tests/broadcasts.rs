//! Broadcasts against the simulated Fanvue, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::broadcast::{
    Advanced, Broadcast, BroadcastError, BroadcastState, Broadcaster, Broadcasts, Progress,
    Segment, Standing, Template,
};
use fanvue_bot_core::client::{AppCredentials, ClientSecret, FanList, FanvueClient, SmartList};
use fanvue_bot_core::conversation::{DeliveryState, Skip};
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::flow::OperatorAction;
use fanvue_bot_core::id::{AccountId, BroadcastId, ConversationId, CreatorId, FanId, ListId};
use fanvue_bot_core::ledger::Stage;
use fanvue_bot_core::memory::{MemoryBackend, MemoryBroadcasts, MemoryVault};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::oauth::TokenSource;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue, WorkerId};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::settings::Settings;
use fanvue_bot_core::store::Store;
use fanvue_bot_core::tick::Tick;
use fanvue_bot_core::time::Clock;
use fanvue_bot_core::webhook::{Hints, Verifier};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, FaultRates, Faulty};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::world::{App, Contact, Origin, PortalWebhook, SCOPES, World};
use fanvue_bot_testkit::world_client::{WorldClient, moment, token_set};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const WEBHOOK_SECRET: &str = "webhook-secret";

struct Scene {
    clock: VirtualClock,
    world: Arc<Mutex<World>>,
    memory: Arc<MemoryBackend>,
    broadcasts: Arc<MemoryBroadcasts>,
    tokens: TokenSource,
    account: Uuid,
    engine: Engine,
}

fn creator() -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(0xc0de))
}

fn chat(fan: Uuid) -> ConversationId {
    ConversationId::new(creator(), FanId::from_uuid(fan))
}

fn id(number: u128) -> BroadcastId {
    BroadcastId::from_uuid(Uuid::from_u128(number))
}

fn followers() -> Segment {
    Segment::of([FanList::Smart(SmartList::Followers)])
}

impl Scene {
    async fn new() -> Self {
        let clock = VirtualClock::default();
        let now = moment(clock.now());
        let mut world = World::new(1);
        world.settings_mut().rate_limits.per_minute = 1_000_000;
        let app = App::new("app", "secret")
            .webhook(PortalWebhook::new("https://bot.invalid/webhooks/fanvue"))
            .webhook_secret(WEBHOOK_SECRET);
        world.add_app(app);
        let account = world.add_creator("mia", "Mia", now);
        world.grant("app", account, SCOPES.iter().copied(), now);
        let issued = world
            .issue_tokens("app", account, SCOPES.iter().copied(), now)
            .unwrap();
        let world = Arc::new(Mutex::new(world));
        let memory = Arc::new(MemoryBackend::new());
        let mia = Creator::new(creator(), Persona::named("Mia"))
            .account(AccountId::from_uuid(account))
            .settings(Settings::immediate());
        memory.commit(&mia.into(), None).await.unwrap();
        let app = AppCredentials {
            client_id: "app".into(),
            client_secret: ClientSecret::new("secret"),
        };
        let client = Arc::new(WorldClient::new(
            Arc::clone(&world),
            Arc::new(clock.clone()),
        ));
        let tokens = TokenSource::new(
            Arc::new(MemoryVault::new()),
            Arc::clone(&memory) as _,
            Arc::clone(&client) as _,
            app,
        )
        .clock(Arc::new(clock.clone()));
        tokens
            .connect(creator(), &token_set(&issued))
            .await
            .unwrap();
        let broadcasts = Arc::new(MemoryBroadcasts::new());
        let backend = Backend::shared(Arc::clone(&memory)).broadcasts(Arc::clone(&broadcasts) as _);
        let engine = engine(&clock, backend, client, &tokens);
        Self {
            clock,
            world,
            memory,
            broadcasts,
            tokens,
            account,
            engine,
        }
    }

    /// The engine of a process whose calls to Fanvue and the database fail by `plan`.
    fn failing(&self, plan: &FaultPlan) -> Engine {
        let client = WorldClient::new(Arc::clone(&self.world), Arc::new(self.clock.clone()));
        let broadcasts = Faulty::new(Arc::clone(&self.broadcasts), plan.clone());
        let memory = Arc::new(Faulty::new(Arc::clone(&self.memory), plan.clone()));
        let backend = Backend::shared(memory).broadcasts(Arc::new(broadcasts));
        let client = Arc::new(Faulty::new(client, plan.clone()));
        engine(&self.clock, backend, client, &self.tokens)
    }

    fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(&self.engine).unwrap()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn add_followers(&self, count: usize) -> Vec<Uuid> {
        let now = moment(self.clock.now());
        let mut world = self.world();
        let account = self.account;
        let mut add = |number: usize| {
            let fan = world.add_fan(&format!("fan-{number}"), &format!("Fan {number}"), now);
            world.follow(account, fan, now).unwrap();
            fan
        };
        (0..count).map(&mut add).collect()
    }

    /// The fan wrote two days ago, and their conversation is known.
    async fn known(&self, fan: Uuid) {
        let at = moment(self.clock.now().minus(48 * HOUR));
        self.world()
            .fan_writes(self.account, fan, "hi", at)
            .unwrap();
        let new = fanvue_bot_core::conversation::Conversation::new(chat(fan), Seed::new(1));
        let mut new = fanvue_bot_core::store::ConversationChange::new(new);
        new.conversation.history_read = true;
        self.memory.commit(&new.into(), None).await.unwrap();
    }

    async fn save(&self, broadcast: &Broadcast) {
        self.broadcaster().save(broadcast).await.unwrap();
    }

    fn draft(&self, number: u128, text: &str) -> Broadcast {
        let message = Template::text(text);
        Broadcast::new(
            id(number),
            creator(),
            message,
            followers(),
            self.clock.now(),
        )
    }

    /// Runs what is claimable now, once.
    async fn lanes(&self, engine: &Engine) -> usize {
        let worker = WorkerId::new("w");
        let now = self.clock.now();
        let lanes = self
            .memory
            .claim(&worker, &ClaimLimits::lanes(20), now, MINUTE)
            .await
            .unwrap();
        let count = lanes.len();
        for lane in lanes {
            // What fails here, or is killed, comes back when its lease lapses.
            let _ = unless_killed(engine.run(lane)).await;
        }
        count
    }

    /// Lets everything go on for this long.
    async fn work(&self, engine: &Engine, time: Duration) {
        let end = self.clock.now() + time;
        let broadcaster = Broadcaster::new(engine).unwrap();
        while self.clock.now() < end {
            let due = unless_killed(broadcaster.due(10)).await;
            for (of, name) in due.and_then(Result::ok).unwrap_or_default() {
                // What fails is done again with the next look.
                let _ = unless_killed(broadcaster.advance(of, name)).await;
            }
            while self.lanes(engine).await > 0 {}
            self.clock.advance(Duration::from_secs(1));
        }
    }

    /// Takes in what Fanvue's webhooks tell, as the deployment's door does. Answers how many there were.
    async fn hear(&self, engine: &Engine) -> usize {
        let now = self.clock.now();
        let told = self.world().take_due(moment(now));
        let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
        for delivery in &told {
            let signature = delivery.signature(moment(now));
            let proved = verifier.verify(signature.as_bytes(), &delivery.body, now);
            let event = proved.unwrap().parse(&Hints::default()).unwrap();
            engine.accept(&event).await.unwrap();
        }
        told.len()
    }

    /// Reads the chats again, some minutes later, as a tick does. No webhook came meanwhile.
    async fn poll(&self, engine: &Engine) {
        self.world().take_due(moment(self.clock.now()));
        self.clock.advance(5 * MINUTE);
        let until = self.clock.now() + MINUTE;
        Tick::new(engine).run(until).await.unwrap();
    }

    /// Whether a human was seen to have written to the fan.
    async fn is_a_humans(&self, fan: Uuid) -> bool {
        let stored = self.memory.conversation(chat(fan)).await.unwrap();
        let conversation = stored.unwrap().value;
        conversation.last_human_at.is_some() || conversation.paused_until.is_some()
    }

    async fn progress(&self, number: u128) -> Progress {
        self.broadcaster()
            .progress(creator(), id(number))
            .await
            .unwrap()
    }

    /// How often each fan got something from the API.
    fn received(&self) -> BTreeMap<Uuid, Vec<String>> {
        let world = self.world();
        world
            .chats_of(self.account)
            .map(|(fan, chat)| {
                let ours = chat.messages.iter().filter(|m| m.origin == Origin::Api);
                let texts = ours.map(|m| m.text.clone().unwrap_or_default());
                (fan, texts.collect::<Vec<_>>())
            })
            .filter(|(_, texts)| !texts.is_empty())
            .collect()
    }
}

/// What comes of it; nothing if a call in it never answers, as if the process had been killed there.
async fn unless_killed<F: Future>(work: F) -> Option<F::Output> {
    let hangs = async {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = hangs => None,
    }
}

fn engine(
    clock: &VirtualClock,
    backend: Backend,
    client: Arc<dyn FanvueClient>,
    tokens: &TokenSource,
) -> Engine {
    let llm = Arc::new(ScriptedLlm::default());
    Engine::builder(backend, llm, client, tokens.clone())
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(2)))
        .build()
}

#[tokio::test]
async fn everybody_in_the_segment_gets_it_once_and_the_counts_say_who_did_not() {
    let scene = Scene::new().await;
    let fans = scene.add_followers(150);
    let [out, human, gone, listed] = [fans[3], fans[70], fans[71], fans[149]];
    for fan in [out, human] {
        scene.known(fan).await;
    }
    scene
        .engine
        .act(chat(out), OperatorAction::OptOut)
        .await
        .unwrap();
    let until = scene.clock.now() + 10 * HOUR;
    scene
        .engine
        .act(chat(human), OperatorAction::Pause { until })
        .await
        .unwrap();
    scene
        .world()
        .set_contact(scene.account, gone, Contact::Refused);
    let now = moment(scene.clock.now());
    let list = scene
        .world()
        .create_list(scene.account, "no bot", now)
        .unwrap();
    scene
        .world()
        .add_list_members(scene.account, list, &[listed])
        .unwrap();

    let mut broadcast = scene.draft(1, "good morning, {name}");
    broadcast.message = broadcast.message.name_fallback("you");
    let without = [FanList::Custom(ListId::from_uuid(list))];
    broadcast.segment = followers().without(without);
    scene.save(&broadcast).await;
    let early = scene.broadcaster().preview(creator(), id(1)).await.unwrap();
    assert!(!early.complete);
    scene.work(&scene.engine, Duration::from_secs(10)).await;
    let preview = scene.broadcaster().preview(creator(), id(1)).await.unwrap();
    assert!(preview.complete);
    assert_eq!((preview.listed, preview.reached), (150, 147));
    let causes = [
        (Skip::NotInSegment, 1),
        (Skip::OptedOut, 1),
        (Skip::Human, 1),
    ];
    assert_eq!(preview.skipped, BTreeMap::from(causes));
    assert_eq!(scene.received(), BTreeMap::new());

    scene.broadcaster().start(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    let progress = scene.progress(1).await;
    assert_eq!(progress.broadcast.state, BroadcastState::Done);
    assert_eq!((progress.sent, progress.left, progress.placed), (146, 0, 0));
    let mut skipped = BTreeMap::from(causes);
    skipped.insert(Skip::NotContactable, 1);
    assert_eq!(progress.skipped, skipped);
    let received = scene.received();
    assert_eq!(received.len(), 146);
    for (fan, texts) in received {
        // Nobody has met them; the list tells what they go by.
        let number = fans.iter().position(|known| *known == fan).unwrap();
        assert_eq!(texts, [format!("good morning, Fan {number}")]);
    }
    // It came back in the chats that are read again, and nobody took it for a human's.
    for fan in &fans {
        let stored = scene.memory.conversation(chat(*fan)).await.unwrap();
        let paused = stored.and_then(|stored| stored.value.paused_until);
        assert_eq!(paused.is_some(), *fan == human);
    }
}

#[tokio::test]
async fn whatever_fails_each_fan_is_reached_exactly_once() {
    for seed in 1..=5 {
        let scene = Scene::new().await;
        let fans = scene.add_followers(40);
        let rates = FaultRates {
            before: 30,
            after: 30,
            hang_before: 15,
            hang_after: 15,
        };
        let plan = FaultPlan::seeded(Seed::new(seed), rates);
        let engine = scene.failing(&plan);
        scene.save(&scene.draft(1, "good morning")).await;
        scene.broadcaster().start(creator(), id(1)).await.unwrap();
        scene.work(&engine, 10 * MINUTE).await;
        plan.calm();
        scene.work(&engine, 2 * HOUR).await;
        let progress = scene.progress(1).await;
        assert_eq!(
            progress.broadcast.state,
            BroadcastState::Done,
            "seed {seed}"
        );
        let received = scene.received();
        for fan in &fans {
            let times = received.get(fan).map_or(0, Vec::len);
            assert_eq!(times, 1, "seed {seed}, fan {fan}, {progress:?}");
        }
        assert_eq!(progress.sent, 40, "seed {seed}");
    }
}

#[tokio::test]
async fn a_pause_acts_on_the_next_send_and_a_cancellation_ends_it() {
    let scene = Scene::new().await;
    scene.add_followers(100);
    scene.save(&scene.draft(1, "good morning")).await;
    let broadcaster = scene.broadcaster();
    broadcaster.start(creator(), id(1)).await.unwrap();
    while scene.progress(1).await.placed == 0 {
        broadcaster.advance(creator(), id(1)).await.unwrap();
    }
    scene.lanes(&scene.engine).await;
    assert_eq!(scene.received().len(), 20);
    broadcaster.pause(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    assert_eq!(scene.received().len(), 20);
    let progress = scene.progress(1).await;
    assert_eq!((progress.sent, progress.left, progress.placed), (20, 80, 0));

    broadcaster.resume(creator(), id(1)).await.unwrap();
    while scene.progress(1).await.placed == 0 {
        broadcaster.advance(creator(), id(1)).await.unwrap();
    }
    scene.lanes(&scene.engine).await;
    broadcaster.cancel(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    let progress = scene.progress(1).await;
    assert_eq!(progress.sent, 40);
    assert_eq!(progress.skipped, BTreeMap::from([(Skip::Cancelled, 60)]));
    assert_eq!(scene.received().len(), 40);
    let late = broadcaster.resume(creator(), id(1)).await;
    assert!(
        matches!(late, Err(BroadcastError::NotNow { .. })),
        "{late:?}"
    );
    let rests = broadcaster.advance(creator(), id(1)).await.unwrap();
    assert_eq!(rests, Advanced::Rests);
}

#[tokio::test]
async fn a_scheduled_one_begins_by_the_tick() {
    let scene = Scene::new().await;
    scene.add_followers(5);
    scene.save(&scene.draft(1, "good morning")).await;
    let broadcaster = scene.broadcaster();
    let at = scene.clock.now() + HOUR;
    broadcaster.schedule(creator(), id(1), at).await.unwrap();
    let past = scene.clock.now().minus(HOUR);
    let refused = broadcaster.schedule(creator(), id(1), past).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("at: the time is past; the nearest"),
        "{refused}"
    );
    let tick = Tick::new(&scene.engine);
    for _ in 0..3 {
        tick.run(scene.clock.now() + MINUTE).await.unwrap();
        while scene.lanes(&scene.engine).await > 0 {}
    }
    assert_eq!(scene.received().len(), 0);
    scene.clock.set(at);
    for _ in 0..3 {
        tick.run(scene.clock.now() + MINUTE).await.unwrap();
        while scene.lanes(&scene.engine).await > 0 {}
    }
    assert_eq!(scene.received().len(), 5);
    assert_eq!(
        scene.progress(1).await.broadcast.state,
        BroadcastState::Done
    );
}

#[tokio::test]
async fn what_is_not_valid_is_refused_and_a_segment_of_nobody_fails() {
    let scene = Scene::new().await;
    let broadcaster = scene.broadcaster();
    let mut broadcast = scene.draft(1, "hi {nme}");
    broadcast.segment = Segment::default();
    let Err(BroadcastError::Invalid(invalid)) = broadcaster.save(&broadcast).await else {
        panic!("it was saved");
    };
    let fields: Vec<&str> = invalid.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(fields, ["message.text", "segment.include"]);
    scene.save(&scene.draft(2, "hi")).await;
    broadcaster.start(creator(), id(2)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    assert_eq!(
        scene.progress(2).await.broadcast.state,
        BroadcastState::Failed {
            cause: "nobody is in the segment".into()
        }
    );
}

#[tokio::test]
async fn who_is_active_is_asked_when_their_turn_comes() {
    let scene = Scene::new().await;
    let fans = scene.add_followers(3);
    scene.known(fans[0]).await;
    let mut broadcast = scene.draft(1, "good morning").rest(Duration::ZERO);
    broadcast.segment = followers().silent_for(24 * HOUR);
    scene.save(&broadcast).await;
    scene.work(&scene.engine, Duration::from_secs(5)).await;
    let preview = scene.broadcaster().preview(creator(), id(1)).await.unwrap();
    assert_eq!(preview.reached, 3);
    broadcast.segment = followers().active_within(24 * HOUR);
    scene.save(&broadcast).await;
    scene.work(&scene.engine, Duration::from_secs(5)).await;
    let preview = scene.broadcaster().preview(creator(), id(1)).await.unwrap();
    assert_eq!(preview.skipped, BTreeMap::from([(Skip::NotInSegment, 3)]));
}

#[tokio::test]
async fn an_erased_fan_is_no_recipient_any_more_and_gets_nothing() {
    let scene = Scene::new().await;
    let fans = scene.add_followers(3);
    scene.known(fans[0]).await;
    scene.save(&scene.draft(1, "good morning")).await;
    scene.work(&scene.engine, Duration::from_secs(5)).await;
    scene.engine.erase_fan(chat(fans[0])).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    let to = scene.broadcasts.broadcasts_to(chat(fans[0]), None, 5).await;
    assert_eq!(to.unwrap(), []);
    scene.broadcaster().start(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    assert_eq!(scene.progress(1).await.sent, 2);
    assert_eq!(scene.received().get(&fans[0]), None);
}

#[tokio::test]
async fn a_list_that_is_not_at_fanvue_ends_it_in_words() {
    let scene = Scene::new().await;
    let mut broadcast = scene.draft(1, "good morning");
    let gone = ListId::from_uuid(Uuid::from_u128(9));
    broadcast.segment = Segment::of([FanList::Custom(gone)]);
    scene.save(&broadcast).await;
    scene.broadcaster().start(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    let BroadcastState::Failed { cause } = scene.progress(1).await.broadcast.state else {
        panic!("it did not fail");
    };
    assert_eq!(&*cause, "a list of the segment is not at Fanvue any more");
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_found_in_the_chat() {
    let scene = Scene::new().await;
    scene.add_followers(1);
    let plan = FaultPlan::none();
    plan.fail_next("FanvueClient::send_message", Fault::After);
    let engine = scene.failing(&plan);
    scene.save(&scene.draft(1, "good morning")).await;
    scene.broadcaster().start(creator(), id(1)).await.unwrap();
    scene.work(&engine, 5 * MINUTE).await;
    assert_eq!(scene.progress(1).await.sent, 1);
    assert_eq!(scene.received().values().map(Vec::len).sum::<usize>(), 1);
}

/// How a message of ours comes back.
#[derive(Debug, Clone, Copy)]
enum Back {
    ByWebhook,
    ByPoll,
}

#[tokio::test]
async fn what_comes_back_of_a_broadcast_is_ours_and_not_a_humans() {
    let lost = [None, Some(Fault::After), Some(Fault::HangAfter)];
    for (back, lost) in [Back::ByWebhook, Back::ByPoll]
        .into_iter()
        .flat_map(|back| lost.map(|lost| (back, lost)))
    {
        let scene = Scene::new().await;
        scene.poll(&scene.engine).await;
        let fans = scene.add_followers(3);
        let now = moment(scene.clock.now());
        for fan in &fans {
            // So that the first try is the one that arrives.
            scene.world().open_chat(scene.account, *fan, now).unwrap();
        }
        let plan = FaultPlan::none();
        if let Some(lost) = lost {
            plan.fail_next("FanvueClient::send_message", lost);
        }
        let engine = scene.failing(&plan);
        scene.save(&scene.draft(1, "good morning")).await;
        scene.broadcaster().start(creator(), id(1)).await.unwrap();
        for _ in 0..10 {
            let advanced = scene.broadcaster().advance(creator(), id(1)).await;
            assert!(advanced.is_ok(), "{advanced:?}");
            scene.lanes(&engine).await;
        }
        assert_eq!(scene.received().len(), fans.len(), "{back:?} {lost:?}");
        // Of one of them the outcome may not be known yet.
        match back {
            Back::ByWebhook => assert!(scene.hear(&scene.engine).await >= fans.len()),
            Back::ByPoll => scene.poll(&scene.engine).await,
        }
        for fan in &fans {
            assert!(!scene.is_a_humans(*fan).await, "{back:?} {lost:?}");
        }
        scene.work(&scene.engine, HOUR).await;
        assert_eq!(scene.progress(1).await.sent, 3, "{back:?} {lost:?}");
        let received = scene.received();
        assert!(received.values().all(|texts| texts.len() == 1));
        for fan in &fans {
            assert!(!scene.is_a_humans(*fan).await, "{back:?} {lost:?}");
        }

        // The same words by a human's hand are a human's.
        let now = moment(scene.clock.now());
        scene
            .world()
            .human_writes(scene.account, fans[0], "good morning", None, now)
            .unwrap();
        match back {
            Back::ByWebhook => assert!(scene.hear(&scene.engine).await > 0),
            Back::ByPoll => scene.poll(&scene.engine).await,
        }
        assert!(scene.is_a_humans(fans[0]).await, "{back:?} {lost:?}");
        assert!(!scene.is_a_humans(fans[1]).await, "{back:?} {lost:?}");
    }
}

#[tokio::test]
async fn whoever_is_left_out_is_stored_with_the_reason() {
    let scene = Scene::new().await;
    let fans = scene.add_followers(5);
    let [opted_out, paused, gone, spoken_to, reached] = fans[..] else {
        panic!("five fans");
    };
    for fan in [opted_out, paused] {
        scene.known(fan).await;
    }
    let until = scene.clock.now() + 10 * HOUR;
    for (fan, action) in [
        (opted_out, OperatorAction::OptOut),
        (paused, OperatorAction::Pause { until }),
    ] {
        scene.engine.act(chat(fan), action).await.unwrap();
    }
    scene
        .world()
        .set_contact(scene.account, gone, Contact::Refused);
    // One got another broadcast, an hour before.
    let now = moment(scene.clock.now());
    let list = {
        let mut world = scene.world();
        let list = world.create_list(scene.account, "first", now).unwrap();
        world
            .add_list_members(scene.account, list, &[spoken_to])
            .unwrap();
        FanList::Custom(ListId::from_uuid(list))
    };
    let mut before = scene.draft(1, "good morning");
    before.segment = Segment::of([list]);
    scene.save(&before).await;
    scene.broadcaster().start(creator(), id(1)).await.unwrap();
    scene.work(&scene.engine, HOUR).await;
    assert_eq!(scene.progress(1).await.sent, 1);

    scene.save(&scene.draft(2, "good evening")).await;
    scene.broadcaster().start(creator(), id(2)).await.unwrap();
    scene.work(&scene.engine, MINUTE).await;
    for (fan, why) in [
        (opted_out, Skip::OptedOut),
        (paused, Skip::Human),
        (gone, Skip::NotContactable),
        (spoken_to, Skip::SpokenTo),
    ] {
        let standing = Standing::Skipped(why);
        let broadcast = id(2);
        let of_fan = scene.broadcasts.broadcasts_to(chat(fan), Some(id(1)), 9);
        let of_fan = of_fan.await.unwrap();
        assert_eq!(of_fan.len(), 1);
        assert_eq!(
            (of_fan[0].broadcast, of_fan[0].standing),
            (broadcast, standing)
        );
        let stored = scene.memory.conversation(chat(fan)).await.unwrap();
        let deliveries = stored.unwrap().value.deliveries;
        let last = deliveries.last().unwrap();
        let skipped = DeliveryState::Skipped { why };
        assert_eq!((last.broadcast, &last.state), (broadcast, &skipped));
    }
    let received = scene.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[&spoken_to], ["good morning"]);
    assert_eq!(received[&reached], ["good evening"]);
}

#[tokio::test]
async fn stage_and_spend_are_asked_of_our_own_record() {
    let scene = Scene::new().await;
    let fans = scene.add_followers(3);
    let now = moment(scene.clock.now());
    for (fan, cents) in [(fans[0], 6_000), (fans[1], 400)] {
        scene.known(fan).await;
        scene
            .world()
            .fan_tips(scene.account, fan, cents, None, now)
            .unwrap();
    }
    scene.hear(&scene.engine).await;
    let preview = async |segment: Segment| {
        let mut broadcast = scene.draft(1, "good morning").rest(Duration::ZERO);
        broadcast.segment = segment;
        scene.save(&broadcast).await;
        let broadcaster = scene.broadcaster();
        while broadcaster.advance(creator(), id(1)).await.unwrap() == Advanced::More {}
        let preview = broadcaster.preview(creator(), id(1)).await.unwrap();
        assert_eq!(preview.listed, 3);
        preview.skipped.get(&Skip::NotInSegment).copied()
    };
    assert_eq!(preview(followers()).await, None);
    let close = followers().stages([Stage::Supporter, Stage::Vip]);
    assert_eq!(preview(close).await, Some(2));
    assert_eq!(preview(followers().stages([Stage::New])).await, Some(2));
    let paid = followers().spent_at_least(Cents::new(400));
    assert_eq!(preview(paid).await, Some(1));
    let little = followers().spent_at_most(Cents::new(400));
    assert_eq!(preview(little).await, Some(1));
}
