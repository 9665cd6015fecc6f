//! Operators at work, on SQLite and a simulated Fanvue: drafts, the stop of everything, a restart in between.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::conversation::Reply;
use fanvue_bot::creator::Creator;
use fanvue_bot::decision::WaitCause;
use fanvue_bot::draft::{DraftState, Note};
use fanvue_bot::engine::Engine;
use fanvue_bot::flow::{Acted, DraftId, OperatorAction};
use fanvue_bot::id::{ConversationId, CreatorId, TurnId};
use fanvue_bot::memory::MemoryVault;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::{ClaimLimits, WorkerId};
use fanvue_bot::settings::{Mode, Settings};
use fanvue_bot::sqlx::SqliteBackend;
use fanvue_bot::time::Clock as _;
use fanvue_bot::webhook::{Hints, Verifier};
use fanvue_bot_testkit::chat::SimulatedChat;
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::llm::{ScriptedLlm, Step};
use uuid::Uuid;

struct Site {
    clock: VirtualClock,
    fanvue: SimulatedChat,
    vault: Arc<MemoryVault>,
    llm: ScriptedLlm,
}

impl Site {
    fn new(replies: &[&str]) -> Self {
        let clock = VirtualClock::default();
        Self {
            fanvue: SimulatedChat::on_clock("Luna", "Ben", Arc::new(clock.clone())).unwrap(),
            clock,
            vault: Arc::new(MemoryVault::new()),
            llm: ScriptedLlm::new(replies.iter().map(|reply| Step::reply(*reply))),
        }
    }

    /// A process of its own on this database.
    async fn engine(&self, database: &Path) -> Engine {
        let backend = Backend::shared(Arc::new(SqliteBackend::open(database).await.unwrap()));
        let store = Arc::clone(backend.store());
        let client = Arc::new(self.fanvue.client());
        let vault = Arc::<MemoryVault>::clone(&self.vault);
        let tokens = TokenSource::new(vault, store, Arc::clone(&client) as _, self.fanvue.app())
            .clock(Arc::new(self.clock.clone()));
        if backend.store().creator(creator()).await.unwrap().is_none() {
            let luna = Creator::new(creator(), Persona::named("Luna"))
                .account(self.fanvue.account())
                .settings(Settings::immediate().mode(Mode::Draft));
            backend.store().commit(&luna.into(), None).await.unwrap();
            tokens
                .connect(creator(), &self.fanvue.tokens())
                .await
                .unwrap();
        }
        Engine::builder(backend, Arc::new(self.llm.clone()), client, tokens)
            .clock(Arc::new(self.clock.clone()))
            .build()
    }

    async fn fan_writes(&self, engine: &Engine, text: &str) {
        self.fanvue.fan_writes(text).unwrap();
        self.hear(engine).await;
    }

    async fn hear(&self, engine: &Engine) {
        let verifier = Verifier::new(&self.fanvue.webhook_secret()).unwrap();
        for webhook in self.fanvue.webhooks() {
            let now = self.clock.now();
            let proved = verifier
                .verify(webhook.signature.as_bytes(), &webhook.body, now)
                .unwrap();
            let event = proved.parse(&Hints::default()).unwrap();
            engine.accept(&event).await.unwrap();
        }
    }

    /// Runs what falls due within the next seconds, and hears what comes of it.
    async fn work(&self, engine: &Engine) {
        for _ in 0..5 {
            let now = self.clock.advance(Duration::from_secs(1));
            let (queue, worker) = (engine.backend().queue(), WorkerId::new("w"));
            let lease = Duration::from_secs(30);
            for lane in queue
                .claim(&worker, &ClaimLimits::lanes(8), now, lease)
                .await
                .unwrap()
            {
                engine.run(lane).await.unwrap();
            }
            self.hear(engine).await;
        }
    }

    async fn act(&self, engine: &Engine, action: OperatorAction) -> Acted {
        engine.act(self.chat(), action).await.unwrap().acted
    }

    fn chat(&self) -> ConversationId {
        ConversationId::new(creator(), self.fanvue.fan())
    }

    fn said(&self) -> Vec<String> {
        self.fanvue
            .lines()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

fn creator() -> CreatorId {
    CreatorId::from_uuid(Uuid::from_u128(1))
}

fn draft(turn: u64, draft: u32) -> DraftId {
    let turn = TurnId::new(turn);
    DraftId { turn, draft }
}

#[tokio::test]
async fn operators_decide_on_drafts_stop_everything_and_nobody_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("bot.db");
    let site = Site::new(&["a long story", "hey Ben", "bye"]);
    let engine = site.engine(&database).await;

    site.fan_writes(&engine, "hi").await;
    site.work(&engine).await;
    let regenerate = OperatorAction::Regenerate {
        draft: draft(1, 1),
        instruction: Note::new("be shorter").ok(),
    };
    assert_eq!(site.act(&engine, regenerate).await, Acted::Done);
    site.work(&engine).await;

    // Another process stops everything; the approval is kept.
    let other = site.engine(&database).await;
    other.stop_all().await.unwrap();
    let approve = |id, edited: Option<&str>| OperatorAction::Approve {
        draft: id,
        edited: edited.map(Reply::new),
    };
    let approved = approve(draft(1, 2), Some("hey Ben ☀️"));
    assert_eq!(site.act(&engine, approved).await, Acted::Done);
    site.work(&engine).await;
    assert_eq!(site.said(), ["Ben: hi"]);
    let state = engine.backend().store().conversation(site.chat()).await;
    let hold = state.unwrap().unwrap().value.hold.unwrap();
    assert_eq!(hold.cause, WaitCause::Stopped);

    // All processes end, and one comes back.
    drop((engine, other));
    let engine = site.engine(&database).await;
    assert!(engine.ceiling().await.unwrap().is_stopped());
    assert_eq!(engine.resume_all().await.unwrap(), 1);
    site.work(&engine).await;
    assert_eq!(site.said(), ["Ben: hi", "Luna: hey Ben ☀️"]);

    // Our own message came back as a webhook, and nobody took over.
    site.fan_writes(&engine, "and now?").await;
    site.work(&engine).await;
    let reject = OperatorAction::Reject {
        draft: draft(2, 1),
        reason: Note::new("too short").ok(),
    };
    assert_eq!(site.act(&engine, reject).await, Acted::Done);
    let late = site.act(&engine, approve(draft(2, 1), None)).await;
    let reason = Note::new("too short").ok();
    let state = DraftState::Rejected { reason };
    assert_eq!(late, Acted::TooLate { state });

    let state = engine.backend().store().conversation(site.chat()).await;
    let drafts = state.unwrap().unwrap().value.drafts;
    let became: Vec<(&str, &str, &str)> = drafts
        .iter()
        .map(|draft| {
            (
                &**draft.written.text(),
                &**draft.text().text(),
                draft.state.as_str(),
            )
        })
        .collect();
    assert_eq!(
        became,
        [
            ("a long story", "a long story", "rejected"),
            ("hey Ben", "hey Ben ☀️", "sent"),
            ("bye", "bye", "rejected"),
        ]
    );
}
