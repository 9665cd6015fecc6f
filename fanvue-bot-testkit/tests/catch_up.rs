//! The poll for what webhooks missed, against the simulated Fanvue. No webhook comes in any of these.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::catch_up::CatchUpOptions;
use fanvue_bot_core::client::{AppCredentials, ClientSecret};
use fanvue_bot_core::creator::{Creator, CreatorStatus};
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::engine::{CaughtUp, Engine};
use fanvue_bot_core::id::{AccountId, ConversationId, CreatorId, FanId, MessageId};
use fanvue_bot_core::memory::{MemoryBackend, MemoryVault};
use fanvue_bot_core::message::{Author, Message};
use fanvue_bot_core::oauth::TokenSource;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue, WorkerId};
use fanvue_bot_core::settings::Settings;
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Clock;
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::world::{
    App, AutomatedTrigger, ChatPatch, NewMessage, Origin, SCOPES, World,
};
use fanvue_bot_testkit::world_client::{WorldClient, moment, token_set};
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

struct Scene {
    clock: VirtualClock,
    world: Arc<Mutex<World>>,
    memory: Arc<MemoryBackend>,
    tokens: TokenSource,
    account: Uuid,
    /// What fails of the engine's calls to the store.
    plan: FaultPlan,
    engine: Engine,
}

impl Scene {
    async fn new() -> Self {
        Self::with(CatchUpOptions::default()).await
    }

    async fn with(options: CatchUpOptions) -> Self {
        let clock = VirtualClock::default();
        let now = moment(clock.now());
        let mut world = World::new(1);
        world.add_app(App::new("app", "secret"));
        let account = world.add_creator("mia", "Mia", now);
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
        let plan = FaultPlan::none();
        let store = Faulty::new(Arc::clone(&memory), plan.clone());
        let engine = engine(
            &clock,
            Backend::shared(Arc::new(store)),
            client,
            &tokens,
            options,
        );
        let scene = Self {
            clock,
            world,
            memory,
            tokens,
            account,
            plan,
            engine,
        };
        // The first call notes when polling begins.
        let begun = scene.engine.catch_up(creator()).await.unwrap();
        assert!(matches!(begun, CaughtUp::NotDue { .. }));
        scene
    }

    /// The engine of another process on the same database.
    fn another_engine(&self) -> Engine {
        let client = WorldClient::new(Arc::clone(&self.world), Arc::new(self.clock.clone()));
        let options = CatchUpOptions::default();
        engine(
            &self.clock,
            Backend::shared(Arc::clone(&self.memory)),
            Arc::new(client),
            &self.tokens,
            options,
        )
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn add_fan(&self, name: &str) -> Uuid {
        self.world().add_fan(name, name, moment(self.clock.now()))
    }

    /// The fan writes, this long ago, and no webhook tells of it.
    fn writes(&self, fan: Uuid, text: &str, ago: Duration) -> MessageId {
        let at = moment(self.clock.now().minus(ago));
        let mut world = self.world();
        let id = world.fan_writes(self.account, fan, text, at).unwrap();
        MessageId::from_uuid(id)
    }

    fn human_writes(&self, fan: Uuid, text: &str) -> MessageId {
        let at = moment(self.clock.now());
        let message = NewMessage::text(text);
        let mut world = self.world();
        let id = world
            .human_writes(self.account, fan, message, None, at)
            .unwrap();
        MessageId::from_uuid(id)
    }

    /// Goes on to the creator's next moment and polls.
    async fn poll(&self) -> CaughtUp {
        let progress = self.engine.catch_up_progress(creator()).await.unwrap();
        let next_at = progress.unwrap().next_at;
        self.clock.set(next_at.max(self.clock.now()));
        self.engine.catch_up(creator()).await.unwrap()
    }

    async fn found(&self) -> u64 {
        match self.poll().await {
            CaughtUp::Polled { found, .. } => found,
            other => panic!("{other:?}"),
        }
    }

    /// Does everything that is due now or within a few seconds.
    async fn work(&self) {
        for _ in 0..20 {
            let now = self.clock.advance(Duration::from_secs(1));
            let worker = WorkerId::new("w");
            let lanes = self
                .memory
                .claim(&worker, &ClaimLimits::lanes(9), now, MINUTE)
                .await
                .unwrap();
            for lane in lanes {
                self.engine.run(lane).await.unwrap();
            }
        }
    }

    async fn stored(&self, fan: Uuid) -> Vec<Message> {
        let page = PageRequest::first(1_000);
        let page = self.memory.messages(chat(fan), &page).await.unwrap();
        page.items.into_iter().rev().collect()
    }

    async fn outcome(&self, fan: Uuid, message: MessageId) -> Option<Outcome> {
        let stored = self.memory.message(chat(fan), message).await.unwrap()?;
        stored.decision.map(|decision| decision.outcome)
    }

    fn replies(&self, fan: Uuid) -> usize {
        let world = self.world();
        let chat = world.chat(self.account, fan).unwrap();
        let ours = |origin: &Origin| *origin == Origin::Api;
        chat.messages.iter().filter(|m| ours(&m.origin)).count()
    }

    fn unread(&self, fan: Uuid) -> u64 {
        self.world().chat(self.account, fan).unwrap().unread
    }
}

fn engine(
    clock: &VirtualClock,
    backend: Backend,
    client: Arc<WorldClient>,
    tokens: &TokenSource,
    options: CatchUpOptions,
) -> Engine {
    let llm = Arc::new(ScriptedLlm::default());
    Engine::builder(backend, llm, client, tokens.clone())
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(2)))
        .catch_up(options)
        .build()
}

