//! A packaged conversation, in which everything happens that a webhook, a model and a network can do.
//!
//! What it claims at the end it takes from the simulator: what the fans wrote and what they received.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fanvue_bot::decision::Outcome;
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{ConversationId, FanId, MessageId};
use fanvue_bot::time::Timestamp;
use uuid::Uuid;

use crate::Options;
use crate::bot::Bot;
use crate::platform::{Platform, Seen};

/// After this long everything has to be answered.
const PATIENCE: Duration = Duration::from_secs(18);

struct Part {
    fan: Uuid,
    title: &'static str,
    /// How many replies the fan should receive.
    replies: usize,
}

/// Plays it; true if the fans received what they should have.
pub(crate) async fn play(
    bot: &Bot,
    platform: &Platform,
    options: &Options,
) -> anyhow::Result<bool> {
    let begin = Instant::now();
    let creator = options.creator.as_str();
    let script = Script {
        bot,
        platform,
        creator,
        seed: Seed::new(options.seed),
        begin,
    };
    println!(
        "Conversation {} on {}; replies are {}.\n",
        options.seed,
        platform.base_url(),
        bot.model_name()
    );

    let mut parts = Vec::new();
    for (title, replies) in [
        ("a burst, answered once", 1),
        ("a webhook that is delivered twice", 1),
        ("webhooks in the wrong order", 1),
        ("a photo without words", 1),
        ("a model that fails", 1),
        ("a send whose answer is lost", 1),
        ("two bursts, answered one after the other", 2),
    ] {
        let handle = format!("script-{}-{}", options.seed, parts.len());
        parts.push(Part {
            fan: platform.add_fan(&handle).await?,
            title,
            replies,
        });
    }

    // What must go wrong for a certain fan goes first and alone; the rest happens at once.
    let fan = |index: usize| parts[index].fan.to_string();
    script.say(&fan(5), "lose me").await?;
    platform.lose_next_answer().await?;
    script.until_replied(parts[5].fan, 1).await;
    bot.model().fail_next();
    script.say(&fan(4), "are you there?").await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;

    platform.break_next_webhook("duplicate").await?;
    script.say(&fan(1), "do you get this twice?").await?;
    platform.break_next_webhook("reorder").await?;
    script.say(&fan(2), "first").await?;
    script.say(&fan(2), "second").await?;
    platform.fan_sends_photo(creator, &fan(3)).await?;
    let rejected = script.forge(&fan(0)).await?;
    let lines = 3 + script.draw("burst", 3);
    for line in 0..lines {
        script
            .say(&fan(0), &format!("line {} of {lines}", line + 1))
            .await?;
        tokio::time::sleep(Duration::from_millis(
            100 + script.draw(&format!("gap-{line}"), 250),
        ))
        .await;
    }
    script.say(&fan(6), "one thing").await?;
    script.say(&fan(6), "and another").await?;
    script.until_replied(parts[6].fan, 1).await;
    script.say(&fan(6), "one more question").await?;

    script.until_settled(&parts).await;
    script.report(&parts, rejected).await
}

struct Script<'a> {
    bot: &'a Bot,
    platform: &'a Platform,
    creator: &'a str,
    seed: Seed,
    begin: Instant,
}

