//! What an operator sets up for creators and agencies by HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use fanvue_bot_axum::{BearerSecret, Connections, Internal};
use fanvue_bot_core::client::FanvueClient as _;
use fanvue_bot_core::creator::Creator;
use fanvue_bot_core::id::{AgencyId, CreatorId};
use fanvue_bot_core::memory::MemoryVault;
use fanvue_bot_core::oauth::Authorizer;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::secret::{Secret, SecretOwner};
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::webhook::{Subscriptions, WebhookSecrets};
use fanvue_bot_testkit::llm::ScriptedLlm;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Client;
use crate::town::{Town, served};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const DOOR: &str = "https://bot.invalid/webhooks/fanvue";

/// The routes of a town, over HTTP.
struct Desk {
    town: Town,
    address: SocketAddr,
}

impl Desk {
    async fn open() -> Self {
        let town = Town::new().await;
        let (tokens, vault) = (town.tokens(), Arc::<MemoryVault>::clone(&town.vault));
        let authorizer = Authorizer::builder(tokens.clone(), "https://bot.invalid/oauth/callback")
            .build()
            .unwrap();
        let subscriptions = Subscriptions::new(
            tokens.clone(),
            Arc::new(town.client()),
            Arc::<MemoryVault>::clone(&vault),
            DOOR,
        );
        let connections = Connections::new(tokens, authorizer, vault).subscriptions(subscriptions);
        let secret = BearerSecret::new(&Secret::new(SECRET)).unwrap();
        let engine = town.engine(ScriptedLlm::new([]));
        let internal = Internal::builder(secret, engine).connections(connections);
        let address = served(internal.build().router()).await;
        Self { town, address }
    }

    /// Below `/internal/creators/{id}`, of the creator who is there.
    fn luna(&self, route: &str) -> String {
        format!("creators/{}/{route}", self.town.creator)
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.call_as(SECRET, method, path, body).await
    }

    async fn call_as(&self, bearer: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut client = Client::connect(self.address).await;
        let request = format!(
            "{method} /internal/{path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bearer}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        client.send(request).await;
        let answer = client.answer().await;
        let told = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, told)
    }

    /// Calls a route, which does what it is told.
    async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let (status, told) = self.call(method, path, &body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {told}"
        );
        told
    }

    fn agency(&self) -> AgencyId {
        AgencyId::from_uuid(Uuid::from_u128(70))
    }
}

#[tokio::test]
async fn an_app_of_the_creators_own_is_kept_shown_by_a_fingerprint_and_removed() {
    let desk = Desk::open().await;
    let path = desk.luna("app");
    let deployments = desk.done("GET", &path, &Value::Null).await;
    assert_eq!(deployments["owner"], "deployment");
    let app = json!({"client_id": "luna-app", "client_secret": "s3cr3t-of-luna"});
    let saved = desk.done("PUT", &path, &app).await;
    assert_eq!(
        (&saved["owner"], &saved["client_id"]),
        (&json!("own"), &json!("luna-app"))
    );
    assert_eq!(
        saved["connect_again"], true,
        "the tokens are of another app"
    );
    assert_eq!(desk.done("PUT", &path, &app).await, saved);
    let shown = desk.done("GET", &path, &Value::Null).await;
    assert_eq!(shown["client_secret"], saved["client_secret"]);
    assert!(!format!("{saved}{shown}").contains("s3cr3t"));
    let app = json!({
        "client_id": "luna-app",
        "client_secret": "another",
        "redirect_uri": "https://luna.invalid/oauth/callback",
    });
    let renewed = desk.done("PUT", &path, &app).await;
    assert_ne!(renewed["client_secret"], saved["client_secret"]);
    assert_eq!(renewed["redirect_uri"], app["redirect_uri"]);
    for _ in 0..2 {
        let removed = desk.done("DELETE", &path, &Value::Null).await;
        assert_eq!(removed["client_id"], deployments["client_id"]);
        assert_eq!(
            removed["connect_again"], false,
            "the tokens are of this app"
        );
    }
}

