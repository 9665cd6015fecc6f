//! One expired token and many hands: three processes with 64 tasks each, on one database, against the simulator's
//! rotation and reuse detection; and processes that are killed in the middle of a refresh.
//!
//! 20 rounds by default, and 2 grants for each point of a kill; set `TOKEN_ROUNDS` and `TOKEN_KILLS` for more.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

mod node;
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fanvue_bot::client::{AccessToken, Auth, FanvueClient as _, Reach};
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::oauth::{GrantId, TokenSource};
use fanvue_bot::rate::Class;
use fanvue_bot::rest::RestClient;
use fanvue_bot::time::{Clock as _, SystemClock, Timestamp};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::App;
use tempfile::TempDir;
use uuid::Uuid;

use self::node::{Ask, CLIENT_ID, CLIENT_SECRET, Place, Said, Setup, Stop, TASKS, Time};
use self::process::Process;
use crate::given::token_set;
use crate::postgres_server::{Fresh, fresh};

const PROCESSES: usize = 3;
/// Longer than an access token lives.
const LIFE: Duration = Duration::from_secs(3_601);
/// Longer than Fanvue takes a refresh token that was used.
const GRACE: Duration = Duration::from_secs(31);
/// By then a grant works again, or the operator knows.
const LIMIT: Duration = Duration::from_secs(60);

fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A database and what keeps it there.
struct Database {
    place: Place,
    _directory: Option<TempDir>,
    _fresh: Option<Fresh>,
}

fn sqlite() -> Database {
    let directory = tempfile::tempdir().unwrap();
    Database {
        place: Place::Sqlite(directory.path().join("bot.db")),
        _directory: Some(directory),
        _fresh: None,
    }
}

async fn postgres() -> Option<Database> {
    let fresh = fresh().await?;
    Some(Database {
        place: Place::Postgres(fresh.address()),
        _directory: None,
        _fresh: Some(fresh),
    })
}

/// A Fanvue, a database, and creators whose accounts are connected.
struct Site {
    simulator: Simulator,
    database: Database,
}

impl Site {
    async fn open(database: Database) -> Self {
        let simulator = Simulator::builder()
            .app(App::new(CLIENT_ID, CLIENT_SECRET))
            .rate_limits(1_000_000, 80)
            .start()
            .await
            .unwrap();
        Self {
            simulator,
            database,
        }
    }

    fn client(&self) -> RestClient {
        RestClient::builder()
            .api_base_url(self.simulator.base_url())
            .auth_base_url(self.simulator.base_url())
            .allow_loopback_http()
            .build()
            .unwrap()
    }

    /// Accounts that were connected at this time.
    async fn connected(&self, count: usize, at: Timestamp) -> Vec<Uuid> {
        let opened = self.database.place.open().await;
        let client = Arc::new(self.client());
        let tokens = TokenSource::new(opened.vault, opened.store, client, node::app())
            .clock(Arc::new(VirtualClock::at(at)));
        let mut accounts = Vec::new();
        for number in 0..count {
            let account = self
                .simulator
                .add_creator(&format!("luna-{number}"), "Luna");
            let scopes = ["offline_access", "read:self"];
            let issued = self.simulator.issue_tokens(CLIENT_ID, account, scopes);
            let creator = CreatorId::from_uuid(account);
            tokens
                .connect(creator, &token_set(&issued.unwrap()))
                .await
                .unwrap();
            accounts.push(account);
        }
        accounts
    }

    fn process(&self, time: Time, stops: Option<Stop>) -> Process {
        Process::start(&Setup {
            place: self.database.place.clone(),
            simulator: self.simulator.base_url().to_owned(),
            time,
            stops,
        })
    }

    fn token_requests(&self) -> usize {
        let requests = self.simulator.requests();
        let refreshes = requests.iter().filter(|one| one.path == "/oauth2/token");
        refreshes.count()
    }

    /// Fanvue takes this token for this account's.
    async fn accepts(&self, account: Uuid, token: &str) {
        let auth = Auth {
            token: AccessToken::new(token),
            reach: Reach::Own,
            grant: GrantId::Creator(CreatorId::from_uuid(account)),
            class: Class::LiveReply,
        };
        let user = self.client().current_user(&auth).await.unwrap();
        assert_eq!(user.id, AccountId::from_uuid(account));
    }
}

/// All processes are to ask for the tokens of these accounts.
fn tell(processes: &mut [Process], now: Timestamp, accounts: &[Uuid]) {
    let creators = accounts.to_vec();
    let ask = Ask { now, creators };
    processes.iter_mut().for_each(|process| process.tell(&ask));
}

/// Hears from all processes what came of `accounts`: the one token that all have, or that there is none.
async fn outcomes(processes: &mut [Process], accounts: usize) -> Outcomes {
    let mut all = Outcomes::default();
    for process in processes {
        let mut left = accounts;
        while left > 0 {
            match process.hear().await {
                Said::Ended {
                    creator,
                    tokens,
                    put_off,
                } => {
                    all.tokens
                        .extend(tokens.into_iter().map(|token| (creator, token)));
                    all.put_off += put_off;
                    left -= 1;
                }
                Said::Alerted { creator } => all.alerted.push(creator),
                stopped @ Said::Stopped { .. } => panic!("{stopped:?}"),
            }
        }
    }
    all.tokens.sort_unstable();
    all.tokens.dedup();
    all
}

