//! A broadcast and `kill -9`: the process that sees to it is killed five times in the middle, started again on the
//! same database, and what it says is compared with what the simulator saw.
//!
//! 200 fans by default; set `FANS` for more, such as 10000.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

mod node;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanvue_bot::broadcast::{Broadcast, Broadcaster, Segment, Standing, Template};
use fanvue_bot::client::{FanList, SmartList};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{AccountId, BroadcastId, ConversationId, CreatorId, FanId};
use fanvue_bot::persona::Persona;
use fanvue_bot::settings::Settings;
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{
    App, DeliveryRecord, DeliveryState, Origin, PortalWebhook, SCOPES, WebhookFamily,
};
use uuid::Uuid;

use self::node::{CLIENT_ID, CLIENT_SECRET, Database, Node, Opened, Setup, WEBHOOK_SECRET};
use crate::given::token_set;

const KILLS: u64 = 5;
const TEXT: &str = "a good morning to everybody";
const CREATOR: CreatorId = CreatorId::from_uuid(Uuid::from_u128(1));
const BROADCAST: BroadcastId = BroadcastId::from_uuid(Uuid::from_u128(2));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_that_is_killed_five_times_reaches_each_fan_exactly_once() {
    let folder = tempfile::tempdir().unwrap();
    killed_in_the_middle(Database::Sqlite(folder.path().join("bot.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_on_postgres_that_is_killed_five_times_reaches_each_fan_exactly_once() {
    let Some(server) = crate::postgres_server::fresh().await else {
        return;
    };
    killed_in_the_middle(Database::Postgres(server.address())).await;
}

async fn killed_in_the_middle(database: Database) {
    let fans: u64 = std::env::var("FANS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let door = SocketAddr::from(([127, 0, 0, 1], crate::port::free()));
    let simulator = simulator(door).await;
    let luna = simulator.add_creator("luna", "Luna");
    let people: Vec<Uuid> = simulator.with_world(|world, now| {
        (0..fans)
            .map(|number| {
                let fan = world.add_fan(&format!("fan-{number}"), "Fan", now);
                world.follow(luna, fan, now).unwrap();
                fan
            })
            .collect()
    });
    // Another process, as an operator's would be.
    let opened = database.open().await;
    begin(&opened, &simulator, luna).await;

    let setup = Setup {
        database: database.clone(),
        simulator: simulator.base_url().to_owned(),
        door,
    };
    let mut node = Node::start(&setup);
    let began = Instant::now();
    let patience = Duration::from_secs(120 + fans / 5);
    for kill in 1..=KILLS {
        // Each at another sixth of the way.
        loop {
            let reached = reached(&simulator, luna);
            if reached * (KILLS + 1) >= fans * kill {
                assert!(reached < fans, "kill {kill} is too late");
                break;
            }
            assert!(began.elapsed() < patience, "{reached} of {fans}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(node);
        node = Node::start(&setup);
    }
    loop {
        let stored = opened.broadcasts.broadcast(CREATOR, BROADCAST).await;
        let over = stored.unwrap().unwrap().value.is_over();
        // What is told of our own messages may still be taken for a human's.
        if over && simulator.with_world(|world, _| heard_of_all(world.deliveries())) {
            break;
        }
        let counts = counts(&opened).await;
        assert!(began.elapsed() < patience, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = began.elapsed();
    drop(node);

    let counts = counts(&opened).await;
    let mut received: BTreeMap<Uuid, u64> = BTreeMap::new();
    for message in simulator.messages() {
        let text = message.message.text.as_deref();
        if message.message.origin == Origin::Api && text == Some(TEXT) {
            *received.entry(message.fan).or_default() += 1;
        }
    }
    let twice = received.values().filter(|times| **times > 1).count();
    let missed = people
        .iter()
        .filter(|fan| !received.contains_key(fan))
        .count();
    println!(
        "{fans} fans, {KILLS} kills, {:.0} s: {} reached, {missed} missed, {twice} twice, {counts:?}",
        took.as_secs_f64(),
        received.len()
    );
    assert_eq!((missed, twice), (0, 0), "{counts:?}");
    assert_eq!(counts, BTreeMap::from([(Standing::Sent, fans)]));
    let mut for_a_human = 0;
    for fan in people {
        let id = ConversationId::new(CREATOR, FanId::from_uuid(fan));
        let stored = opened.backend.store().conversation(id).await.unwrap();
        for_a_human += usize::from(stored.unwrap().value.last_human_at.is_some());
    }
    assert_eq!(for_a_human, 0, "our own messages were taken for a human's");
    simulator.stop().await;
}

async fn simulator(door: SocketAddr) -> Simulator {
    let webhook = PortalWebhook::new(format!("http://{door}/webhooks/fanvue"))
        .families([WebhookFamily::Current]);
    let app = App::new(CLIENT_ID, CLIENT_SECRET)
        .webhook_secret(WEBHOOK_SECRET)
        .webhook(webhook);
    let simulator = Simulator::builder()
        .seed(7)
        .app(app)
        .rate_limits(1_000_000, 1_000_000)
        .start()
        .await
        .unwrap();
    simulator.with_world(|world, _| {
        // Who is down for a moment is found again soon, for as long as the test may take.
        world.settings_mut().webhook_retries = vec![250; 10_000];
    });
    simulator
}

/// Connects the creator and starts a broadcast to all who follow them.
async fn begin(opened: &Opened, simulator: &Simulator, luna: Uuid) {
    let creator = Creator::new(CREATOR, Persona::named("Luna"))
        .account(AccountId::from_uuid(luna))
        .settings(Settings::immediate());
    let store = opened.backend.store();
    store.commit(&creator.into(), None).await.unwrap();
    let issued = simulator
        .issue_tokens(CLIENT_ID, luna, SCOPES.iter().copied())
        .unwrap();
    let (fanvue, tokens) = opened.reach(simulator.base_url());
    tokens.connect(CREATOR, &token_set(&issued)).await.unwrap();

    let (backend, model) = (opened.backend.clone(), Arc::new(ScriptedLlm::new([])));
    let engine = Engine::builder(backend, model, fanvue, tokens).build();
    let broadcaster = Broadcaster::new(&engine).unwrap();
    let followers = Segment::of([FanList::Smart(SmartList::Followers)]);
    let text = Template::text(TEXT);
    let broadcast = Broadcast::new(BROADCAST, CREATOR, text, followers, engine.now());
    broadcaster.save(&broadcast).await.unwrap();
    broadcaster.start(CREATOR, BROADCAST).await.unwrap();
}

/// How many fans have got something, as the simulator counts.
fn reached(simulator: &Simulator, luna: Uuid) -> u64 {
    simulator.with_world(|world, _| {
        let chats = world.chats_of(luna);
        let reached = chats.filter(|(_, chat)| !chat.messages.is_empty()).count();
        u64::try_from(reached).unwrap()
    })
}

fn heard_of_all(deliveries: &[DeliveryRecord]) -> bool {
    let mut states = deliveries.iter().map(|delivery| delivery.state);
    states.all(|state| state == DeliveryState::Delivered)
}

/// How it stands with how many.
async fn counts(opened: &Opened) -> BTreeMap<Standing, u64> {
    let counts = opened.broadcasts.recipient_counts(CREATOR, BROADCAST).await;
    counts.unwrap().into_iter().collect()
}
