//! `kill -9` under load: the demo's bot is killed again and again, restarted on the same file, and compared
//! with what the simulator saw.
//!
//! 20 kills by default; set `KILLS` for more.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and says what it counted"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{App, Origin};

/// Messages that a fan wrote carry a number, and the template of the demo repeats what it answers.
fn mentioned(text: &str) -> Vec<u64> {
    text.split_whitespace()
        .filter_map(|word| word.strip_prefix('m')?.strip_suffix('x')?.parse().ok())
        .collect()
}

/// The demo, as `cargo test` has built it beside this test.
fn demo() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("examples");
    path.push(format!("demo{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing; build it with: cargo build --example demo",
        path.display()
    );
    path
}

pub(crate) struct Bot(Child);

impl Bot {
    pub(crate) fn start(simulator: &str, data: &std::path::Path, port: u16) -> Self {
        let child = Command::new(demo())
            .args(["--simulator", simulator, "--pace", "instant"])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .arg("--data")
            .arg(data)
            .env("RUST_LOG", "off")
            .env_remove("LLM_BASE_URL")
            .env_remove("LLM_MODEL")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Ends it without a word, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_bot_loses_nothing_and_answers_nobody_twice() {
    let kills: u64 = std::env::var("KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20);
    let app = App::new("simulated-app", "simulated-secret")
        .redirect_uri("http://127.0.0.1:8787/oauth/callback")
        .webhook_secret("whsec_simulated");
    let simulator = Simulator::builder().seed(7).app(app).start().await.unwrap();
    let handle = simulator.handle();
    let people = simulator.populate().unwrap();
    handle.with_world(|world, _| {
        // A bot that is down for a second is found again soon, for as long as the test may take.
        world.settings_mut().webhook_retries = vec![250; 2_000];
        world.settings_mut().rate_limits.per_minute = 100_000;
    });
    let data = tempfile::tempdir().unwrap();
    let port = crate::port::free();
    let fans: Vec<_> = (0..12)
        .map(|n| handle.add_fan(&format!("load-{n}"), "Load"))
        .collect();

    let mut written = 0_u64;
    let mut bot = Bot::start(simulator.base_url(), data.path(), port);
    // What is written before the app has a webhook is told to nobody.
    let connected = Instant::now() + Duration::from_secs(20);
    while handle.with_world(|world, _| {
        world
            .app("simulated-app")
            .is_none_or(|app| app.webhook.is_none())
    }) {
        assert!(Instant::now() < connected, "the bot did not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for kill in 0..kills {
        // Each round ends at another moment of intake, writing, sending and settling.
        let end = Instant::now() + Duration::from_millis(900 + kill * 137 % 1_100);
        while Instant::now() < end {
            let fan = fans[usize::try_from(written * 7 % 12).unwrap()];
            written += 1;
            handle
                .fan_writes(people.luna, fan, format!("m{written}x").as_str())
                .unwrap();
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        bot.kill();
        bot = Bot::start(simulator.base_url(), data.path(), port);
    }

    let answered = |written: u64| {
        let mut replies: BTreeMap<u64, u64> = BTreeMap::new();
        for message in handle.messages() {
            if message.message.origin == Origin::Api {
                for number in mentioned(message.message.text.as_deref().unwrap_or_default()) {
                    *replies.entry(number).or_default() += 1;
                }
            }
        }
        let lost: Vec<u64> = (1..=written)
            .filter(|number| !replies.contains_key(number))
            .collect();
        let twice: Vec<u64> = replies
            .iter()
            .filter(|(_, count)| **count > 1)
            .map(|(number, _)| *number)
            .collect();
        (lost, twice)
    };
    let patience = Instant::now() + Duration::from_secs(90);
    while !answered(written).0.is_empty() && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    // What must not come gets a moment to show.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (lost, twice) = answered(written);
    println!(
        "{kills} kills, {written} messages, {} lost, {} answered twice",
        lost.len(),
        twice.len()
    );
    assert_eq!(
        (lost, twice),
        (Vec::new(), Vec::new()),
        "lost, and answered twice"
    );
    drop(bot);
    simulator.stop().await;
}
