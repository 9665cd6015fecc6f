//! One expired token and many hands: three processes' worth of token sources, each with its own HTTP client
//! and its own handle on one SQLite file, against the simulator's rotation and reuse detection.
//!
//! 20 rounds by default; set `TOKEN_ROUNDS` for more.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fanvue_bot::client::{AppCredentials, Auth, ClientSecret, FanvueClient};
use fanvue_bot::creator::Creator;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::oauth::{TokenError, TokenSource};
use fanvue_bot::persona::Persona;
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Retry;
use fanvue_bot::secret::{Keyring, MasterKey};
use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::App;

use crate::given::token_set;

const CLIENT_ID: &str = "reply-bot";
const CLIENT_SECRET: &str = "reply-bot-secret";
const PROCESSES: usize = 3;
const TASKS: usize = 64;
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Longer than an access token lives.
const LIFE: Duration = Duration::from_secs(3_601);

fn rounds() -> usize {
    std::env::var("TOKEN_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20)
}

fn app() -> AppCredentials {
    AppCredentials {
        client_id: CLIENT_ID.into(),
        client_secret: ClientSecret::new(CLIENT_SECRET),
    }
}

fn client(simulator: &Simulator) -> RestClient {
    RestClient::builder()
        .api_base_url(simulator.base_url())
        .auth_base_url(simulator.base_url())
        .allow_loopback_http()
        .build()
        .unwrap()
}

fn token_requests(simulator: &Simulator) -> usize {
    let requests = simulator.requests();
    let refreshes = requests.iter().filter(|one| one.path == "/oauth2/token");
    refreshes.count()
}

/// What a job does: it asks again when it is told to, for as long as it is told so.
async fn token_of(tokens: TokenSource, creator: Creator) -> (Auth, u64) {
    let mut put_off = 0;
    loop {
        match tokens.auth(&creator).await {
            Ok(auth) => return (auth, put_off),
            Err(error @ TokenError::Busy) => {
                assert!(matches!(error.retry(), Retry::After(_)));
                put_off += 1;
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_meet_an_expired_token_one_request_is_made_and_no_grant_is_lost() {
    let simulator = Simulator::builder()
        .app(App::new(CLIENT_ID, CLIENT_SECRET))
        .rate_limits(1_000_000, 80)
        .start()
        .await
        .unwrap();
    let account = simulator.add_creator("luna", "Luna");
    let creator = Creator::new(CreatorId::from_uuid(account), Persona::named("Luna"))
        .account(AccountId::from_uuid(account));

    let dir = tempfile::tempdir().unwrap();
    let clock = VirtualClock::default();
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let backend = SqliteBackend::open(dir.path().join("bot.db"))
            .await
            .unwrap();
        let keyring = Keyring::new(MasterKey::from_bytes(KEY).unwrap());
        let tokens = TokenSource::new(
            Arc::new(SqliteVault::new(backend.clone(), keyring)),
            Arc::new(backend),
            Arc::new(client(&simulator)),
            app(),
        );
        processes.push(tokens.clock(Arc::new(clock.clone())));
    }

    let issued = simulator
        .issue_tokens(CLIENT_ID, account, ["offline_access", "read:self"])
        .unwrap();
    let issued = token_set(&issued);
    processes[0].connect(creator.id, &issued).await.unwrap();
    let (mut put_off, begun) = (0, Instant::now());
    for round in 0..rounds() {
        clock.advance(LIFE);
        simulator.advance(LIFE);
        let before = token_requests(&simulator);
        let tasks: Vec<_> = (0..TASKS)
            .flat_map(|_| processes.iter().cloned())
            .map(|tokens| tokio::spawn(token_of(tokens, creator.clone())))
            .collect();
        let mut handed_out = Vec::new();
        for task in tasks {
            let (auth, waits) = task.await.unwrap();
            put_off += waits;
            handed_out.push(auth);
        }
        let requests = token_requests(&simulator) - before;
        assert_eq!(requests, 1, "in round {round}");
        handed_out.dedup();
        assert_eq!(handed_out.len(), 1, "all have the same token");
        let user = client(&simulator).current_user(&handed_out[0]).await;
        assert_eq!(user.unwrap().id, AccountId::from_uuid(account));
    }
    println!(
        "{} rounds of {PROCESSES} x {TASKS} tasks: one token request each, no grant revoked, {put_off} tries put \
         off, {:.1} s",
        rounds(),
        begun.elapsed().as_secs_f64()
    );
    simulator.stop().await;
}
