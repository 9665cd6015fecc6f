//! Connecting an account: state, PKCE, sessions, and whose account it is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AccountId, CreatorId};
use fanvue_bot_core::oauth::{
    AuthorizeError, Authorized, Authorizer, CallbackQuery, Connection, GrantId, Login, OnConnect,
    SessionId, TokenError,
};
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::secret::SecretVault;
use fanvue_bot_core::time::Clock;
use fanvue_bot_testkit::fault::Fault;
use fanvue_bot_testkit::simulator::world::Consent;
use fanvue_bot_testkit::world_client::moment;
use uuid::Uuid;

use crate::scene::{CLIENT_ID, Process, Scene};

const CALLBACK: &str = "https://bot.example.test/oauth/callback";

pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) process: Process,
    pub(crate) authorizer: Authorizer,
    pub(crate) creator: CreatorId,
    pub(crate) luna: Uuid,
    pub(crate) nova: Uuid,
    pub(crate) session: SessionId,
    pub(crate) woken: Arc<Woken>,
}

/// Whose work was told to go on.
#[derive(Debug, Default)]
pub(crate) struct Woken(Mutex<Vec<CreatorId>>);

impl Woken {
    pub(crate) fn take(&self) -> Vec<CreatorId> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl OnConnect for Woken {
    async fn connected(&self, creator: CreatorId) {
        self.0.lock().unwrap().push(creator);
    }
}

/// The parameters of a query, decoded.
pub(crate) fn query(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap();
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            let value = value.replace("%3A", ":").replace("%2F", "/");
            (name.to_owned(), value.replace("%20", " "))
        })
        .collect()
}

pub(crate) fn of(query: &[(String, String)], name: &str) -> String {
    let found = query.iter().find(|(found, _)| found == name);
    found.unwrap().1.clone()
}

