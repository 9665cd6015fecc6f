//! Whether status, body or a clock tell an unknown tenant from a bad signature at the webhook door.
//!
//! Requests with forged signatures go through the real router, without a network between, which would hide more than
//! it shows. They name tenants of every kind and nobody, one of each a round, in random order. Each kind is compared
//! with nobody, and nobody with somebody else who does not exist: the floor. That the test sees anything at all is
//! shown by the smallest difference that it would have found in the floor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use fanvue_bot::axum::Webhooks;
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{AccountId, AgencyId};
use fanvue_bot::intake::Intake;
use fanvue_bot::secret::{Secret, SecretOwner};
use fanvue_bot::settings::Settings;
use fanvue_bot::time::{Clock as _, SystemClock};
use fanvue_bot::webhook::{SIGNATURE_HEADER, Signer, Verifier, WebhookSecrets};
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::Common;
use crate::apart::{Apart, by_chance, finds};
use crate::database::Database;
use crate::people::{People, TEXT, webhook_secret};
use crate::report::{Report, progress};
use crate::samples::Samples;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many requests of each kind.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    samples: u32,
    /// How many requests are under way at once. One measures best, and waits longest.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    at_once: u32,
    /// Nobody was heard of before, and nobody is remembered.
    #[arg(long)]
    look_up: bool,
    /// The grid on which refusals leave, in milliseconds, in place of the library's 50; 0 refuses at once. Only
    /// shows what it finds then.
    #[arg(long)]
    grid: Option<u64>,
}

/// How likely it is that a run whose kinds do not differ says that they do.
const FALSE_ALARM: f64 = 0.001;

/// Whom the requests name: the number of the account, and what it is.
const NAMED: [(u64, &str); 7] = [
    (0, "no secret"),
    (1, "one secret"),
    (2, "two secrets"),
    (3, "an agency's"),
    (4, "nobody"),
    (5, "nobody else"),
    (NEW, "a new nobody"),
];
const NOBODY: usize = 4;
/// Each request names another account from this one on.
const NEW: u64 = 6;

/// Who is heard of before, so that their secrets are remembered, and one of their secrets.
const KNOWN: [(u64, &str); 3] = [
    (1, "the only one"),
    (2, "the current one"),
    (3, "the agency's"),
];
/// How long they are remembered: for the whole run.
const REMEMBERED: Duration = Duration::from_secs(86_400);

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    let mut report = Report::new("door", common);
    let database = Database::open(common).await?;
    let door = Door {
        router: router(&database, options).await?,
        answer: None,
    };
    if !options.look_up {
        for (number, secret) in KNOWN {
            door.let_in(People::account(number), secret).await?;
        }
    }
    let like = door.knock(People::account(NEW)).await?;
    let door = Door {
        answer: Some(like.answer),
        ..door
    };
    progress("warming up");
    rounds(&door, 0..options.at_once.max(50), options).await?;
    progress("knocking");
    let begin = options.samples;
    let times = rounds(&door, begin..begin + options.samples, options).await?;
    database.close().await;

    report.count("samples", "requests of each kind", times[NOBODY].len());
    // Each kind but nobody, by two figures.
    let odds = FALSE_ALARM / f64::from(u32::try_from(2 * (NAMED.len() - 1))?);
    let chance = by_chance(times[NOBODY].len(), odds);
    let mut told_apart = Vec::new();
    for (number, (_, name)) in NAMED.iter().enumerate() {
        let key = name.replace([' ', '\''], "_");
        let mut samples = Samples::default();
        times[number].iter().for_each(|time| samples.push(*time));
        for (percentile, part) in [("p50", 0.5), ("p99", 0.99)] {
            let label = format!("{name}, {percentile}");
            report.time(
                &format!("{key}_{percentile}"),
                &label,
                samples.percentile(part),
            );
        }
        if number == NOBODY {
            continue;
        }
        let apart = Apart::between(&times[number], &times[NOBODY]);
        let shown = format!("{:.4}, {:.4}", apart.slower, apart.distance);
        let label = format!("{name} slower than nobody, distance");
        report.text(&format!("{key}_apart"), &label, &shown);
        if apart.exceeds(chance) {
            told_apart.push(*name);
        }
    }
    let shown = format!("0.5 ± {:.4}, {:.4}", chance.slower, chance.distance);
    report.text("by_chance", "what chance does at most", &shown);
    let found = finds(&times[NOBODY + 1], &times[NOBODY], chance);
    report.time("finds", "smallest difference to be found", found);
    let verdict = if told_apart.is_empty() {
        "nobody".to_owned()
    } else {
        told_apart.join(", ")
    };
    report.text("told_apart", "whom a clock tells from nobody", &verdict);
    ensure!(
        options.grid.is_some() || told_apart.is_empty(),
        "a clock tells from nobody: {verdict}; with --grid 50 the figures are shown all the same"
    );
    Ok(report)
}

/// The door, and the answer that each request must get.
struct Door {
    router: Router,
    answer: Option<(StatusCode, HeaderMap)>,
}