#[derive(Debug, Default)]
struct Outcomes {
    tokens: Vec<(Uuid, Option<String>)>,
    put_off: u64,
    alerted: Vec<Uuid>,
}

async fn rounds(database: Database, what: &str) {
    let site = Site::open(database).await;
    let clock = VirtualClock::default();
    let accounts = site.connected(1, clock.now()).await;
    let [account] = accounts[..] else {
        panic!("one account")
    };
    let mut processes: Vec<_> = (0..PROCESSES)
        .map(|_| site.process(Time::Told, None))
        .collect();
    let (rounds, mut put_off, begun) = (setting("TOKEN_ROUNDS", 20), 0, Instant::now());
    for round in 0..rounds {
        clock.advance(LIFE);
        site.simulator.advance(LIFE);
        let before = site.token_requests();
        tell(&mut processes, clock.now(), &accounts);
        let all = outcomes(&mut processes, 1).await;
        assert_eq!(site.token_requests() - before, 1, "in round {round}");
        let [(_, Some(token))] = &all.tokens[..] else {
            panic!(
                "all have the same token, in round {round}: {}",
                all.tokens.len()
            );
        };
        site.accepts(account, token).await;
        assert!(all.alerted.is_empty());
        put_off += all.put_off;
    }
    println!(
        "{what}: {rounds} rounds of {PROCESSES} processes x {TASKS} tasks: one token request each, no grant revoked, \
         {put_off} tries put off, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    drop(processes);
    site.simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_meet_an_expired_token_one_request_is_made_on_sqlite() {
    rounds(sqlite(), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_meet_an_expired_token_one_request_is_made_on_postgres() {
    if let Some(database) = postgres().await {
        rounds(database, "Postgres").await;
    }
}

/// Starts a process that stops in the refresh of each of these grants, and kills it when it is there in all.
async fn kill_at(stop: Stop, accounts: &[Uuid], site: &Site) {
    let mut process = site.process(Time::Real, Some(stop));
    tell(
        std::slice::from_mut(&mut process),
        SystemClock.now(),
        accounts,
    );
    let mut stopped = Vec::new();
    while stopped.len() < accounts.len() {
        match process.hear().await {
            Said::Stopped { creator } => stopped.push(creator),
            other => panic!("{other:?}"),
        }
    }
}

/// In real time, since leases on Postgres end by its own clock.
async fn kills(database: Database, what: &str) {
    let site = Site::open(database).await;
    let each = setting("TOKEN_KILLS", 2);
    let accounts = site
        .connected(4 * each, SystemClock.now().minus(LIFE))
        .await;
    site.simulator.advance(LIFE);
    let mut survivors: Vec<_> = (1..PROCESSES)
        .map(|_| site.process(Time::Real, None))
        .collect();

    let (in_time, late) = accounts.split_at(3 * each);
    for (stop, accounts) in [Stop::BeforeRefresh, Stop::AfterRefresh, Stop::AfterStore]
        .into_iter()
        .zip(in_time.chunks(each))
    {
        kill_at(stop, accounts, &site).await;
    }
    kill_at(Stop::AfterRefresh, late, &site).await;
    // All but the first had their effect at Fanvue.
    assert_eq!(site.token_requests(), 3 * each);

    let begun = Instant::now();
    tell(&mut survivors, SystemClock.now(), in_time);
    let recovered = outcomes(&mut survivors, in_time.len()).await;
    let took = begun.elapsed();
    assert!(took <= LIMIT, "{took:?}");
    assert!(recovered.alerted.is_empty());
    assert_eq!(recovered.tokens.len(), in_time.len(), "one token for each");
    for (account, token) in &recovered.tokens {
        site.accepts(*account, token.as_deref().unwrap()).await;
    }
    // Before the refresh, and before the store: asked once more. After the store: there already.
    assert_eq!(site.token_requests(), 5 * each);

    // Nobody came by within the grace, so the pair that died with its process was the only one.
    site.simulator.advance(GRACE);
    let begun = Instant::now();
    tell(&mut survivors, SystemClock.now(), late);
    let lost = outcomes(&mut survivors, late.len()).await;
    let told = begun.elapsed();
    assert!(told <= LIMIT, "{told:?}");
    assert!(lost.tokens.iter().all(|(_, token)| token.is_none()));
    let mut alerted = lost.alerted;
    alerted.sort_unstable();
    let mut late = late.to_vec();
    late.sort_unstable();
    assert_eq!(alerted, late, "one alert for each");
    println!(
        "{what}: killed at three points of a refresh, {each} grants each: all recovered in {:.1} s, {} tries put off; \
         {each} after the grace: one alert each in {:.1} s",
        took.as_secs_f64(),
        recovered.put_off,
        told.as_secs_f64()
    );
    drop(survivors);
    site.simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_a_refresh_costs_no_grant_or_one_alert_on_sqlite() {
    kills(sqlite(), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_in_a_refresh_costs_no_grant_or_one_alert_on_postgres() {
    if let Some(database) = postgres().await {
        kills(database, "Postgres").await;
    }
}