fn creator() -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(0xc0de))
}

fn chat(fan: Uuid) -> ConversationId {
    ConversationId::new(creator(), FanId::from_uuid(fan))
}

#[tokio::test]
async fn a_message_without_a_webhook_is_found_within_a_minute_and_answered() {
    let scene = Scene::new().await;
    let ben = scene.add_fan("ben");
    let began = scene.clock.now();
    let message = scene.writes(ben, "are you there?", Duration::ZERO);
    assert_eq!(scene.found().await, 1);
    assert!(scene.clock.now().since(began) <= MINUTE);
    scene.work().await;
    assert_eq!(scene.replies(ben), 1);
    assert!(matches!(
        scene.outcome(ben, message).await,
        Some(Outcome::Replied { .. })
    ));
    assert_eq!(scene.found().await, 0);
}

#[tokio::test]
async fn a_poll_marks_nothing_as_read() {
    let scene = Scene::new().await;
    let fans = ["ada", "ben", "kim"].map(|name| scene.add_fan(name));
    for (number, fan) in fans.iter().enumerate() {
        for _ in 0..=number {
            scene.writes(*fan, "hi", Duration::ZERO);
        }
    }
    assert_eq!(scene.found().await, 6);
    assert_eq!(fans.map(|fan| scene.unread(fan)), [1, 2, 3]);
}

#[tokio::test]
async fn what_was_marked_as_read_with_a_reply_is_still_found() {
    let scene = Scene::new().await;
    let ben = scene.add_fan("ben");
    scene.writes(ben, "hi", Duration::ZERO);
    scene.poll().await;
    scene.work().await;
    assert_eq!(scene.replies(ben), 1);
    let lost = scene.writes(ben, "and you?", Duration::ZERO);
    let now = moment(scene.clock.now());
    let (account, read) = (scene.account, ChatPatch::read());
    scene.world().patch_chat(account, ben, read, now).unwrap();
    assert_eq!(scene.unread(ben), 0);
    assert_eq!(scene.found().await, 1);
    scene.work().await;
    assert!(matches!(
        scene.outcome(ben, lost).await,
        Some(Outcome::Replied { .. })
    ));
}

#[tokio::test]
async fn years_of_old_messages_are_left_alone_and_those_of_the_last_hour_answered() {
    let scene = Scene::new().await;
    let old = scene.add_fan("old");
    let new = scene.add_fan("new");
    scene.writes(old, "hello from 2023", HOUR * 24 * 900);
    scene.writes(new, "hello from last week", HOUR * 24 * 7);
    let waiting = scene.writes(new, "anyone?", HOUR / 2);
    assert_eq!(scene.found().await, 1);
    scene.work().await;
    assert_eq!((scene.replies(old), scene.replies(new)), (0, 1));
    assert!(scene.stored(old).await.is_empty());
    assert!(matches!(
        scene.outcome(new, waiting).await,
        Some(Outcome::Replied { .. })
    ));
}

