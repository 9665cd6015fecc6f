//! What several tests begin with.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AccessToken, AppCredentials, ClientSecret, RefreshToken, TokenSet};
use fanvue_bot::engine::Engine;
use fanvue_bot::memory::MemoryVault;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::rest::RestClient;
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::Tokens;

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
