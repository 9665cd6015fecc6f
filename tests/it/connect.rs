//! A browser connects accounts: from our start page to the simulator's authorization server and back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use fanvue_bot::axum::{
    AdminCheck, BearerSecret, Connections, Internal, Limits, OAuth, Webhooks, serve,
};
use fanvue_bot::backend::Backend;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{AccountId, AgencyId, CreatorId};
use fanvue_bot::memory::{MemoryBackend, MemoryBroadcasts, MemoryVault};
use fanvue_bot::oauth::{
    Authorizer, Connection, ConnectionAlerts, GrantId, NeedsReconnect, SessionId, TokenError,
    TokenSource,
};
use fanvue_bot::persona::Persona;
use fanvue_bot::rest::RestClient;
use fanvue_bot::secret::Secret;
use fanvue_bot::self_test::SelfTest;
use fanvue_bot::settings::Settings;
use fanvue_bot::store::Store;
use fanvue_bot::webhook::{Subscriptions, Verifier};
use fanvue_bot_testkit::llm::ScriptedLlm;
use fanvue_bot_testkit::simulator::world::{App, PortalWebhook};
use fanvue_bot_testkit::simulator::{ConsentMode, Simulator};
use reqwest::header::{COOKIE, LOCATION};
use reqwest::redirect::Policy;

pub(crate) const CLIENT_ID: &str = "reply-bot";
/// What the internal routes ask for.
pub(crate) const BEARER: &str = "0123456789abcdef0123456789abcdef";
const WEBHOOK_SECRET: &str = "whsec_of_the_app";
const COOKIE_OF: &str = "session=";

/// Lets every session pass that has a cookie.
#[derive(Debug)]
pub(crate) struct Cookies;

#[async_trait]
impl AdminCheck for Cookies {
    async fn check(&self, request: &Parts, _grant: GrantId) -> Result<SessionId, Response> {
        let cookie = request.headers.get(COOKIE);
        cookie
            .and_then(|cookie| cookie.to_str().ok()?.strip_prefix(COOKIE_OF))
            .map(SessionId::of)
            .ok_or_else(|| StatusCode::FORBIDDEN.into_response())
    }
}

/// What operators were told.
#[derive(Debug, Default)]
pub(crate) struct Pager(pub(crate) Mutex<Vec<NeedsReconnect>>);

#[async_trait]
impl ConnectionAlerts for Pager {
    async fn needs_reconnect(
        &self,
        alert: &NeedsReconnect,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push(alert.clone());
        Ok(())
    }
}

/// A deployment and its simulated Fanvue.
pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    pub(crate) base: String,
    browser: reqwest::Client,
    pub(crate) store: Arc<MemoryBackend>,
    pub(crate) engine: Engine,
    pub(crate) tokens: TokenSource,
    pub(crate) authorizer: Authorizer,
    pub(crate) pager: Arc<Pager>,
    pub(crate) creator: CreatorId,
    pub(crate) luna: uuid::Uuid,
    pub(crate) nova: uuid::Uuid,
    stop: tokio::sync::oneshot::Sender<()>,
}

/// What a browser ended at.
pub(crate) struct Page {
    status: u16,
    text: String,
}