#[tokio::test]
async fn a_human_who_answered_has_the_conversation() {
    let scene = Scene::new().await;
    let ben = scene.add_fan("ben");
    let asked = scene.writes(ben, "is it you?", Duration::ZERO);
    scene.clock.advance(Duration::from_secs(2));
    let answer = scene.human_writes(ben, "yes, me");
    assert_eq!(scene.found().await, 2);
    scene.work().await;
    assert_eq!(scene.replies(ben), 0);
    assert!(matches!(
        scene.outcome(ben, asked).await,
        Some(Outcome::PausedByHuman { .. })
    ));
    let stored = scene.memory.message(chat(ben), answer).await.unwrap();
    assert_eq!(stored.unwrap().author, Author::Human);
}

#[tokio::test]
async fn an_automated_message_that_a_poll_finds_is_nobody_who_answered() {
    let scene = Scene::new().await;
    let ben = scene.add_fan("ben");
    let asked = scene.writes(ben, "is it you?", Duration::ZERO);
    scene.clock.advance(Duration::from_secs(2));
    let now = moment(scene.clock.now());
    let trigger = AutomatedTrigger::NewFollower;
    let greeting = scene
        .world()
        .automated_message(scene.account, ben, trigger, "welcome!", now)
        .unwrap();
    assert_eq!(scene.found().await, 2);
    scene.work().await;
    assert_eq!(scene.replies(ben), 1);
    assert!(matches!(
        scene.outcome(ben, asked).await,
        Some(Outcome::Replied { .. })
    ));
    let greeting = MessageId::from_uuid(greeting);
    let stored = scene.memory.message(chat(ben), greeting).await.unwrap();
    assert_eq!(stored.unwrap().author, Author::Automation);
}

#[tokio::test]
async fn a_message_that_was_deleted_without_a_webhook_is_erased_when_the_chat_is_read() {
    let scene = Scene::new().await;
    let ben = scene.add_fan("ben");
    scene.human_writes(ben, "my number is 555");
    let said = scene.human_writes(ben, "no, 556");
    scene.human_writes(ben, "call me");
    scene.clock.advance(Duration::from_secs(10));
    assert_eq!(scene.found().await, 3);
    let now = moment(scene.clock.now());
    let account = scene.account;
    scene
        .world()
        .delete_message(account, ben, said.as_uuid(), now)
        .unwrap();
    scene.writes(ben, "ok", Duration::ZERO);
    assert_eq!(scene.found().await, 1);
    let erased = scene.memory.message(chat(ben), said).await.unwrap();
    let erased = erased.unwrap();
    assert!(erased.deleted_at.is_some());
    assert_eq!(erased.content.text, None);
    let kept = scene.stored(ben).await;
    assert_eq!(kept.iter().filter(|m| m.deleted_at.is_none()).count(), 3);
}

#[tokio::test]
async fn of_two_processes_one_polls() {
    let scene = Scene::new().await;
    let another = scene.another_engine();
    let ben = scene.add_fan("ben");
    scene.writes(ben, "hi", Duration::ZERO);
    let progress = scene.engine.catch_up_progress(creator()).await.unwrap();
    scene.clock.set(progress.unwrap().next_at);
    let (one, two) = tokio::join!(
        scene.engine.catch_up(creator()),
        another.catch_up(creator())
    );
    let polled = |outcome: &CaughtUp| matches!(outcome, CaughtUp::Polled { .. });
    let outcomes = [one.unwrap(), two.unwrap()];
    assert_eq!(
        outcomes.iter().filter(|o| polled(o)).count(),
        1,
        "{outcomes:?}"
    );
    // The other goes on an interval later, whoever it is.
    scene.writes(ben, "you?", Duration::ZERO);
    scene.clock.advance(MINUTE);
    assert!(polled(&another.catch_up(creator()).await.unwrap()));
}