#[tokio::test]
async fn webhook_secrets_change_while_the_one_before_is_accepted_until_it_is_ended() {
    let desk = Desk::open().await;
    let secrets = WebhookSecrets::new(Arc::<MemoryVault>::clone(&desk.town.vault));
    let agency = desk.agency();
    for (path, owner) in [
        (
            desk.luna("webhook-secrets"),
            SecretOwner::Creator(desk.town.creator),
        ),
        (
            format!("agencies/{agency}/webhook-secrets"),
            SecretOwner::Agency(agency),
        ),
        (
            "deployment/webhook-secrets".to_owned(),
            SecretOwner::Deployment,
        ),
    ] {
        let none = json!({"current": null, "previous": null});
        assert_eq!(desk.done("GET", &path, &Value::Null).await, none);
        let first = desk
            .done("PUT", &path, &json!({"secret": "whsec_first"}))
            .await;
        assert_eq!(first["previous"], Value::Null);
        let second = json!({"secret": "whsec_second"});
        let both = desk.done("PUT", &path, &second).await;
        assert_eq!(both["previous"], first["current"]);
        assert_eq!(
            desk.done("PUT", &path, &second).await,
            both,
            "once is enough"
        );
        let live = secrets.live(owner).await.unwrap();
        assert_eq!(both["current"], live.current.unwrap().to_string());
        assert!(!format!("{first}{both}").contains("whsec"));
        for _ in 0..2 {
            let one = desk
                .done("DELETE", &format!("{path}/previous"), &Value::Null)
                .await;
            assert_eq!(
                (&one["current"], &one["previous"]),
                (&both["current"], &Value::Null)
            );
        }
        assert_eq!(desk.done("DELETE", &path, &Value::Null).await, none);
    }
}

#[tokio::test]
async fn a_webhook_is_subscribed_listed_rotated_and_ended() {
    let desk = Desk::open().await;
    let path = desk.luna("webhook-subscriptions");
    let made = desk.done("POST", &path, &Value::Null).await;
    let secret = made["secret"].as_str().unwrap();
    let fingerprint = Secret::new(secret).fingerprint().to_string();
    assert_eq!(made["live"]["current"], fingerprint);
    let listed = desk.done("GET", &path, &Value::Null).await;
    assert!(!listed.to_string().contains(secret), "shown once");
    let [one] = &listed["subscriptions"].as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    assert_eq!((&one["id"], &one["url"]), (&made["id"], &json!(DOOR)));
    let renewed = desk.done("POST", &path, &Value::Null).await;
    assert_eq!(renewed["ended"], 1);
    assert_eq!(renewed["live"]["previous"], fingerprint);
    for ended in [1, 0] {
        assert_eq!(
            desk.done("DELETE", &path, &Value::Null).await["ended"],
            ended
        );
    }
    let secrets = desk
        .done("GET", &desk.luna("webhook-secrets"), &Value::Null)
        .await;
    assert_eq!(secrets, json!({"current": null, "previous": null}));
}

#[tokio::test]
async fn where_fanvue_refuses_a_subscription_the_answer_has_the_portals_steps() {
    let desk = Desk::open().await;
    desk.town
        .world
        .lock()
        .unwrap()
        .app_mut("app")
        .unwrap()
        .refuses_subscriptions = true;
    let (status, told) = desk
        .call("POST", &desk.luna("webhook-subscriptions"), "")
        .await;
    assert_eq!(status, 409);
    assert!(
        told["remedy"]
            .as_str()
            .unwrap()
            .contains("fanvue.com/developers/apps"),
        "{told}"
    );
    // Nothing was connected there.
    let agencies = format!("agencies/{}/webhook-subscriptions", desk.agency());
    let (status, told) = desk.call("GET", &agencies, "").await;
    assert_eq!(
        (status, &told["remedy"]),
        (409, &json!("Connect the account first."))
    );
}