fn authorizer(process: &Process, woken: &Arc<Woken>) -> Authorizer {
    Authorizer::builder(process.tokens.clone(), CALLBACK)
        .on_connect(Arc::<Woken>::clone(woken))
        .build()
        .unwrap()
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new();
        let now = moment(scene.clock.now());
        let (luna, nova) = {
            let mut world = scene.world.lock().unwrap();
            (
                world.add_creator("luna", "Luna", now),
                world.add_creator("nova", "Nova", now),
            )
        };
        let process = scene.process();
        let creator = CreatorId::from_uuid(Uuid::from_u128(7));
        scene
            .add(Creator::new(creator, Persona::named("Luna")))
            .await;
        let woken = Arc::new(Woken::default());
        let authorizer = authorizer(&process, &woken);
        Self {
            scene,
            process,
            authorizer,
            creator,
            luna,
            nova,
            session: SessionId::of("a session's token"),
            woken,
        }
    }

    /// The same deployment, started anew with another vault.
    pub(crate) fn with_vault(mut self, vault: Arc<dyn SecretVault>) -> Self {
        self.scene.vault = vault;
        self.process = self.scene.process();
        self.authorizer = authorizer(&self.process, &self.woken);
        self
    }

    pub(crate) async fn start(&self) -> Vec<(String, String)> {
        self.start_for(self.creator.into()).await
    }

    pub(crate) async fn start_for(&self, grant: GrantId) -> Vec<(String, String)> {
        let url = self
            .authorizer
            .start(self.session, grant, Login::Current)
            .await
            .unwrap();
        query(&url)
    }

    /// What Fanvue sends back once `user` has agreed to what was asked for.
    pub(crate) fn agree(&self, asked: &[(String, String)], user: Uuid) -> CallbackQuery {
        let scopes = of(asked, "scope");
        self.agree_to(asked, user, &scopes)
    }

    fn agree_to(&self, asked: &[(String, String)], user: Uuid, scopes: &str) -> CallbackQuery {
        let consent = Consent::new(
            of(asked, "client_id"),
            user,
            scopes.split(' '),
            of(asked, "redirect_uri"),
            of(asked, "code_challenge"),
        );
        let now = moment(self.scene.clock.now());
        let code = self.scene.world.lock().unwrap().issue_code(consent, now);
        CallbackQuery {
            state: Some(of(asked, "state")),
            code: Some(code),
            ..CallbackQuery::default()
        }
    }

    pub(crate) async fn callback(
        &self,
        query: &CallbackQuery,
    ) -> Result<Authorized, AuthorizeError> {
        self.authorizer.callback(self.session, query).await
    }

    pub(crate) async fn connect(&self, user: Uuid) -> Result<Authorized, AuthorizeError> {
        self.connect_for(self.creator.into(), user).await
    }

    pub(crate) async fn connect_for(
        &self,
        grant: GrantId,
        user: Uuid,
    ) -> Result<Authorized, AuthorizeError> {
        let asked = self.start_for(grant).await;
        self.callback(&self.agree(&asked, user)).await
    }

    pub(crate) async fn stored(&self) -> Creator {
        self.scene.creator(self.creator).await
    }

    /// Whose account the stored token stands for.
    pub(crate) async fn token_of(&self) -> Option<Uuid> {
        match self.process.tokens.auth(&self.stored().await).await {
            Ok(auth) => {
                let access = auth.token.expose().parse().unwrap();
                let now = moment(self.scene.clock.now());
                let world = self.scene.world.lock().unwrap();
                Some(world.authorize(access, now).unwrap().user)
            }
            Err(TokenError::NotConnected) => None,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn an_account_is_connected_and_its_id_is_read_from_fanvue() {
    let stage = Stage::new().await;
    let asked = stage.start().await;
    assert_eq!(of(&asked, "client_id"), CLIENT_ID);
    assert_eq!(of(&asked, "redirect_uri"), CALLBACK);
    assert_eq!(of(&asked, "code_challenge_method"), "S256");
    assert_eq!(of(&asked, "code_challenge").len(), 43);
    assert!(of(&asked, "state").len() >= 43);
    let authorized = stage
        .callback(&stage.agree(&asked, stage.luna))
        .await
        .unwrap();
    assert!(
        matches!(authorized, Authorized::Connected { grant, .. } if grant == stage.creator.into())
    );
    let account = AccountId::from_uuid(stage.luna);
    assert_eq!(stage.stored().await.account, Some(account));
    assert_eq!(stage.token_of().await, Some(stage.luna));
}

#[tokio::test]
async fn a_state_works_once_in_its_own_session_and_for_10_minutes() {
    let stage = Stage::new().await;
    let asked = stage.start().await;
    let agreed = stage.agree(&asked, stage.luna);

    let other = SessionId::of("another session's token");
    let error = stage.authorizer.callback(other, &agreed).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::OtherSession), "{error:?}");
    for (from, to) in [("A", "B"), (".", ""), (".", ".0")] {
        let mut forged = agreed.clone();
        let state = forged.state.unwrap().replacen(from, to, 1);
        forged.state = Some(state + if from == "A" { "" } else { "x" });
        let error = stage.callback(&forged).await.unwrap_err();
        assert!(matches!(error, AuthorizeError::NotBegun), "{error:?}");
    }
    // The owner of the session is not kept from it by what others tried.
    let (first, second) = tokio::join!(stage.callback(&agreed), stage.callback(&agreed));
    let refused = [first, second].into_iter().filter(Result::is_err).count();
    assert_eq!(refused, 1);
    let error = stage.callback(&agreed).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::NotBegun), "{error:?}");

    let early = stage.start().await;
    let late = stage.start().await;
    let error = stage.callback(&stage.agree(&early, stage.luna)).await;
    assert!(matches!(error, Err(AuthorizeError::NotBegun)), "{error:?}");
    stage.scene.clock.advance(Duration::from_secs(600));
    let error = stage.callback(&stage.agree(&late, stage.luna)).await;
    assert!(matches!(error, Err(AuthorizeError::Expired)), "{error:?}");
}

#[tokio::test]
async fn another_account_than_before_is_connected_only_after_a_yes() {
    let stage = Stage::new().await;
    stage.connect(stage.luna).await.unwrap();
    let before = AccountId::from_uuid(stage.luna);

    for yes in [false, true] {
        let asked = stage.connect(stage.nova).await.unwrap();
        let Authorized::OtherAccount {
            before: found,
            user,
            confirmation,
            ..
        } = asked
        else {
            panic!("{asked:?}");
        };
        assert_eq!((found, user.id), (before, AccountId::from_uuid(stage.nova)));
        assert_eq!(stage.stored().await.account, Some(before));
        assert_eq!(stage.token_of().await, Some(stage.luna));
        let other = SessionId::of("another session's token");
        let error = stage.authorizer.confirm(other, &confirmation).await;
        assert!(matches!(error, Err(AuthorizeError::OtherSession)));
        if yes {
            stage
                .authorizer
                .confirm(stage.session, &confirmation)
                .await
                .unwrap();
            assert_eq!(stage.token_of().await, Some(stage.nova));
            assert_eq!(stage.stored().await.account, Some(user.id));
        } else {
            stage
                .authorizer
                .reject(stage.session, &confirmation)
                .await
                .unwrap();
            assert_eq!(stage.token_of().await, Some(stage.luna));
        }
        let error = stage.authorizer.confirm(stage.session, &confirmation).await;
        assert!(matches!(error, Err(AuthorizeError::NotBegun)));
    }
}

