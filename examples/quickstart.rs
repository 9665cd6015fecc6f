//! A bot from its parts: a fan writes, the bot answers, and the chat is printed. All of it in this process,
//! in memory, with no account and no key.
//!
//! ```sh
//! cargo run --example quickstart
//! ```

#![expect(clippy::print_stdout, reason = "a program talks to its user")]

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::CreatorId;
use fanvue_bot::memory::{MemoryBackend, MemoryVault};
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::settings::Settings;
use fanvue_bot::webhook::{Hints, Verifier};
use fanvue_bot::worker::{Worker, WorkerOptions};
use fanvue_bot_testkit::chat::SimulatedChat;
use fanvue_bot_testkit::llm::{ScriptedLlm, Step};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A Fanvue with one creator and one fan. The real one is `fanvue_bot::rest::RestClient`.
    let fanvue = SimulatedChat::new("Luna", "Ben")?;

    // The ports: where state lives, who writes, how Fanvue is reached. Each can be another, or your own.
    let backend = Backend::shared(Arc::new(MemoryBackend::new()));
    let vault = Arc::new(MemoryVault::new());
    let reply = Step::reply("long! but now you're here 🙂");
    let model = Arc::new(ScriptedLlm::new([reply]));
    let client = Arc::new(fanvue.client());
    let tokens = TokenSource::new(vault, backend.store().clone(), client.clone(), fanvue.app());
    let engine = Engine::builder(backend, model, client, tokens.clone()).build();

    // A creator, who answers at once. By default a reply takes a person's time and waits for approval.
    let id = CreatorId::from_uuid(uuid::Uuid::new_v4());
    let luna = Creator::new(
        id,
        Persona::named("Luna").voice("Warm and playful, short sentences."),
    )
    .account(fanvue.account())
    .settings(Settings::immediate());
    tokens.connect(id, &fanvue.tokens()).await?;
    engine.backend().store().commit(&luna.into(), None).await?;

    // In: a webhook is proved, parsed and stored. `fanvue_bot::axum::Webhooks` does this over HTTP.
    let verifier = Verifier::new(&fanvue.webhook_secret())?;
    fanvue.fan_writes("hi Luna, how was your day?")?;
    for webhook in fanvue.webhooks() {
        let proved = verifier.verify(webhook.signature.as_bytes(), &webhook.body, engine.now())?;
        engine.accept(&proved.parse(&Hints::default())?).await?;
    }

    // Out: a worker takes the turn and sends the reply.
    let answered = async {
        while fanvue.lines().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let worker = Worker::new(engine, WorkerOptions::new(WorkerId::new("worker-1")));
    worker.run(answered).await;

    for line in fanvue.lines() {
        println!("{line}");
    }
    Ok(())
}
