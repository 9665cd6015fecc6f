//! One creator, one fan, the memory adapters and a worker's hand, on a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::{
    AccessToken, AppCredentials, ClientSecret, RefreshToken, RemoteMessage, TokenSet,
};
use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::decision::Outcome;
use fanvue_bot_core::engine::{Engine, RunOutcome};
use fanvue_bot_core::id::AccountId;
use fanvue_bot_core::intake::{Accepted, IntakeError};
use fanvue_bot_core::memory::{MemoryBackend, MemoryVault};
use fanvue_bot_core::message::{Content, Message};
use fanvue_bot_core::oauth::TokenSource;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::queue::{ClaimLimits, JobQueue, WorkerId};
use fanvue_bot_core::retry::Backoff;
use fanvue_bot_core::secret::{Secret, SecretId, SecretKind, SecretVault as _};
use fanvue_bot_core::settings::{Mode, Pace, Settings};
use fanvue_bot_core::store::Store;
use fanvue_bot_core::time::Clock;
use fanvue_bot_core::webhook::{Event, Hints, Signer, Verifier};
use fanvue_bot_testkit::clock::VirtualClock;
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::llm::{ScriptedLlm, Step};

use crate::fake::Fanvue;
use crate::ids::{account, chat, creator, fan, message};

pub(crate) struct Scene {
    pub(crate) clock: VirtualClock,
    pub(crate) memory: Arc<MemoryBackend>,
    pub(crate) llm: ScriptedLlm,
    pub(crate) fanvue: Arc<Fanvue>,
    pub(crate) tokens: TokenSource,
    vault: Arc<MemoryVault>,
    pub(crate) engine: Engine,
}

pub(crate) fn settings() -> Settings {
    Settings::default().mode(Mode::Auto).pace(Pace::Immediate)
}

impl Scene {
    pub(crate) async fn new(script: impl IntoIterator<Item = Step>) -> Self {
        Self::with(script, settings(), Backend::shared).await
    }

    /// A scene whose engine works on what `backend` makes of the memory adapters.
    pub(crate) async fn with(
        script: impl IntoIterator<Item = Step>,
        settings: Settings,
        backend: impl FnOnce(Arc<MemoryBackend>) -> Backend,
    ) -> Self {
        let clock = VirtualClock::default();
        let memory = Arc::new(MemoryBackend::new());
        let mia = Creator::new(creator(), Persona::named("Mia").biography("x".repeat(400)))
            .account(account())
            .settings(settings);
        memory.commit(&mia.into(), None).await.unwrap();

        let llm = ScriptedLlm::new(script);
        let fanvue = Arc::new(Fanvue::new(clock.clone()));
        let app = AppCredentials {
            client_id: "app".into(),
            client_secret: ClientSecret::new("secret"),
        };
        let vault = Arc::new(MemoryVault::new());
        let tokens = TokenSource::new(
            Arc::clone(&vault) as _,
            Arc::clone(&memory) as Arc<dyn Store>,
            Arc::clone(&fanvue) as _,
            app,
        )
        .clock(Arc::new(clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(1)));
        let scene = Self {
            engine: Engine::builder(
                backend(Arc::clone(&memory)),
                Arc::new(llm.clone()),
                Arc::clone(&fanvue) as _,
                tokens.clone(),
            )
            .clock(Arc::new(clock.clone()))
            .entropy(Arc::new(SeededEntropy::new(2)))
            .backoff(Backoff::new(
                Duration::from_secs(2),
                Duration::from_secs(60),
                3,
            ))
            .build(),
            clock,
            memory,
            llm,
            fanvue,
            tokens,
            vault,
        };
        scene.connect(Duration::from_secs(3_600)).await;
        scene
    }

    /// Connects the account with a token that lives this long.
    pub(crate) async fn connect(&self, expires_in: Duration) {
        let tokens = TokenSet {
            access_token: AccessToken::new("token-0"),
            refresh_token: Some(RefreshToken::new("refresh")),
            expires_in,
            scopes: None,
        };
        self.tokens.connect(creator(), &tokens).await.unwrap();
    }