impl Stage {
    pub(crate) async fn set(secret: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let callback = format!("{base}/oauth/callback");
        let simulator = Simulator::builder()
            .app(
                App::new(CLIENT_ID, "reply-bot-secret")
                    .redirect_uri(&callback)
                    .webhook(PortalWebhook::new(format!("{base}/webhooks/fanvue")))
                    .webhook_secret(WEBHOOK_SECRET),
            )
            .start()
            .await
            .unwrap();
        let luna = simulator.add_creator("luna", "Luna");
        let nova = simulator.add_creator("nova", "Nova");
        let creator = CreatorId::from_uuid(uuid::Uuid::from_u128(7));
        let store = Arc::new(MemoryBackend::new());
        let new = Creator::new(creator, Persona::named("Luna")).settings(Settings::immediate());
        store.commit(&new.into(), None).await.unwrap();
        let client = RestClient::builder()
            .api_base_url(simulator.base_url())
            .auth_base_url(simulator.base_url())
            .allow_loopback_http()
            .build()
            .unwrap();
        let client = Arc::new(client);
        let pager = Arc::new(Pager::default());
        let vault = Arc::new(MemoryVault::new());
        let tokens = TokenSource::new(
            Arc::<MemoryVault>::clone(&vault),
            Arc::<MemoryBackend>::clone(&store),
            Arc::<RestClient>::clone(&client),
            AppCredentials {
                client_id: CLIENT_ID.into(),
                client_secret: ClientSecret::new(secret),
            },
        )
        .alerts(Arc::<Pager>::clone(&pager), format!("{base}/oauth/start"));
        let model = ScriptedLlm::new([]);
        let backend = Backend::shared(Arc::<MemoryBackend>::clone(&store))
            .broadcasts(Arc::new(MemoryBroadcasts::new()));
        let subscriptions = Subscriptions::new(
            tokens.clone(),
            Arc::<RestClient>::clone(&client),
            Arc::<MemoryVault>::clone(&vault),
            format!("{base}/webhooks/fanvue"),
        );
        let engine = Engine::builder(backend, Arc::new(model), client, tokens.clone()).build();
        let authorizer = Authorizer::builder(tokens.clone(), callback)
            .authorize_endpoint(format!("{}/oauth2/auth", simulator.base_url()))
            .on_connect(Arc::new(engine.clone()))
            .allow_loopback_http()
            .build()
            .unwrap();
        let verifier = Verifier::new(&Secret::new(WEBHOOK_SECRET)).unwrap();
        let webhooks = Webhooks::builder(verifier, engine.intake().clone()).build();
        let connections = Connections::new(tokens.clone(), authorizer.clone(), vault)
            .subscriptions(subscriptions);
        let bearer = BearerSecret::new(&Secret::new(BEARER)).unwrap();
        let door = webhooks.courier();
        let secret = Secret::new(WEBHOOK_SECRET);
        let self_test = SelfTest::new(engine.intake().clone(), door, &secret).unwrap();
        let internal = Internal::builder(bearer, engine.clone())
            .connections(connections)
            .self_test(self_test)
            .build();
        let router = OAuth::new(authorizer.clone(), Arc::new(Cookies))
            .router()
            .merge(webhooks.router())
            .merge(internal.router());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(serve(listener, router, Limits::default(), async {
            let _ended = stopped.await;
        }));
        Self {
            simulator,
            base,
            browser: reqwest::Client::builder()
                .redirect(Policy::none())
                .build()
                .unwrap(),
            store,
            engine,
            tokens,
            authorizer,
            pager,
            creator,
            luna,
            nova,
            stop,
        }
    }

    async fn get(&self, url: &str, session: Option<&str>) -> reqwest::Response {
        let mut request = self.browser.get(url);
        if let Some(session) = session.filter(|_| url.starts_with(&self.base)) {
            request = request.header(COOKIE, format!("{COOKIE_OF}{session}"));
        }
        request.send().await.unwrap()
    }

    /// Follows redirects from here to a page.
    pub(crate) async fn follow(&self, mut url: String, session: Option<&str>) -> Page {
        loop {
            let answer = self.get(&url, session).await;
            if answer.status().is_redirection() {
                answer.headers()[LOCATION]
                    .to_str()
                    .unwrap()
                    .clone_into(&mut url);
                continue;
            }
            if url.starts_with(&self.base) && session.is_some() {
                let headers = answer.headers();
                assert_eq!(headers["cache-control"], "no-store");
                assert_eq!(headers["referrer-policy"], "no-referrer");
            }
            return Page {
                status: answer.status().as_u16(),
                text: answer.text().await.unwrap(),
            };
        }
    }

    fn start(&self) -> String {
        format!("{}/oauth/start?creator_id={}", self.base, self.creator)
    }

    pub(crate) async fn connect(&self, user: uuid::Uuid) -> Page {
        self.connect_at(self.start(), user).await
    }