impl Script<'_> {
    fn draw(&self, label: &str, below: u64) -> u64 {
        self.seed.derive(label).in_range(0, below.saturating_sub(1))
    }

    async fn say(&self, fan: &str, text: &str) -> anyhow::Result<()> {
        self.platform.fan_writes(self.creator, fan, text).await
    }

    /// Sends webhooks that Fanvue did not send; none may get in. Answers how many there were.
    async fn forge(&self, fan: &str) -> anyhow::Result<u64> {
        let account = self.platform.get("/_sim/state").await?["creators"]
            .as_array()
            .and_then(|all| {
                all.iter()
                    .find(|found| found["handle"] == self.creator)
                    .cloned()
            })
            .map(|found| found["uuid"].clone())
            .unwrap_or_default();
        let body = serde_json::json!({
            "id": "evt_forged", "type": "creator.message.received", "timestamp": Timestamp::from_seconds(0).to_string(),
            "data": {"object": "message", "uuid": Uuid::new_v4(), "sender": "fan", "text": "forged",
                     "creator": {"uuid": account}, "fan": {"uuid": fan}},
        });
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_secs();
        let headers = [
            Some(format!("t={now},v0={}", "0".repeat(64))),
            Some("sha256=deadbeef".to_owned()),
            None,
        ];
        let mut rejected = 0;
        for header in headers {
            let mut request = self
                .platform
                .http()
                .post(self.bot.webhook_url())
                .json(&body);
            if let Some(header) = header {
                request = request.header("x-fanvue-signature", header);
            }
            rejected +=
                u64::from(request.send().await?.status() == reqwest::StatusCode::UNAUTHORIZED);
        }
        anyhow::ensure!(rejected == 3, "a forged webhook was not answered with 401");
        Ok(rejected)
    }

    async fn replies(&self, fan: Uuid) -> usize {
        let Ok(messages) = self.platform.messages().await else {
            return 0;
        };
        messages
            .iter()
            .filter(|message| message.fan == fan && message.origin == "api")
            .count()
    }

    async fn until_replied(&self, fan: Uuid, replies: usize) {
        while self.replies(fan).await < replies && self.begin.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Until every message has its decision and every fan their replies, or patience ends.
    async fn until_settled(&self, parts: &[Part]) {
        while self.begin.elapsed() < PATIENCE {
            let mut settled = true;
            for part in parts {
                settled &= self.replies(part.fan).await >= part.replies;
                let id = ConversationId::new(self.bot.creator(), FanId::from_uuid(part.fan));
                let stored = self.bot.engine().backend().store().conversation(id).await;
                settled &=
                    stored.is_ok_and(|found| found.is_some_and(|found| found.value.turn.is_none()));
            }
            if settled {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // What must not come gets a moment to show.
        tokio::time::sleep(Duration::from_millis(700)).await;
    }

    async fn report(&self, parts: &[Part], forged: u64) -> anyhow::Result<bool> {
        let seen = self.platform.messages().await?;
        let start = seen
            .iter()
            .filter(|message| parts.iter().any(|part| part.fan == message.fan))
            .filter_map(|message| message.sent_at.parse::<Timestamp>().ok())
            .min();
        let (mut inbound, mut replies, mut duplicates, mut lost) =
            (0_usize, 0_usize, 0_usize, 0_usize);
        for part in parts {
            println!("{}", part.title);
            let chat: Vec<&Seen> = seen
                .iter()
                .filter(|message| message.fan == part.fan)
                .collect();
            let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
            let mut answers = 0_usize;
            for message in chat {
                self.print(message, start);
                match message.origin.as_str() {
                    "fan" => {
                        inbound += 1;
                        let outcome = self.decision(message).await?;
                        println!(
                            "                     -> {}",
                            outcome
                                .as_ref()
                                .map_or("not stored".to_owned(), ToString::to_string)
                        );
                        if !matches!(
                            outcome,
                            Some(Outcome::Replied { .. } | Outcome::Merged { .. })
                        ) {
                            lost += 1;
                        }
                    }
                    "api" => {
                        answers += 1;
                        *texts
                            .entry(message.text.as_deref().unwrap_or_default())
                            .or_default() += 1;
                    }
                    _ => {}
                }
            }
            replies += answers;
            let repeated: usize = texts.values().map(|count| count - 1).sum();
            duplicates += repeated.max(answers.saturating_sub(part.replies));
            lost += part.replies.saturating_sub(answers);
            println!();
        }
        let counters = self.bot.webhooks().counters();
        let rejected = counters.bad_signature
            + counters.malformed_signature
            + counters.outside_tolerance
            + counters.unsigned;
        println!(
            "webhooks: {} stored, {} known already, {} refused; {:.1} s in all",
            counters.stored,
            counters.duplicate,
            rejected,
            self.begin.elapsed().as_secs_f64()
        );
        let ok = duplicates == 0 && lost == 0 && rejected == forged;
        println!(
            "{}: fans={} inbound={inbound} replies={replies} duplicates={duplicates} lost={lost} rejected={rejected}",
            if ok { "ok" } else { "failed" },
            parts.len()
        );
        Ok(ok)
    }

    fn print(&self, message: &Seen, start: Option<Timestamp>) {
        let after = message
            .sent_at
            .parse::<Timestamp>()
            .ok()
            .zip(start)
            .map_or(Duration::ZERO, |(at, start)| at.since(start));
        let who = match message.origin.as_str() {
            "fan" => "fan",
            "api" => "bot",
            other => other,
        };
        println!(
            "  {:>7.2} s  {who:>5}  {}",
            after.as_secs_f64(),
            message.text.as_deref().unwrap_or("[a photo]")
        );
    }

    async fn decision(&self, message: &Seen) -> anyhow::Result<Option<Outcome>> {
        let id = ConversationId::new(self.bot.creator(), FanId::from_uuid(message.fan));
        let stored = self
            .bot
            .engine()
            .backend()
            .store()
            .message(id, MessageId::from_uuid(message.uuid))
            .await?;
        Ok(stored
            .and_then(|message| message.decision)
            .map(|decision| decision.outcome))
    }
}