    /// Seals a secret of this kind for the creator.
    pub(crate) async fn seal(&self, kind: SecretKind) {
        let id = SecretId::of_creator(creator(), kind);
        let secret = Secret::new("canary");
        self.vault.put(&id, &secret, None).await.unwrap();
    }

    /// Of how many kinds a secret of the creator is sealed.
    pub(crate) async fn sealed(&self) -> usize {
        let mut sealed = 0;
        for kind in SecretKind::ALL {
            let id = SecretId::of_creator(creator(), *kind);
            sealed += usize::from(self.vault.get(&id).await.unwrap().is_some());
        }
        sealed
    }

    /// The account is connected no longer.
    pub(crate) async fn disconnect(&self) {
        let id = SecretId::of_creator(creator(), SecretKind::TokenSet);
        let stored = self.vault.get(&id).await.unwrap().unwrap();
        self.vault.delete(&id, stored.revision).await.unwrap();
    }

    /// Fanvue tells that the fan wrote.
    pub(crate) async fn fan_writes(&self, number: u32, text: &str) {
        let accepted = self.deliver(&self.received(number, Some(text))).await;
        assert_eq!(accepted.unwrap(), Accepted::Stored(chat()));
    }

    /// The fan writes; what comes back is the webhook's event, with words or without.
    pub(crate) fn received(&self, number: u32, text: Option<&str>) -> Event {
        self.fanvue.show(RemoteMessage::new(
            message(number),
            AccountId::from_uuid(fan().as_uuid()),
            Content::text(text.unwrap_or("words that the event left out")),
            self.clock.now(),
        ));
        self.event("received", "fan", number, text, "SINGLE_RECIPIENT")
    }

