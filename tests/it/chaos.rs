//! Worker and webhook processes on one Postgres, and something going wrong every few seconds: nodes killed, frozen,
//! drained and cut off, the server restarted and crashed. Then everything is counted, as the simulator saw it.
//!
//! 9 rounds by default; set `CHAOS_ROUNDS` for more, and `CHAOS_SEED` for another plan.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

mod node;
mod plan;
mod site;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fanvue_bot::client::{AppCredentials, ClientSecret, FanvueClient};
use fanvue_bot::creator::Creator;
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::rest::RestClient;
use fanvue_bot::settings::{Mode, Pace, Settings};
use fanvue_bot::sqlx::{PostgresBackend, PostgresVault};
use fanvue_bot::store::Store as _;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::simulator::world::{App, PortalWebhook, WebhookFamily};
use fanvue_bot_testkit::simulator::{Handle, Simulator};
use sqlx::Row as _;
use tokio::sync::watch;
use uuid::Uuid;

use self::node::{CLIENT_ID, CLIENT_SECRET, Role, WEBHOOK_SECRET, Way};
use self::site::{Node, Server, strike};
use crate::given::token_set;
use crate::port;
use crate::postgres_line::{End, Line};

const WORKERS: usize = 3;
const WEBHOOKS: usize = 2;
/// Those who write again and again.
const REGULARS: u64 = 6;