#[tokio::test]
async fn an_agencys_creators_are_listed_bound_and_released() {
    let desk = Desk::open().await;
    let agency = desk.agency();
    let listed = format!("agencies/{agency}/creators");
    let (status, told) = desk.call("GET", &listed, "").await;
    assert_eq!(
        (status, &told["remedy"]),
        (409, &json!("Connect the account first."))
    );

    desk.town.connect_agency(agency).await;
    let creators = desk.done("GET", &listed, &Value::Null).await;
    let luna = &creators["creators"][0];
    assert_eq!(luna["handle"], "luna");
    assert_eq!(luna["creator"], desk.town.creator.to_string());
    assert_eq!(luna["grant"], desk.town.creator.to_string());

    let path = desk.luna("agency");
    let bind = json!({"agency_id": agency, "account_id": luna["account_id"]});
    for _ in 0..2 {
        let bound = desk.done("PUT", &path, &bind).await;
        assert_eq!(bound["agency_id"], agency.to_string());
    }
    let grant = format!("agency/{agency}");
    let listed = desk.done("GET", &listed, &Value::Null).await;
    assert_eq!(listed["creators"][0]["grant"], grant);
    let connection = desk.luna("connection");
    let shown = desk.done("GET", &connection, &Value::Null).await;
    assert_eq!(
        (&shown["grant"], &shown["connection"]),
        (&json!(grant), &json!("connected"))
    );
    // What reaches others, too, is not ended by one of them.
    let (status, told) = desk.call("DELETE", &connection, "").await;
    assert_eq!(status, 409);
    assert!(
        told["remedy"].as_str().unwrap().contains("/agency"),
        "{told}"
    );

    let foreign = json!({"agency_id": agency, "account_id": Uuid::from_u128(99)});
    let (status, told) = desk.call("PUT", &path, &foreign.to_string()).await;
    assert_eq!(status, 409, "{told}");
    for _ in 0..2 {
        let released = desk.done("DELETE", &path, &Value::Null).await;
        assert_eq!(released["agency_id"], Value::Null);
    }
    let shown = desk.done("GET", &connection, &Value::Null).await;
    assert_eq!(shown["connection"], "not_connected");
}

#[tokio::test]
async fn a_connection_is_shown_and_ended_at_fanvue_or_here_alone() {
    for (query, is_kept) in [("", false), ("?at_fanvue=keep", true)] {
        let desk = Desk::open().await;
        let path = desk.luna("connection");
        let shown = desk.done("GET", &path, &Value::Null).await;
        assert_eq!(shown["connection"], "connected");
        assert!(
            shown["scopes"]
                .as_array()
                .unwrap()
                .contains(&json!("write:chat"))
        );
        let luna = desk
            .town
            .memory
            .creator(desk.town.creator)
            .await
            .unwrap()
            .unwrap();
        let auth = desk.town.tokens().auth(&luna.value).await.unwrap();
        for _ in 0..2 {
            let ended = desk
                .done("DELETE", &format!("{path}{query}"), &Value::Null)
                .await;
            assert_eq!(ended["connection"], "not_connected");
        }
        let answered = desk.town.client().current_user(&auth).await;
        assert_eq!(answered.is_ok(), is_kept, "{query}");
    }
}

#[tokio::test]
async fn whoever_shows_no_secret_hears_the_same_of_everybody() {
    let desk = Desk::open().await;
    let nobody = format!("creators/{}/app", Uuid::from_u128(99));
    let mut heard = Vec::new();
    for path in [
        &desk.luna("app"),
        &desk.luna("connection"),
        &nobody,
        "deployment/webhook-secrets",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let (status, told) = desk.call_as("another", method, path, "{}").await;
            assert_eq!(status, 401, "{method} {path}");
            heard.push(told);
        }
    }
    heard.dedup();
    assert_eq!(heard.len(), 1);
}

