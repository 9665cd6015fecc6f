//! Signed webhooks over HTTP, beside a server that does no more than store each body.
//!
//! Floor and subject take turns in the same run, so that whatever else the machine does weighs on both.
//! Both have the same accept loop and the same generator, which shares the machine with them.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use fanvue_bot::axum::{Drained, Limits, Webhooks, serve};
use fanvue_bot::backend::Backend;
use fanvue_bot::id::MessageId;
use fanvue_bot::intake::Intake;
use fanvue_bot::page::PageRequest;
use fanvue_bot::settings::Settings;
use fanvue_bot::time::{Clock as _, SystemClock};
use fanvue_bot::webhook::Verifier;
use fanvue_bot::worker::take_in_waiting;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::Common;
use crate::database::{Database, Floor};
use crate::generator::{self, Plan, Sent};
use crate::people::{People, webhook_secret};
use crate::report::{Report, per_second, processor_time, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How long to send webhooks; the floors take as long again, each.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How many connections are kept open, each with one request at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// How many creators there are.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    creators: u64,
    /// How many fans each of them has.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    fans: u64,
    /// How often floor and subject take turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Take events in before they are acknowledged, also where an inbox could keep them.
    #[arg(long)]
    direct: bool,
}

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let people = People {
        creators: options.creators,
        fans: options.fans,
    };
    let mut report = Report::new("intake", common);
    let database = Database::open(common).await?;
    people
        .settle(&**database.backend.store(), &Settings::default())
        .await?;
    let floor = Arc::new(database.floor().await?);
    let described = floor.description();

    let backend = if options.direct {
        database.without_inbox()
    } else {
        database.backend.clone()
    };
    let intake = Intake::new(backend);
    let taker = intake.clone();
    let webhooks = Webhooks::builder(Verifier::new(&webhook_secret())?, intake).build();
    let subject = Server::start(webhooks.router()).await?;
    let bare = Router::new()
        .route("/floor", post(store_body))
        .with_state(Arc::clone(&floor));
    let bare = Server::start(bare).await?;

    let round = Duration::from_secs(options.seconds) / options.rounds;
    let mut plan = Plan {
        address: subject.address,
        path: "/webhooks/fanvue",
        people,
        connections: usize::from(options.connections),
        duration: round,
        first: 0,
    };
    let mut taken = Sent::default();
    let mut stored = Sent::default();
    let mut raw = (0, Duration::ZERO);
    let mut processor = [Some(Duration::ZERO); 2];
    for number in 1..=options.rounds {
        progress(&format!("round {number} of {}", options.rounds));
        let (rows, spent) = raw_inserts(&floor, people, round).await?;
        raw = (raw.0 + rows, raw.1 + spent);
        let before = processor_time();
        let one = generator::send(Plan {
            address: bare.address,
            path: "/floor",
            ..plan
        })
        .await?;
        add(&mut stored, one);
        let between = processor_time();
        let one = generator::send(plan).await?;
        plan.first = one.next;
        add(&mut taken, one);
        let after = processor_time();
        for (sum, (from, to)) in processor
            .iter_mut()
            .zip([(before, between), (between, after)])
        {
            *sum = sum
                .zip(from)
                .zip(to)
                .map(|((sum, from), to)| sum + (to - from));
        }
    }
    subject.stop().await;
    bare.stop().await;
    anyhow::ensure!(
        taken.refused == 0 && stored.refused == 0,
        "{} webhooks and {} bodies of the floor were refused; {:?}",
        taken.refused,
        stored.refused,
        webhooks.counters()
    );
    progress("taking in what was kept");
    let (kept, taking_in) = take_in(&taker).await?;
    progress("looking for every acknowledged message");
    let conversations = check(&database.backend, people, &taken.acknowledged).await?;

    let acks = per_second(taken.acknowledged.len(), taken.spent);
    let floor_acks = per_second(stored.acknowledged.len(), stored.spent);
    let raw_rows = per_second(raw.0, raw.1);
    report.text(
        "generator",
        "generator",
        "one thread of this process, on the same cores",
    );
    report.text("floor", "floor", described);
    report.count("connections", "connections", plan.connections);
    report.count(
        "acknowledged",
        "acknowledged events, all found once",
        taken.acknowledged.len(),
    );
    report.count("conversations", "conversations", conversations);
    report.rate("acks_per_second", "intake", acks, "events");
    report.times("intake", "intake", &mut taken.times);
    let [floor_processor, intake_processor] = processor;
    report.processor(
        "intake_processor",
        "intake, processor time each",
        intake_processor,
        taken.acknowledged.len(),
    );
    report.rate(
        "floor_acks_per_second",
        "floor over HTTP",
        floor_acks,
        "bodies",
    );
    report.times("floor", "floor over HTTP", &mut stored.times);
    report.processor(
        "floor_processor",
        "floor over HTTP, processor time each",
        floor_processor,
        stored.acknowledged.len(),
    );
    report.rate(
        "raw_inserts_per_second",
        "floor without HTTP, one after the other",
        raw_rows,
        "rows",
    );
    report.ratio(
        "ratio_to_floor",
        "intake to the floor over HTTP",
        acks / floor_acks,
    );
    report.ratio(
        "ratio_to_raw_insert",
        "intake to the floor without HTTP",
        acks / raw_rows,
    );
    if kept > 0 {
        report.count("kept", "kept first, and taken in afterwards", kept);
        report.rate(
            "taken_in_per_second",
            "taken in",
            per_second(kept, taking_in),
            "events",
        );
    }
    database.close().await;
    Ok(report)
}