struct Refused {
    took: Duration,
    answer: (StatusCode, HeaderMap),
}

impl Door {
    /// Sends a request of this account's that is signed with its secret.
    async fn let_in(&self, account: AccountId, secret: &str) -> anyhow::Result<()> {
        let body = body(account);
        let signer = Signer::new(&Secret::new(secret))?;
        let signature = signer.header(SystemClock.now(), body.as_bytes());
        let request = Request::post("/webhooks/fanvue")
            .header(SIGNATURE_HEADER, signature)
            .body(Body::from(body))?;
        let answer = self.router.clone().oneshot(request).await?;
        ensure!(answer.status() == StatusCode::OK, "not let in");
        Ok(())
    }

    /// Sends a forged request for this account.
    async fn knock(&self, account: AccountId) -> anyhow::Result<Refused> {
        let body = body(account);
        let signature = format!(
            "t={},v0={}",
            SystemClock.now().as_micros() / 1_000_000,
            "0".repeat(64)
        );
        let request = Request::post("/webhooks/fanvue")
            .header(SIGNATURE_HEADER, signature)
            .body(Body::from(body))?;
        let router = self.router.clone();
        let begun = Instant::now();
        let answer = router.oneshot(request).await?;
        let took = begun.elapsed();
        let (parts, body) = answer.into_parts();
        let answer = (parts.status, parts.headers);
        ensure!(answer.0 == StatusCode::UNAUTHORIZED, "not refused");
        ensure!(to_bytes(body, 1_024).await?.is_empty(), "it says something");
        ensure!(
            self.answer.as_ref().is_none_or(|known| *known == answer),
            "an answer looks different"
        );
        Ok(Refused { took, answer })
    }
}

fn body(account: AccountId) -> String {
    format!(
        r#"{{"recipientUuid":"{account}","sender":{{"uuid":"{account}"}},"messageUuid":"{account}","message":{{"text":"{TEXT}"}}}}"#
    )
}

/// Knocks for each kind once a round, and returns the sorted times of each kind.
async fn rounds(
    door: &Door,
    rounds: std::ops::Range<u32>,
    options: &Options,
) -> anyhow::Result<Vec<Vec<Duration>>> {
    let mut tasks = JoinSet::new();
    for task in 0..options.at_once {
        let door = Door {
            router: door.router.clone(),
            answer: door.answer.clone(),
        };
        let mine = rounds.clone().skip(task.try_into()?);
        let mine = mine.step_by(options.at_once.try_into()?);
        tasks.spawn(async move {
            let mut times = NAMED.map(|_| Vec::new());
            for round in mine {
                let drawn = Seed::new(u64::from(round));
                let mut order: Vec<_> = (0..NAMED.len()).collect();
                order.sort_by_key(|who| drawn.derive(&who.to_string()).in_range(0, u64::MAX));
                for who in order {
                    let number = match NAMED[who].0 {
                        NEW => NEW + u64::from(round),
                        number => number,
                    };
                    times[who].push(door.knock(People::account(number)).await?.took);
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut all = vec![Vec::new(); NAMED.len()];
    while let Some(times) = tasks.join_next().await {
        for (all, times) in all.iter_mut().zip(times??) {
            all.extend(times);
        }
    }
    all.iter_mut().for_each(|times| times.sort_unstable());
    Ok(all)
}

/// The door of four creators: with no secret of their own, one, two, and an agency's.
async fn router(database: &Database, options: &Options) -> anyhow::Result<Router> {
    let people = People {
        creators: NOBODY.try_into()?,
        fans: 1,
    };
    let store = database.backend.store();
    people.settle(&**store, &Settings::default()).await?;
    let agency = AgencyId::from_uuid(Uuid::from_u128(1));
    let reached = store.creator(People::creator(3)).await?;
    let mut reached = reached.ok_or_else(|| anyhow::anyhow!("a creator is gone"))?;
    reached.value.agency = Some(agency);
    let (change, revision) = (reached.value.into(), reached.revision);
    store.commit(&change, Some(revision)).await?;

    let secrets = WebhookSecrets::new(Arc::clone(&database.vault));
    for (owner, secret) in [
        (SecretOwner::Creator(People::creator(1)), "the only one"),
        (SecretOwner::Creator(People::creator(2)), "the one before"),
        (SecretOwner::Creator(People::creator(2)), "the current one"),
        (SecretOwner::Agency(agency), "the agency's"),
    ] {
        secrets.rotate(owner, &Secret::new(secret)).await?;
    }
    let verifier = Verifier::new(&webhook_secret())?;
    let mut webhooks = Webhooks::builder(verifier, Intake::new(database.backend.clone()))
        .stored_secrets(Arc::clone(&database.vault))
        .secret_cache(if options.look_up {
            Duration::ZERO
        } else {
            REMEMBERED
        });
    if let Some(grid) = options.grid {
        webhooks = webhooks.refusal_grid(Duration::from_millis(grid));
    }
    Ok(webhooks.build().router())
}