    /// Follows `start` in a browser that is signed in at Fanvue as `user`.
    pub(crate) async fn connect_at(&self, start: String, user: uuid::Uuid) -> Page {
        self.simulator
            .set_consent(ConsentMode::Automatic, Some(user));
        self.follow(start, Some("one")).await
    }

    pub(crate) fn start_agency(&self, agency: AgencyId) -> String {
        format!("{}/oauth/start?agency_id={agency}", self.base)
    }

    /// Where the browser of session `one` is sent to, and the state that it takes along.
    async fn state(&self) -> String {
        let to_fanvue = self.get(&self.start(), Some("one")).await;
        let to_fanvue = to_fanvue.headers()[LOCATION].to_str().unwrap().to_owned();
        let (_, state) = to_fanvue.split_once("&state=").unwrap();
        state.split_once('&').unwrap().0.to_owned()
    }

    async fn answer(&self, page: &Page, answer: &str) -> Page {
        let (_, rest) = page
            .text
            .split_once("name=\"confirmation\" value=\"")
            .unwrap();
        let (confirmation, _) = rest.split_once('"').unwrap();
        let request = self
            .browser
            .post(format!("{}/oauth/confirm", self.base))
            .header(COOKIE, "session=one")
            .form(&[("confirmation", confirmation), ("answer", answer)]);
        let answer = request.send().await.unwrap();
        Page {
            status: answer.status().as_u16(),
            text: answer.text().await.unwrap(),
        }
    }

    async fn account(&self) -> Option<AccountId> {
        let creator = self.store.creator(self.creator).await.unwrap();
        creator.unwrap().value.account
    }

    pub(crate) async fn end(self) {
        let _ended = self.stop.send(());
        self.simulator.stop().await;
    }
}

pub(crate) fn says(page: &Page, status: u16, words: &str) {
    assert_eq!(page.status, status, "{}", page.text);
    assert!(page.text.contains(words), "{words} in {}", page.text);
}

#[tokio::test]
async fn a_browser_connects_an_account_and_changes_it_after_a_yes() {
    let stage = Stage::set("reply-bot-secret").await;
    says(&stage.connect(stage.luna).await, 200, "@luna");
    let luna = AccountId::from_uuid(stage.luna);
    assert_eq!(stage.account().await, Some(luna));
    let creator = stage.store.creator(stage.creator).await.unwrap().unwrap();
    stage.tokens.auth(&creator.value).await.unwrap();

    let question = stage.connect(stage.nova).await;
    says(&question, 200, "@nova");
    says(&stage.answer(&question, "no").await, 200, "Nothing changed");
    assert_eq!(stage.account().await, Some(luna));
    let question = stage.connect(stage.nova).await;
    says(&stage.answer(&question, "yes").await, 200, "Connected");
    assert_eq!(
        stage.account().await,
        Some(AccountId::from_uuid(stage.nova))
    );
    says(&stage.answer(&question, "yes").await, 400, "Start again");

    let creator = stage.store.creator(stage.creator).await.unwrap().unwrap();
    stage.tokens.auth(&creator.value).await.unwrap();
    stage.tokens.disconnect(stage.creator).await.unwrap();
    let error = stage.tokens.auth(&creator.value).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected));
    let status = stage.tokens.status(stage.creator).await.unwrap();
    assert_eq!(status.connection, Connection::NotConnected);
    stage.end().await;
}

#[tokio::test]
async fn only_the_session_that_began_gets_in_and_once() {
    let stage = Stage::set("reply-bot-secret").await;
    stage
        .simulator
        .set_consent(ConsentMode::Automatic, Some(stage.luna));
    assert_eq!(stage.get(&stage.start(), None).await.status(), 403);

    let to_fanvue = stage.get(&stage.start(), Some("one")).await;
    let to_fanvue = to_fanvue.headers()[LOCATION].to_str().unwrap().to_owned();
    let back = stage.get(&to_fanvue, None).await;
    let back = back.headers()[LOCATION].to_str().unwrap().to_owned();
    assert_eq!(stage.get(&back, None).await.status(), 403);
    let other = stage.follow(back.clone(), Some("two")).await;
    says(&other, 400, "another session");
    says(&stage.follow(back.clone(), Some("one")).await, 200, "@luna");
    says(&stage.follow(back, Some("one")).await, 400, "used already");

    for url in [
        format!("{}/oauth/start", stage.base),
        format!("{}/oauth/start?creator_id=%3Cscript%3E", stage.base),
        format!(
            "{}/oauth/callback?state=%3Cscript%3E&error=%3Cscript%3E",
            stage.base
        ),
    ] {
        let page = stage.follow(url, Some("one")).await;
        says(&page, 400, "not complete");
        assert!(!page.text.contains("<script"));
    }
    stage.end().await;
}