/// Takes in what waits in the inbox, if there is one; answers how many events that were, and how long it took.
async fn take_in(intake: &Intake) -> anyhow::Result<(usize, Duration)> {
    let (begun, mut kept) = (Instant::now(), 0);
    loop {
        let looked = take_in_waiting(intake, 512).await?;
        anyhow::ensure!(looked.put_off == 0, "events could not be taken in");
        if looked.taken_in == 0 {
            return Ok((kept, begun.elapsed()));
        }
        kept += looked.taken_in;
    }
}

async fn store_body(State(floor): State<Arc<Floor>>, body: Bytes) -> StatusCode {
    match floor.insert(&body).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn raw_inserts(
    floor: &Floor,
    people: People,
    duration: Duration,
) -> anyhow::Result<(usize, Duration)> {
    let body = people.webhook(0, SystemClock.now());
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < duration {
        floor.insert(&body).await?;
        rows += 1;
    }
    Ok((rows, begun.elapsed()))
}

fn add(sum: &mut Sent, mut one: Sent) {
    sum.acknowledged.append(&mut one.acknowledged);
    sum.refused += one.refused;
    sum.times.append(&mut one.times);
    sum.spent += one.spent;
}

/// Reads every conversation and answers with how many there are, if each acknowledged message is in one of
/// them, and in one only.
async fn check(backend: &Backend, people: People, acknowledged: &[u64]) -> anyhow::Result<usize> {
    let store = backend.store();
    let mut found: HashMap<MessageId, usize> = HashMap::with_capacity(acknowledged.len());
    let mut conversations = 0;
    for id in people.conversations() {
        let mut page = PageRequest::first(1_000);
        let before = found.len();
        loop {
            let listed = store.messages(id, &page).await?;
            for message in listed.items {
                *found.entry(message.id).or_default() += 1;
            }
            let Some(next) = listed.next else { break };
            page.after = Some(next);
        }
        conversations += usize::from(found.len() > before);
    }
    let expected: HashSet<MessageId> = acknowledged
        .iter()
        .map(|number| People::message(*number))
        .collect();
    let lost = expected.iter().filter(|id| !found.contains_key(id)).count();
    let twice = found.values().filter(|count| **count > 1).count();
    anyhow::ensure!(
        lost == 0 && twice == 0,
        "of {} acknowledged messages {lost} are not in the store and {twice} are there twice",
        acknowledged.len()
    );
    Ok(conversations)
}

/// A router behind the library's accept loop, on a port of its own.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Drained>,
}

impl Server {
    async fn start(router: Router) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let mut limits = Limits::default();
        // All connections come from one address, as they do behind a reverse proxy.
        limits.max_connections_per_address = limits.max_connections;
        let stopped = async {
            // An error means that whoever could say more is gone.
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, router, limits, stopped));
        Ok(Self {
            address,
            stop,
            task,
        })
    }

    async fn stop(self) {
        // A server that has ended needs no telling.
        let _ = self.stop.send(());
        let _ended = self.task.await;
    }
}