#[tokio::test]
async fn who_does_not_exist_has_nothing() {
    let desk = Desk::open().await;
    let nobody = Uuid::from_u128(99);
    for (method, route) in [
        ("GET", "connection"),
        ("DELETE", "connection"),
        ("GET", "app"),
        ("PUT", "app"),
        ("DELETE", "app"),
        ("PUT", "webhook-secrets"),
        ("DELETE", "webhook-secrets/previous"),
        ("POST", "webhook-subscriptions"),
        ("PUT", "agency"),
        ("DELETE", "agency"),
    ] {
        let (status, told) = desk
            .call(method, &format!("creators/{nobody}/{route}"), "{}")
            .await;
        assert_eq!(
            (status, &told["error"]),
            (404, &json!("there is no such creator")),
            "{route}"
        );
        let (status, _) = desk
            .call(method, &format!("creators/luna/{route}"), "{}")
            .await;
        assert_eq!(status, 400, "{route}");
        let (status, _) = desk
            .call(method, &format!("fans/{nobody}/{route}"), "{}")
            .await;
        assert_eq!(status, 404, "{route}");
    }
    let (status, _) = desk.call("GET", "agencies/x/creators", "").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn garbage_is_refused_by_the_name_of_its_field_and_neither_repeated_nor_kept() {
    let desk = Desk::open().await;
    let (app, secrets, agency) = (
        desk.luna("app"),
        desk.luna("webhook-secrets"),
        desk.luna("agency"),
    );
    let id = Uuid::from_u128(1).to_string();
    for (path, body, field) in [
        (&app, "".to_owned(), "client_id"),
        (&app, "{".to_owned(), "client_id"),
        (&app, "[]".to_owned(), "client_id"),
        (&app, "\u{fffd}s3cr3t".to_owned(), "client_id"),
        (&app, json!({"client_id": "a"}).to_string(), "client_secret"),
        (&app, json!({"client_id": 5, "client_secret": "s3cr3t"}).to_string(), "client_id"),
        (&app, json!({"client_id": "a", "client_secret": "s3cr3t", "s3cr3t": 1}).to_string(), "redirect_uri"),
        (&app, json!({"client_id": "a:b", "client_secret": "s3cr3t"}).to_string(), "client_id"),
        (&app, json!({"client_id": "a", "client_secret": "s3cr3t "}).to_string(), "client_secret"),
        (&app, json!({"client_id": "a", "client_secret": "s3cr3t".repeat(400)}).to_string(), "client_secret"),
        (&app, json!({"client_id": "a", "client_secret": "s3cr3t", "redirect_uri": "http://s3cr3t.invalid/"}).to_string(), "redirect_uri"),
        (&secrets, "{}".to_owned(), "secret"),
        (&secrets, json!({"secret": ""}).to_string(), "secret"),
        (&secrets, json!({"secret": ["s3cr3t"]}).to_string(), "secret"),
        (&agency, json!({"account_id": id}).to_string(), "agency_id"),
        (&agency, json!({"agency_id": "s3cr3t", "account_id": id}).to_string(), "agency_id"),
        (&agency, json!({"agency_id": id, "account_id": "s3cr3t"}).to_string(), "account_id"),
    ] {
        let (status, told) = desk.call("PUT", path, &body).await;
        assert_eq!(status, 400, "{path} {body}: {told}");
        let error = told["error"].as_str().unwrap();
        assert!(error.contains(field), "{body}: {error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    let huge = json!({"secret": "s".repeat(10_000)}).to_string();
    assert_eq!(desk.call("PUT", &secrets, &huge).await.0, 413);
    let (status, _) = desk
        .call("DELETE", &desk.luna("connection?at_fanvue=x"), "")
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        desk.done("GET", &app, &Value::Null).await["owner"],
        "deployment"
    );
    let none = json!({"current": null, "previous": null});
    assert_eq!(desk.done("GET", &secrets, &Value::Null).await, none);
    let shown = desk
        .done("GET", &desk.luna("connection"), &Value::Null)
        .await;
    assert_eq!(shown["connection"], "connected");
}

#[tokio::test]
async fn one_creators_secrets_are_no_others() {
    let desk = Desk::open().await;
    let nova = CreatorId::from_uuid(Uuid::from_u128(8));
    let creator = Creator::new(nova, Persona::named("Nova"));
    desk.town
        .memory
        .commit(&creator.into(), None)
        .await
        .unwrap();
    let app = json!({"client_id": "luna-app", "client_secret": "s3cr3t-of-luna"});
    desk.done("PUT", &desk.luna("app"), &app).await;
    desk.done(
        "PUT",
        &desk.luna("webhook-secrets"),
        &json!({"secret": "whsec"}),
    )
    .await;
    let app = desk
        .done("GET", &format!("creators/{nova}/app"), &Value::Null)
        .await;
    assert_eq!(app["owner"], "deployment");
    let secrets = format!("creators/{nova}/webhook-secrets");
    desk.done("DELETE", &secrets, &Value::Null).await;
    let lunas = desk
        .done("GET", &desk.luna("webhook-secrets"), &Value::Null)
        .await;
    assert!(lunas["current"].is_string());
}