#[tokio::test]
async fn what_fanvue_refuses_is_shown_with_its_remedy() {
    let stage = Stage::set("reply-bot-secret").await;
    stage.simulator.set_consent(ConsentMode::Deny, None);
    let page = stage.follow(stage.start(), Some("one")).await;
    says(&page, 400, "allow access");

    stage.simulator.with_world(|world, _| {
        let mut app = world.app(CLIENT_ID).unwrap().clone();
        app.scopes.remove("read:fan");
        world.add_app(app);
    });
    says(&stage.connect(stage.luna).await, 400, "tick the scopes");
    stage.end().await;

    let stage = Stage::set("wrong").await;
    let page = stage.connect(stage.luna).await;
    says(&page, 400, "Compare the client id and secret");
    assert!(!page.text.contains("wrong"));
    stage.end().await;
}

#[tokio::test]
async fn each_error_that_comes_back_with_the_browser_is_shown_in_words_with_its_remedy() {
    let stage = Stage::set("reply-bot-secret").await;
    for (query, status, remedy) in [
        ("error=access_denied", 400, "allow access on Fanvue"),
        ("error=invalid_scope", 400, "tick the scopes"),
        (
            "error=unauthorized_client",
            400,
            "Compare the client id and secret",
        ),
        (
            "error=invalid_request&error_description=The+redirect_uri+does+not+match",
            400,
            "Register the deployment&#39;s callback address",
        ),
        (
            "error=request_forbidden&error_description=The+login+session+does+not+match",
            400,
            "Sign out of Fanvue in this browser",
        ),
        ("error=temporarily_unavailable", 502, "Wait a minute"),
        ("error=something_new", 400, "compare the app&#39;s settings"),
        ("code=ory_ac_wrong", 400, "check that the callback address"),
        (
            "code=x&iss=https%3A%2F%2Fevil.example",
            400,
            "deployment&#39;s issuer",
        ),
    ] {
        let state = stage.state().await;
        let url = format!("{}/oauth/callback?{query}&state={state}", stage.base);
        let page = stage.follow(url, Some("one")).await;
        says(&page, status, remedy);
        assert!(!page.text.contains("does not match") && !page.text.contains("evil"));
    }
    assert_eq!(stage.account().await, None);
    stage.end().await;
}

#[tokio::test]
async fn an_address_that_is_not_registered_ends_at_fanvue_and_a_wrong_account_at_home() {
    let stage = Stage::set("reply-bot-secret").await;
    let agency = stage
        .simulator
        .with_world(|world, now| world.add_agency("agency", &[stage.luna], now));
    says(
        &stage.connect(agency).await,
        400,
        "Sign in at Fanvue as the creator",
    );
    let id = AgencyId::from_uuid(uuid::Uuid::from_u128(70));
    let start = stage.start_agency(id);
    says(
        &stage.connect_at(start.clone(), stage.luna).await,
        400,
        "as the agency",
    );
    says(&stage.connect_at(start, agency).await, 200, "@agency");

    // Fanvue does not send a browser to an address that it does not know.
    stage.simulator.with_world(|world, _| {
        let app = world.app_mut(CLIENT_ID).unwrap();
        app.redirect_uris = vec!["https://elsewhere.example.test/oauth/callback".to_owned()];
    });
    let page = stage.connect(stage.luna).await;
    says(&page, 400, "redirect_uri");
    assert!(!page.text.contains("Connected"));
    stage.end().await;
}
