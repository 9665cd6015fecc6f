//! What several tests begin with.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AccessToken, AppCredentials, ClientSecret, RefreshToken, TokenSet};
use fanvue_bot::engine::Engine;
use fanvue_bot::intake::Accepted;
use fanvue_bot::memory::MemoryVault;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::Secret;
use fanvue_bot::time::{Clock, Timestamp};
use fanvue_bot::webhook::{Hints, Signer, Verifier};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::{Handle, Simulator, Tokens};
use fanvue_bot_testkit::world_client::timestamp;

/// The simulator's tokens as the client reads them.
pub(crate) fn token_set(issued: &Tokens) -> TokenSet {
    TokenSet {
        access_token: AccessToken::new(issued.access_token.expose()),
        refresh_token: issued
            .refresh_token
            .as_ref()
            .map(|token| RefreshToken::new(token.expose())),
        expires_in: Duration::from_secs(issued.expires_in),
        scopes: None,
    }
}

/// The simulator's time, which is the wall clock's moved forward, and later by `step` at each look.
#[derive(Debug)]
pub(crate) struct FanvuesTime {
    fanvue: Handle,
    step: Duration,
}

impl FanvuesTime {
    pub(crate) fn of(fanvue: &Simulator) -> Self {
        Self::moved_by_each_look(fanvue, Duration::ZERO)
    }

    pub(crate) fn moved_by_each_look(fanvue: &Simulator, step: Duration) -> Self {
        Self {
            fanvue: fanvue.handle(),
            step,
        }
    }
}

impl Clock for FanvuesTime {
    fn now(&self) -> Timestamp {
        self.fanvue.advance(self.step);
        timestamp(self.fanvue.now())
    }
}

/// An engine whose model says nothing and whose Fanvue nobody may ask.
pub(crate) fn engine_on_its_own(backend: Backend) -> Engine {
    let fanvue = RestClient::builder()
        .api_base_url("https://fanvue.invalid")
        .auth_base_url("https://fanvue.invalid");
    let fanvue = Arc::new(fanvue.build().expect("a client"));
    let app = AppCredentials {
        client_id: "app".into(),
        client_secret: ClientSecret::new("secret"),
    };
    let (vault, store) = (Arc::new(MemoryVault::new()), Arc::clone(backend.store()));
    let tokens = TokenSource::new(vault, store, Arc::<RestClient>::clone(&fanvue), app);
    Engine::builder(backend, Arc::new(ScriptedLlm::new([])), fanvue, tokens).build()
}

/// Fan number `fan` writes their message number `number` to the account, as a web server is told of it.
pub(crate) async fn fan_writes(engine: &Engine, account: &str, fan: u8, number: u8) -> Accepted {
    let body = format!(
        r#"{{"recipientUuid":"{account}","sender":{{"uuid":"fa000000-0000-4000-8000-0000000000{fan:02}"}},"messageUuid":"3e550000-0000-4000-8000-00000000{fan:02}{number:02}","message":{{"text":"hi"}}}}"#
    );
    let (secret, now) = (Secret::new("secret"), engine.now());
    let signer = Signer::new(&secret).expect("a secret");
    let signature = signer.header(now, body.as_bytes());
    let verifier = Verifier::new(&secret).expect("a secret");
    let proved = verifier.verify(signature.as_bytes(), body.as_bytes(), now);
    let (proved, hints) = (proved.expect("a proved body"), Hints::default());
    let event = proved.parse(&hints).expect("an event");
    let received = engine.intake().receive(&event, proved, &hints);
    received.await.expect("the event is received")
}
