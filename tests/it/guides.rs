//! The commands of the guides, typed as they stand there, against a deployment and its simulated Fanvue.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on ends, and one that is skipped says so"
)]

use std::process::Command;

use fanvue_bot::broadcast::{BroadcastState, Broadcaster};
use fanvue_bot::id::{AgencyId, BroadcastId};
use fanvue_bot::queue::WorkerId;
use fanvue_bot::worker::{Worker, WorkerOptions};
use uuid::Uuid;

use crate::connect::{BEARER, Stage, says};

/// The broadcast of the guide about them.
const BROADCAST: BroadcastId = BroadcastId::from_uuid(Uuid::from_u128(71));

/// Where the guides have the deployment.
const BASE: &str = "https://bot.example.com";

/// The calls of the deployment in a guide's shell blocks.
fn calls(guide: &str) -> Vec<&str> {
    let blocks = guide.split("```sh\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split_once("```"));
    let lines = blocks.flat_map(|(block, _)| block.lines());
    lines
        .filter(|line| line.starts_with("curl ") && line.contains(BASE))
        .collect()
}

/// Types a guide's `curl` lines one after the other. Each has to be heeded. What they answered; nothing where there
/// is no curl.
async fn type_curls(stage: &Stage, guide: &str, agency: AgencyId) -> Vec<String> {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "CI needs curl");
        eprintln!("skipped: there is no curl");
        return Vec::new();
    }
    let mut answers = Vec::new();
    let lines = calls(guide);
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let typed =
            line.replace(BASE, &stage.base)
                .replacen("curl ", "curl -sS --fail-with-body ", 1);
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &typed])
            .env("INTERNAL_SECRET", BEARER)
            .env("CREATOR_ID", stage.creator.to_string())
            .env("AGENCY_ID", agency.to_string())
            .env("ACCOUNT_ID", stage.luna.to_string())
            .env("BROADCAST_ID", BROADCAST.to_string());
        let done = tokio::task::spawn_blocking(move || shell.output());
        let done = done.await.unwrap().unwrap();
        let told = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{line}\n{told}");
        answers.push(told.into_owned());
    }
    answers
}

fn agency() -> AgencyId {
    AgencyId::from_uuid(Uuid::from_u128(70))
}

#[tokio::test]
async fn what_connect_a_creator_says_to_type_works() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    let guide = include_str!("../../docs/guides/connect-a-creator.md");
    type_curls(&stage, guide, agency()).await;
    stage.end().await;
}

#[tokio::test]
async fn what_run_as_an_agency_says_to_type_works() {
    let stage = Stage::set("reply-bot-secret").await;
    let account = stage
        .simulator
        .with_world(|world, now| world.add_agency("agency", &[stage.luna], now));
    let page = stage
        .connect_at(stage.start_agency(agency()), account)
        .await;
    says(&page, 200, "@agency");
    let guide = include_str!("../../docs/guides/run-as-an-agency.md");
    type_curls(&stage, guide, agency()).await;
    stage.end().await;
}

#[tokio::test]
async fn what_rotate_keys_says_to_type_works() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    let guide = include_str!("../../docs/guides/rotate-keys.md");
    type_curls(&stage, guide, agency()).await;
    stage.end().await;
}

#[tokio::test]
async fn what_health_says_to_type_works() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let options = WorkerOptions::new(WorkerId::new("worker-1"));
    let worker = tokio::spawn(Worker::new(stage.engine.clone(), options).run(async {
        let _ended = stopped.await;
    }));
    let guide = include_str!("../../docs/guides/health.md");
    let answers = type_curls(&stage, guide, agency()).await;
    if let [deployment, creator, tested] = &answers[..] {
        assert!(deployment.starts_with("deployment: "), "{deployment}");
        let of = format!(r#""creator":"{}""#, stage.creator);
        assert!(creator.contains(&of), "{creator}");
        for step in ["prepared", "delivered", "stored", "worked"] {
            assert!(tested.contains(step), "{tested}");
        }
        assert!(!tested.contains("broken"), "{tested}");
    }
    let _ended = stop.send(());
    worker.await.unwrap();
    stage.end().await;
}

#[tokio::test]
async fn what_broadcast_says_to_type_works() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    // No worker runs, so that each command finds what the guide has before it.
    let guide = include_str!("../../docs/guides/broadcast.md");
    let answers = type_curls(&stage, guide, agency()).await;
    let [
        saved,
        lists,
        preview,
        scheduled,
        started,
        progress,
        paused,
        cancelled,
        all,
    ] = &answers[..]
    else {
        assert!(answers.is_empty(), "{answers:?}");
        return stage.end().await;
    };
    assert!(lists.starts_with(r#"{"lists":[]"#), "{lists}");
    assert!(preview.starts_with(r#"{"complete":false,"#), "{preview}");
    for (answer, state) in [
        (saved, "draft"),
        (scheduled, "scheduled"),
        (started, "scheduled"),
        (progress, "scheduled"),
        (paused, "draft"),
        (cancelled, "cancelled"),
        (all, "cancelled"),
    ] {
        assert!(answer.contains(&format!(r#""is":"{state}""#)), "{answer}");
    }
    let broadcaster = Broadcaster::new(&stage.engine).unwrap();
    let progress = broadcaster.progress(stage.creator, BROADCAST).await;
    assert_eq!(progress.unwrap().broadcast.state, BroadcastState::Cancelled);
    stage.end().await;
}