#[tokio::test]
async fn a_long_list_is_read_in_parts_and_nobody_is_left_out() {
    let options = CatchUpOptions::default().at_once(2, 7);
    let scene = Scene::with(options).await;
    let fans: Vec<Uuid> = (0..60)
        .map(|number| scene.add_fan(&format!("fan-{number}")))
        .collect();
    for fan in &fans {
        scene.clock.advance(Duration::from_millis(5));
        scene.writes(*fan, "hi", Duration::ZERO);
    }
    let began = scene.clock.now();
    let (mut found, mut polls) = (0, 0);
    while found < 61 {
        // Seven chats, in one of which there may be two messages.
        let some = scene.found().await;
        assert!(some <= 8, "{some} at once");
        found += some;
        polls += 1;
        assert!(polls < 20, "after {polls} polls {found} were found");
        if polls == 3 {
            // Whoever writes meanwhile goes before those who wait.
            scene.writes(fans[0], "me again", Duration::ZERO);
        }
    }
    assert!(scene.clock.now().since(began) <= MINUTE * 2);
    for fan in &fans {
        assert!(!scene.stored(*fan).await.is_empty());
    }
}

#[tokio::test]
async fn a_poll_that_is_told_to_wait_comes_back_and_reads_on() {
    let scene = Scene::new().await;
    let fans: Vec<Uuid> = (0..12)
        .map(|number| scene.add_fan(&format!("fan-{number}")))
        .collect();
    for fan in &fans {
        scene.writes(*fan, "hi", Duration::ZERO);
    }
    scene.world().settings_mut().rate_limits.per_minute = 6;
    let mut waits = 0;
    for _ in 0..40 {
        if let CaughtUp::PutOff { next_at, .. } = scene.poll().await {
            assert!(next_at > scene.clock.now());
            waits += 1;
        }
    }
    assert!(waits > 0);
    for fan in &fans {
        assert_eq!(scene.stored(*fan).await.len(), 1);
    }
}

#[tokio::test]
async fn a_chat_that_fails_keeps_no_other_from_being_found() {
    let scene = Scene::new().await;
    let fans: Vec<Uuid> = (0..12).map(|n| scene.add_fan(&format!("fan{n}"))).collect();
    for fan in &fans {
        scene.writes(*fan, "hi", Duration::ZERO);
    }
    // One cannot be looked up, and one cannot be taken in.
    scene.plan.fail_next("Store::conversation", Fault::Before);
    scene
        .plan
        .fail_next("CommitAndEnqueue::commit_and_enqueue", Fault::Before);
    let CaughtUp::PutOff { .. } = scene.poll().await else {
        panic!("two chats were not read");
    };
    let mut found = 0;
    for fan in &fans {
        found += scene.stored(*fan).await.len();
    }
    assert_eq!(found, fans.len() - 2);
    assert_eq!(scene.found().await, 2);
    assert_eq!(scene.plan.injected().len(), 2);
}

#[tokio::test]
async fn who_is_not_active_or_not_connected_is_not_polled() {
    let scene = Scene::new().await;
    let due = scene.engine.due_for_catch_up(10).await.unwrap();
    assert_eq!(due, [creator()]);
    let mut mia = scene.memory.creator(creator()).await.unwrap().unwrap();
    mia.value.status = CreatorStatus::Inactive;
    let change = mia.value.into();
    let revision = Some(mia.revision);
    scene.memory.commit(&change, revision).await.unwrap();
    let outcome = scene.engine.catch_up(creator()).await.unwrap();
    assert_eq!(outcome, CaughtUp::NobodyToPoll);
    let nobody = CreatorId::from_uuid(Uuid::from_u128(9));
    let outcome = scene.engine.catch_up(nobody).await.unwrap();
    assert_eq!(outcome, CaughtUp::NobodyToPoll);
}

#[tokio::test]
async fn hundreds_of_creators_are_not_polled_in_the_same_second() {
    let scene = Scene::new().await;
    for number in 0..300_u128 {
        let id = CreatorId::from_uuid(Uuid::from_u128(number + 1));
        let account = AccountId::from_uuid(Uuid::from_u128(1_000 + number));
        let creator = Creator::new(id, Persona::named("Mia")).account(account);
        scene.memory.commit(&creator.into(), None).await.unwrap();
    }
    for id in scene.engine.due_for_catch_up(1_000).await.unwrap() {
        scene.engine.catch_up(id).await.unwrap();
    }
    let mut most = 0;
    for _ in 0..60 {
        scene.clock.advance(Duration::from_secs(1));
        let due = scene.engine.due_for_catch_up(1_000).await.unwrap();
        most = most.max(due.len());
    }
    assert!((1..=20).contains(&most), "{most} in one second");
}