#[tokio::test]
async fn an_account_belongs_to_one_creator() {
    let stage = Stage::new().await;
    let other = CreatorId::from_uuid(Uuid::from_u128(8));
    let taken =
        Creator::new(other, Persona::named("Mia")).account(AccountId::from_uuid(stage.luna));
    stage.scene.add(taken).await;
    let error = stage.connect(stage.luna).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::AccountTaken), "{error:?}");
    assert_eq!(stage.token_of().await, None);
}

#[tokio::test]
async fn what_fanvue_refuses_is_told_apart_and_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let refused = |error: &str, iss: Option<&str>| {
        let (error, iss) = (Some(error.to_owned()), iss.map(str::to_owned));
        move |state: String| CallbackQuery {
            state: Some(state),
            error,
            iss,
            ..CallbackQuery::default()
        }
    };
    for (query, wanted) in [
        (refused("access_denied", None), "Denied"),
        (
            refused("invalid_scope", Some("https://auth.fanvue.com")),
            "ScopeNotTicked",
        ),
        (
            refused("access_denied", Some("https://evil.example")),
            "WrongIssuer",
        ),
    ] {
        let asked = stage.start().await;
        let error = stage
            .callback(&query(of(&asked, "state")))
            .await
            .unwrap_err();
        assert_eq!(format!("{error:?}"), wanted);
        assert!(!error.remedy().is_empty());
    }

    let asked = stage.start().await;
    let mut wrong = stage.agree(&asked, stage.luna);
    wrong.code = Some("ory_ac_wrong".to_owned());
    let error = stage.callback(&wrong).await.unwrap_err();
    assert!(matches!(error, AuthorizeError::CodeRefused), "{error:?}");

    let asked = stage.start().await;
    let scopes = "openid offline_access read:self read:chat";
    let error = stage
        .callback(&stage.agree_to(&asked, stage.luna, scopes))
        .await;
    let Err(AuthorizeError::MissingScopes { missing }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(missing, ["write:chat", "read:fan", "read:creator"]);

    let asked = stage.start().await;
    let scopes = "read:self read:chat write:chat read:fan read:creator";
    let error = stage
        .callback(&stage.agree_to(&asked, stage.luna, scopes))
        .await;
    assert!(
        matches!(error, Err(AuthorizeError::NoRefreshToken)),
        "{error:?}"
    );
    assert_eq!(stage.token_of().await, None);
    assert_eq!(stage.stored().await.account, None);
}

#[tokio::test]
async fn disconnecting_revokes_and_erases() {
    let stage = Stage::new().await;
    stage.connect(stage.luna).await.unwrap();
    let luna = stage.stored().await;
    let auth = stage.process.tokens.auth(&luna).await.unwrap();
    let tokens = &stage.process.tokens;

    let plan = &stage.process.plan;
    plan.fail_next("FanvueClient::revoke_token", Fault::Before);
    let error = tokens.disconnect(stage.creator).await.unwrap_err();
    assert!(matches!(error, TokenError::Client { .. }), "{error:?}");
    assert!(stage.scene.accepts(&auth), "nothing has changed");

    tokens.disconnect(stage.creator).await.unwrap();
    assert!(!stage.scene.accepts(&auth));
    let error = tokens.auth(&luna).await.unwrap_err();
    assert!(matches!(error, TokenError::NotConnected), "{error:?}");
    let seen = tokens.status(stage.creator).await.unwrap();
    assert_eq!(seen.connection, Connection::NotConnected);
    tokens.disconnect(stage.creator).await.unwrap();
    stage.connect(stage.luna).await.unwrap();
    assert_eq!(stage.token_of().await, Some(stage.luna));
}