fn setting(name: &str, default: u64) -> u64 {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_with_nodes_and_database_nothing_is_lost_repeated_or_disordered() {
    let rounds = usize::try_from(setting("CHAOS_ROUNDS", 9)).unwrap();
    let seed = setting("CHAOS_SEED", 1);
    let Some(server) = Server::start().await else {
        return;
    };
    let doors: Vec<SocketAddr> = (0..WEBHOOKS)
        .map(|_| SocketAddr::from(([127, 0, 0, 1], port::free())))
        .collect();
    let balancer = Line::to(doors.iter().copied().map(End::Tcp).collect())
        .await
        .unwrap();
    let simulator = simulator(seed, balancer.address()).await;
    let account = simulator.add_creator("luna", "Luna");

    // All at once, on a database without a schema; the last of each kind through a pooler.
    let workers = (0..WORKERS).map(|number| {
        let way = if number + 1 == WORKERS {
            Way::Pooled
        } else {
            Way::Straight
        };
        (format!("worker-{number}"), Role::Worker, way)
    });
    let servers = doors.iter().enumerate().map(|(number, door)| {
        let way = if number + 1 == WEBHOOKS {
            Way::Pooled
        } else {
            Way::Straight
        };
        (format!("webhooks-{number}"), Role::Webhooks(*door), way)
    });
    let mut nodes = Vec::new();
    for (name, role, way) in workers.chain(servers) {
        nodes.push(Node::start(name, role, way, &server, simulator.base_url()).await);
    }
    let direct = Line::to(vec![server.end()]).await.unwrap();
    let database = PostgresBackend::open(Server::address_through(&direct))
        .await
        .unwrap();
    let creator = connect(&simulator, account, &database).await;
    database.close().await;

    let (stop, stopped) = watch::channel(false);
    let writing = tokio::spawn(write(simulator.handle(), account, seed, stopped));
    let begun = Instant::now();
    for (number, round) in plan::plan(seed, rounds, nodes.len())
        .into_iter()
        .enumerate()
    {
        tokio::time::sleep(round.after).await;
        println!(
            "{:>6.1} s, round {}: {:?}",
            begun.elapsed().as_secs_f64(),
            number + 1,
            round.fault
        );
        strike(round.fault, &mut nodes, &server).await;
    }
    stop.send_replace(true);
    let written = writing.await.unwrap();
    let load = begun.elapsed();

    quiet(&simulator, account, &server).await;
    // From here on nobody could do more.
    for node in &mut nodes {
        node.drain();
    }
    let database = PostgresBackend::open(Server::address_through(&direct))
        .await
        .unwrap();
    let tally = tally::count(&simulator, account, creator, &database).await;
    println!(
        "seed {seed}, {rounds} rounds in {:.0} s, all done after {:.0} s: {tally}",
        load.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    assert!(tally.is_clean() && tally.written == written, "{tally:#?}");
    database.close().await;
    simulator.stop().await;
}

async fn simulator(seed: u64, door: SocketAddr) -> Simulator {
    let webhook = PortalWebhook::new(format!("http://{door}/webhooks/fanvue"))
        .families([WebhookFamily::Current]);
    let app = App::new(CLIENT_ID, CLIENT_SECRET)
        .webhook_secret(WEBHOOK_SECRET)
        .webhook(webhook);
    let simulator = Simulator::builder()
        .seed(seed)
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

/// Makes the creator known and connects their account.
async fn connect(simulator: &Handle, account: Uuid, database: &PostgresBackend) -> CreatorId {
    let settings = Settings::default()
        .mode(Mode::Auto)
        .settle(Duration::from_millis(300), Duration::from_millis(1_500))
        .pace(Pace::Immediate);
    let creator = Creator::new(
        CreatorId::from_uuid(Uuid::from_u128(1)),
        Persona::named("Luna"),
    )
    .account(AccountId::from_uuid(account))
    .settings(settings);
    database
        .commit(&creator.clone().into(), None)
        .await
        .unwrap();

    let issued = simulator
        .issue_tokens(
            CLIENT_ID,
            account,
            [
                "offline_access",
                "read:self",
                "read:chat",
                "write:chat",
                "read:fan",
                "read:creator",
            ],
        )
        .unwrap();
    let issued = token_set(&issued);
    let fanvue: Arc<dyn FanvueClient> = Arc::new(
        RestClient::builder()
            .api_base_url(simulator.base_url())
            .auth_base_url(simulator.base_url())
            .allow_loopback_http()
            .build()
            .unwrap(),
    );
    let app = AppCredentials {
        client_id: CLIENT_ID.into(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
    };
    let vault = PostgresVault::new(database.clone(), node::keyring());
    TokenSource::new(Arc::new(vault), Arc::new(database.clone()), fanvue, app)
        .connect(creator.id, &issued)
        .await
        .unwrap();
    creator.id
}

/// Writes as fans do until told to stop; answers how many messages. Every fifth is of somebody who writes only
/// once, and whom nothing brings up again if their message is lost.
async fn write(
    simulator: Handle,
    creator: Uuid,
    seed: u64,
    mut stopped: watch::Receiver<bool>,
) -> usize {
    let entropy = SeededEntropy::new(seed);
    let draw = |high: u64| Seed::draw(&entropy).unwrap().in_range(0, high);
    let regulars: Vec<Uuid> = (0..REGULARS)
        .map(|number| simulator.add_fan(&format!("regular-{number}"), "Regular"))
        .collect();
    for number in 1_u64.. {
        let fan = if number.is_multiple_of(5) {
            simulator.add_fan(&format!("once-{number}"), "Once")
        } else {
            regulars[usize::try_from(draw(REGULARS - 1)).unwrap()]
        };
        let text = tally::numbered(number);
        simulator.fan_writes(creator, fan, text.as_str()).unwrap();
        let pause = Duration::from_millis(20 + draw(160));
        let stopping = stopped.wait_for(|stop| *stop);
        if tokio::time::timeout(pause, stopping).await.is_ok() {
            return usize::try_from(number).unwrap();
        }
    }
    0
}

/// Waits until all are answered, nothing is left to do, and no webhook is under way: what one was to tell may have
/// been read in the chat before.
async fn quiet(simulator: &Handle, creator: Uuid, server: &Server) {
    const WORK_LEFT: &str = "SELECT (SELECT count(*) FROM fanvue_bot.jobs) \
        + (SELECT count(*) FROM fanvue_bot.conversations WHERE wake_at IS NOT NULL)";
    let patience = Instant::now() + Duration::from_secs(300);
    let mut admin = server.admin().await;
    while Instant::now() < patience {
        let left: i64 = sqlx::query(WORK_LEFT)
            .fetch_one(&mut admin)
            .await
            .unwrap()
            .get(0);
        if left == 0
            && tally::waiting(simulator, creator) == 0
            && tally::not_acknowledged(simulator) == 0
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