    /// The fan, who shows this name, writes; what comes back is the webhook's event.
    pub(crate) fn received_from(&self, name: &str, number: u32, text: &str) -> Event {
        let _ = self.received(number, Some(text));
        let fan = format!(r#"{{"uuid":"{}","display_name":"{name}"}}"#, fan());
        self.event_about(
            &fan,
            "received",
            "fan",
            number,
            Some(text),
            "SINGLE_RECIPIENT",
        )
    }

    pub(crate) fn event(
        &self,
        what: &str,
        sender: &str,
        number: u32,
        text: Option<&str>,
        kind: &str,
    ) -> Event {
        let fan = format!(r#"{{"uuid":"{}"}}"#, fan());
        self.event_about(&fan, what, sender, number, text, kind)
    }

    fn event_about(
        &self,
        fan: &str,
        what: &str,
        sender: &str,
        number: u32,
        text: Option<&str>,
        kind: &str,
    ) -> Event {
        let body = self.body(fan, what, sender, number, text, kind);
        self.parsed(&body, &Hints::default())
    }

    /// The event of a webhook's body.
    pub(crate) fn parsed(&self, body: &str, hints: &Hints<'_>) -> Event {
        let (verifier, header) = self.signed(body);
        let proved = verifier.verify(header.as_bytes(), body.as_bytes(), self.clock.now());
        proved.unwrap().parse(hints).unwrap()
    }

    /// A webhook's body.
    fn body(
        &self,
        fan: &str,
        what: &str,
        sender: &str,
        number: u32,
        text: Option<&str>,
        kind: &str,
    ) -> String {
        let (now, id) = (self.clock.now(), message(number));
        let text = text.map_or(String::new(), |text| format!(r#""text":"{text}","#));
        format!(
            r#"{{"id":"evt_{what}_{number}","type":"creator.message.{what}","timestamp":"{now}",
                "data":{{"object":"message","uuid":"{id}","sender":"{sender}","created_at":"{now}",
                {text}"message_type":"{kind}","is_automated":false,
                "creator":{{"uuid":"{}"}},"fan":{fan}}}}}"#,
            account()
        )
    }

    /// What proves a body, and its header.
    fn signed(&self, body: &str) -> (Verifier, String) {
        let secret = Secret::new("whsec_test");
        let signer = Signer::new(&secret).unwrap();
        let header = signer.header(self.clock.now(), body.as_bytes());
        (Verifier::new(&secret).unwrap(), header)
    }

    /// Fanvue tells that the fan wrote, by a webhook as a web server receives it.
    pub(crate) async fn receive(&self, number: u32, text: &str) -> Accepted {
        let event = self.received(number, Some(text));
        let fan = format!(r#"{{"uuid":"{}"}}"#, fan());
        let kind = "SINGLE_RECIPIENT";
        let body = self.body(&fan, "received", "fan", number, Some(text), kind);
        self.receive_body(&event, &body).await
    }

    /// Fanvue tells of an event, by a webhook as a web server receives it.
    pub(crate) async fn receive_body(&self, event: &Event, body: &str) -> Accepted {
        let (verifier, header) = self.signed(body);
        let proved = verifier.verify(header.as_bytes(), body.as_bytes(), self.clock.now());
        let (intake, hints) = (self.engine.intake(), Hints::default());
        let received = intake.receive(event, proved.unwrap(), &hints);
        received.await.unwrap()
    }

    pub(crate) async fn deliver(&self, event: &Event) -> Result<Accepted, IntakeError> {
        self.engine.accept(event).await
    }

    /// Lets this much time pass and runs what is due, once.
    pub(crate) async fn run_after(&self, seconds: u64) -> Vec<RunOutcome> {
        let now = self.clock.advance(Duration::from_secs(seconds));
        let lanes = self
            .memory
            .claim(
                &WorkerId::new("w"),
                &ClaimLimits::lanes(8),
                now,
                Duration::from_secs(30),
            )
            .await
            .unwrap();
        let mut outcomes = Vec::new();
        for lane in lanes {
            outcomes.push(self.engine.run(lane).await.unwrap());
        }
        outcomes
    }

    /// Moves from one due job to the next until none is left, at most `most` times.
    pub(crate) async fn run_to_rest(&self, most: usize) -> Vec<RunOutcome> {
        let mut outcomes = Vec::new();
        for _ in 0..most {
            let Some(due) = self.memory.next_due() else {
                break;
            };
            let wait = due.since(self.clock.now());
            self.clock.advance(wait);
            outcomes.extend(self.run_after(0).await);
        }
        outcomes
    }

    /// Runs what falls due within this time, and counts the jobs it took.
    pub(crate) async fn jobs_until(&self, time: Duration) -> usize {
        let end = self.clock.now() + time;
        let mut jobs = 0;
        while let Some(due) = self.memory.next_due().filter(|due| *due <= end) {
            self.clock.set(due);
            jobs += self.run_after(0).await.len();
        }
        jobs
    }

    /// Somebody deletes all jobs.
    pub(crate) async fn drop_jobs(&self) {
        let far = self.clock.now() + Duration::from_secs(1 << 20);
        let lanes = self
            .memory
            .claim(
                &WorkerId::new("w"),
                &ClaimLimits::lanes(8),
                far,
                Duration::from_secs(30),
            )
            .await
            .unwrap();
        for lane in lanes {
            let claims = lane.jobs.into_iter().map(|job| job.claim).collect();
            self.memory.complete(claims, far).await.unwrap();
        }
        assert_eq!(self.memory.job_count(), 0);
    }

    pub(crate) async fn conversation(&self) -> Conversation {
        self.memory
            .conversation(chat())
            .await
            .unwrap()
            .unwrap()
            .value
    }

    pub(crate) async fn stored(&self, number: u32) -> Message {
        self.memory
            .message(chat(), message(number))
            .await
            .unwrap()
            .unwrap()
    }

    pub(crate) async fn outcome(&self, number: u32) -> Outcome {
        self.stored(number).await.decision.unwrap().outcome
    }
}
