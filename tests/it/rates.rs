//! Fanvue's rate limits: several processes' worth of clients on one database, real HTTP, and the simulator's
//! buckets, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fanvue_bot::client::{AppCredentials, ClientError, ClientSecret, FanvueClient};
use fanvue_bot::creator::Creator;
use fanvue_bot::entropy::OsEntropy;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::rate::{Budget, Class};
use fanvue_bot::rest::RestClient;
use fanvue_bot::retry::Retry;
use fanvue_bot::secret::{Keyring, MasterKey};
use fanvue_bot::sqlx::{SqliteBackend, SqliteVault};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{App, RequestFault, RequestRule, Trigger};
use futures_util::future::join_all;

use crate::given::token_set;

const CLIENT_ID: &str = "reply-bot";
const CLIENT_SECRET: &str = "reply-bot-secret";
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const PROCESSES: usize = 3;

/// One process: a client, its budget and its handle on the database.
struct Process {
    client: RestClient,
    tokens: TokenSource,
}

/// Several processes, Fanvue, and the time that all of them see.
struct Site {
    simulator: Simulator,
    clock: VirtualClock,
    processes: Vec<Process>,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn open(per_minute: u64) -> Self {
        Self::with_token_requests(per_minute, 300).await
    }

    /// Where an app may make so many token requests a minute.
    async fn with_token_requests(per_minute: u64, token_requests: u32) -> Self {
        let simulator = Simulator::builder()
            .app(App::new(CLIENT_ID, CLIENT_SECRET))
            .rate_limits(per_minute, 80)
            .start()
            .await
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let clock = VirtualClock::default();
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            let backend = SqliteBackend::open(dir.path().join("bot.db"))
                .await
                .unwrap();
            let store = Arc::new(backend.clone());
            let budget = Budget::shared(Arc::clone(&store) as Arc<_>, &OsEntropy)
                .unwrap()
                .token_requests(token_requests);
            let client = RestClient::builder()
                .api_base_url(simulator.base_url())
                .auth_base_url(simulator.base_url())
                .allow_loopback_http()
                .budget(budget.clock(Arc::new(clock.clone())))
                // Time stands still while the disk works, so nobody gives up on a machine that is slow.
                .longest_budget_wait(Duration::from_secs(60))
                .build()
                .unwrap();
            let keyring = Keyring::new(MasterKey::from_bytes(KEY).unwrap());
            let app = AppCredentials {
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret::new(CLIENT_SECRET),
            };
            let vault = Arc::new(SqliteVault::new(backend, keyring));
            let tokens = TokenSource::new(vault, store, Arc::new(client.clone()), app);
            processes.push(Process {
                client,
                tokens: tokens.clock(Arc::new(clock.clone())),
            });
        }
        Self {
            simulator,
            clock,
            processes,
            _dir: dir,
        }
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.simulator.advance(time);
    }

    /// A creator whose account is connected.
    async fn creator(&self, name: &str) -> Creator {
        let account = self.simulator.add_creator(name, name);
        let creator = Creator::new(CreatorId::from_uuid(account), Persona::named(name))
            .account(AccountId::from_uuid(account));
        let scopes = ["offline_access", "read:self", "read:chat"];
        let issued = self
            .simulator
            .issue_tokens(CLIENT_ID, account, scopes)
            .unwrap();
        let issued = token_set(&issued);
        let tokens = &self.processes[0].tokens;
        tokens.connect(creator.id, &issued).await.unwrap();
        creator
    }

    /// Asks Fanvue something for a creator, as a job does; or says for how long to put it off.
    async fn ask(&self, process: usize, creator: &Creator, class: Class) -> Result<(), Duration> {
        let Process { client, tokens } = &self.processes[process];
        let retry = match tokens.auth(creator).await {
            Ok(auth) => match client.current_user(&auth.class(class)).await {
                Ok(_) => return Ok(()),
                Err(error) => error.retry(),
            },
            Err(error) => error.retry(),
        };
        match retry {
            Retry::After(wait) => Err(wait),
            other => panic!("{other:?}"),
        }
    }

    fn token_requests(&self) -> usize {
        let requests = self.simulator.requests();
        let tokens = requests.iter().filter(|one| one.path == "/oauth2/token");
        tokens.count()
    }

    fn answered_with_429(&self) -> usize {
        let requests = self.simulator.requests();
        requests
            .iter()
            .filter(|one| one.status == Some(429))
            .count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_under_three_times_the_limit_stay_inside_and_replies_go_first() {
    const LIMIT: u64 = 200;
    const MINUTES: u64 = 3;
    let site = Site::open(LIMIT).await;
    let creator = site.creator("luna").await;
    let auth = site.processes[0].tokens.auth(&creator).await.unwrap();
    let begun = Instant::now();
    // 0.3 s a step; in each, every process polls, broadcasts and replies: 3 x 200 a minute in all, of which
    // the replies alone are three quarters of the limit.
    let (mut sent, mut refused) = ([0_u64; 5], [0_u64; 5]);
    for step in 0..(MINUTES * LIMIT) {
        site.pass(Duration::from_millis(300));
        for (number, process) in site.processes.iter().enumerate() {
            let turn = (step + number as u64) % 4;
            let class = match turn {
                0 => Class::LiveReply,
                1 | 2 => Class::Poll,
                _ => Class::Broadcast,
            };
            let auth = auth.clone().class(class);
            match process.client.current_user(&auth).await {
                Ok(_) => sent[class as usize] += 1,
                Err(ClientError::RateLimited { .. }) => refused[class as usize] += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    let all: u64 = sent.iter().sum();
    let limited = site.answered_with_429();
    println!(
        "{MINUTES} min of 3 x the limit of {LIMIT} from {PROCESSES} processes: {all} requests went out, {limited} \
         answers were 429; replies {} sent and {} put off, broadcasts {} and {}, polls {} and {}; {:.1} s",
        sent[0],
        refused[0],
        sent[3],
        refused[3],
        sent[4],
        refused[4],
        begun.elapsed().as_secs_f64(),
    );
    assert_eq!(limited, 0);
    assert!(all >= LIMIT * MINUTES * 9 / 10, "{all} requests");
    assert_eq!(refused[0], 0, "no reply waits for a poll or a broadcast");
    assert!(sent[3] > 0 && sent[4] > 0, "and none of them starves");
    site.simulator.stop().await;
}

const CREATORS: usize = 200;

/// Replies that wait, and the longest that one of them had to.
#[derive(Default)]
struct Waiting {
    due: Vec<(Duration, Duration, usize)>,
    longest: Duration,
    put_off: u64,
}

impl Waiting {
    /// Does what is due at `now`, all at once.
    async fn work(&mut self, site: &Site, creators: &[Creator], now: Duration) {
        let (due, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(at, _, _)| *at <= now);
        self.due = later;
        let due: Vec<(Duration, Duration, usize)> = due;
        let asked = join_all(due.iter().map(|(_, _, creator)| {
            let process = creator % PROCESSES;
            site.ask(process, &creators[*creator], Class::LiveReply)
        }));
        for ((_, since, creator), outcome) in due.iter().zip(asked.await) {
            match outcome {
                Ok(()) => self.longest = self.longest.max(now - *since),
                Err(wait) => {
                    self.put_off += 1;
                    self.due.push((now + wait, *since, *creator));
                }
            }
        }
    }

    /// Each token was refreshed once, within the limits, and held no reply back for longer than `limit`.
    async fn conclude(self, site: Site, what: &str, limit: Duration, begun: Instant) {
        let (refreshed, limited) = (site.token_requests(), site.answered_with_429());
        println!(
            "{CREATORS} {what}: {refreshed} token requests, {limited} answers were 429, {} replies put off, the \
             longest by {:?}; {:.1} s",
            self.put_off,
            self.longest,
            begun.elapsed().as_secs_f64(),
        );
        assert_eq!((refreshed, limited), (CREATORS, 0));
        assert!(self.longest <= limit, "{:?}", self.longest);
        site.simulator.stop().await;
    }
}

async fn creators(site: &Site) -> Vec<Creator> {
    let mut creators = Vec::with_capacity(CREATORS);
    for number in 0..CREATORS {
        creators.push(site.creator(&format!("luna-{number}")).await);
    }
    creators
}

/// No reply is later than this because of its creator's token.
const NOT_LATER: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tokens_that_expire_in_one_second_are_refreshed_ahead_and_hold_no_reply_back() {
    expire_together(300).await;
}

/// They are spread over two and a half minutes, which is 80 a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_where_an_app_may_make_a_hundred_token_requests_a_minute() {
    expire_together(100).await;
}

async fn expire_together(token_requests: u32) {
    const STEP: Duration = Duration::from_millis(500);
    let site = Site::with_token_requests(200, token_requests).await;
    let creators = creators(&site).await;
    let begun = Instant::now();
    site.pass(Duration::from_secs(3_599 - 310));
    let (mut now, mut waiting) = (Duration::ZERO, Waiting::default());
    for step in 0..640_usize {
        // Every creator is polled once a minute, and some fan somewhere gets a reply.
        for creator in (0..CREATORS).filter(|creator| creator % 120 == step % 120) {
            let _ = site
                .ask(creator % PROCESSES, &creators[creator], Class::Poll)
                .await;
        }
        waiting.due.push((now, now, step * 37 % CREATORS));
        waiting.work(&site, &creators, now).await;
        site.pass(STEP);
        now += STEP;
    }
    while !waiting.due.is_empty() {
        site.pass(STEP);
        now += STEP;
        waiting.work(&site, &creators, now).await;
    }
    let what =
        format!("tokens that expire in one second, {token_requests} token requests a minute");
    waiting.conclude(site, &what, NOT_LATER, begun).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tokens_that_have_expired_together_are_replaced_within_two_seconds() {
    have_expired(300, NOT_LATER).await;
}

/// After an outage of an hour, with a reply due for each: in any order the last of them waits for a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_half_of_the_requests_that_it_takes_the_last_expired_token_waits_a_minute() {
    have_expired(100, Duration::from_secs(90)).await;
}

async fn have_expired(token_requests: u32, limit: Duration) {
    const STEP: Duration = Duration::from_millis(100);
    let site = Site::with_token_requests(200, token_requests).await;
    let creators = creators(&site).await;
    let begun = Instant::now();
    site.pass(Duration::from_secs(3_601));
    let (mut now, mut waiting) = (Duration::ZERO, Waiting::default());
    waiting.due = (0..CREATORS).map(|creator| (now, now, creator)).collect();
    while !waiting.due.is_empty() {
        waiting.work(&site, &creators, now).await;
        site.pass(STEP);
        now += STEP;
    }
    let what = format!("expired tokens at once, {token_requests} token requests a minute");
    waiting.conclude(site, &what, limit, begun).await;
}

/// Whoever has a turn is served when it comes, and nobody who asks meanwhile is told to wait for longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_request_that_was_put_off_is_made_as_soon_as_it_may_be() {
    let site = Site::open(200).await;
    let creator = site.creator("luna").await;
    site.pass(Duration::from_secs(3_601));
    let limited = RequestRule::new(RequestFault::RateLimited(1), Trigger::Next(1));
    site.simulator
        .add_request_fault(limited.on("POST", "/oauth2/token"));
    let ask = || site.ask(0, &creator, Class::LiveReply);
    let wait = ask().await.unwrap_err();
    assert!((1_000..2_000).contains(&wait.as_millis()), "{wait:?}");
    site.pass(wait / 4);
    let rest = ask().await.unwrap_err();
    assert_eq!(rest, wait - wait / 4);
    assert_eq!(site.token_requests(), 1);
    site.pass(rest);
    ask().await.unwrap();
    assert_eq!((site.token_requests(), site.answered_with_429()), (2, 1));
    site.simulator.stop().await;
}
