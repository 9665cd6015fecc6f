//! Each cause that health tells apart: brought about, read from `GET /internal/health`, and ended.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod place;

use std::collections::BTreeSet;
use std::time::Duration;

use fanvue_bot::creator::CreatorStatus;
use fanvue_bot::health::Cause;
use fanvue_bot::llm::LlmError;
use fanvue_bot::secret::{Secret, SecretId, SecretKind, SecretVault as _};
use fanvue_bot::settings::Mode;
use fanvue_bot::time::Timestamp;
use fanvue_bot_testkit::simulator::API_VERSION;
use fanvue_bot_testkit::simulator::world::{RequestFault, WebhookFault};
use serde_json::Value;
use uuid::Uuid;

use self::place::{Config, Place, SCOPES};

/// Since when something is wrong, as health tells it.
#[derive(Debug, PartialEq, Eq)]
enum Since {
    /// Since it was brought about.
    Then,
    /// Nothing remembers it.
    Unknown,
}

/// Brings a cause about in a deployment that is well, reads what health tells of it, and ends it.
async fn check(
    cause: Cause,
    since: Since,
    breaks: impl AsyncFnOnce(&mut Place),
    mends: impl AsyncFnOnce(&mut Place),
) {
    let mut place = Place::open().await;
    assert_eq!(place.told(cause).await.len(), 0, "before");
    let well = place.health("?format=text").await;
    assert!(well.starts_with("deployment: ok\n") && well.contains("\n1 creators are well\n"));

    let before = place.now();
    breaks(&mut place).await;
    let told = place.told(cause).await;
    let after = place.now();
    assert!(!told.is_empty(), "{}", place.health("?format=text").await);
    for line in told {
        assert_eq!(line["verdict"], cause.verdict().as_str());
        assert_eq!(line["meaning"], cause.meaning());
        assert_eq!(line["action"], cause.action());
        let told = line["since"].as_str();
        let told = told.map(|text| text.parse::<Timestamp>().unwrap());
        match since {
            Since::Then => {
                // The simulator's times are whole milliseconds.
                let from = before.minus(Duration::from_millis(1));
                let told = told.unwrap();
                assert!(from <= told && told <= after, "{from} {told} {after}");
            }
            Since::Unknown => assert_eq!(told, None),
        }
    }
    let text = place.health("?format=text").await;
    let (meaning, action) = (cause.meaning(), cause.action());
    assert!(text.contains(&format!("{meaning} {action}\n")), "{text}");

    mends(&mut place).await;
    let told = place.told(cause).await;
    assert!(told.is_empty(), "{}", place.health("?format=text").await);
}

/// A test for each cause, named by what brings it about, and the list of the causes that have one. So a cause is
/// on the list only if its test ran.
macro_rules! provoked {
    ($($name:ident: $cause:ident $since:ident, $breaks:expr, $mends:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                check(Cause::$cause, Since::$since, $breaks, $mends).await;
            }
        )+

        const PROVOKED: &[Cause] = &[$(Cause::$cause,)+];
    };
}

#[tokio::test]
async fn health_tells_how_much_of_the_limit_is_left_and_how_old_its_numbers_are() {
    let mut place = Place::open().await;
    let query = format!("?creator={}", place.creator);
    let budget = |report: &Value| {
        let lines = report["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["topic"] == "rate_budget");
        line.unwrap().clone()
    };
    // What Fanvue's answers say of the limit is shared with the next loan.
    place.minutes_pass(1);
    place.fan_is_answered().await;
    let report: Value = serde_json::from_str(&place.health(&query).await).unwrap();
    let left = &budget(&report)["remaining"];
    assert_eq!(left["limit"], 200);
    let requests = left["requests"].as_u64().unwrap();
    assert!((150..=200).contains(&requests), "{requests}");
    assert_eq!(left["held_until"], Value::Null);

    place.fanvue_fails(RequestFault::RateLimited(30), "/v1/*");
    place.fan_is_seen_to().await;
    let report: Value = serde_json::from_str(&place.health(&query).await).unwrap();
    let line = budget(&report);
    assert_eq!(line["cause"], Cause::FanvueRateLimited.as_str());
    assert_eq!(line["remaining"]["requests"], 0);
    let until: Timestamp = line["remaining"]["held_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(until > place.now());
    let text = place.health("?format=text").await;
    assert!(text.contains(" 0 of 200 left, none before "), "{text}");

    // Nobody is at work any more.
    place.minutes_pass(10);
    let report: Value = serde_json::from_str(&place.health(&query).await).unwrap();
    let time = |field: &str| {
        report[field]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    let age = time("at").since(time("noted_at")).as_secs();
    assert!((600..660).contains(&age), "{age}");
    for query in [&*format!("{query}&format=text"), "?format=text"] {
        let text = place.health(query).await;
        let told = text.lines().nth(1).unwrap();
        assert!(
            told.starts_with("looked at ") && told.ends_with(" s before"),
            "{text}"
        );
        assert!(told.contains(", last noted 6"), "{text}");
    }
}

#[test]
fn every_cause_is_provoked() {
    let provoked: BTreeSet<Cause> = PROVOKED.iter().copied().collect();
    let all: BTreeSet<Cause> = Cause::ALL.iter().copied().collect();
    assert_eq!(provoked, all);
}

provoked! {
    an_account_that_is_not_connected: NotConnected Unknown,
        async |place| place.disconnect().await,
        async |place| place.connect(&SCOPES).await;

    a_grant_that_fanvue_has_ended: NeedsReconnect Then,
        async |place| {
            place.revoke();
            place.fan_is_seen_to().await;
        },
        async |place| place.connect(&SCOPES).await;

    a_grant_without_offline_access: NoRefreshToken Then,
        async |place| {
            place.connect(&SCOPES[1..]).await;
            place.minutes_pass(60);
            place.fan_is_seen_to().await;
        },
        async |place| place.connect(&SCOPES).await;

    tokens_that_do_not_read_back: TokenUnreadable Unknown,
        async |place| {
            let id = SecretId::of_creator(place.creator, SecretKind::TokenSet);
            let vault = &place.process.vault;
            let stored = vault.get(&id).await.unwrap().unwrap();
            let broken = Secret::new("no tokens");
            vault.put(&id, &broken, Some(stored.revision)).await.unwrap();
        },
        async |place| place.connect(&SCOPES).await;

    a_vault_whose_database_is_closed: VaultDown Unknown,
        async |place| place.process.secrets.close().await,
        async |place| place.restart(Config::default()).await;

    a_token_that_expires_while_it_cannot_be_refreshed: AccessExpired Then,
        async |place| {
            place.fanvue_fails(RequestFault::ErrorBefore(503), "/oauth2/token");
            place.minutes_pass(60);
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.minutes_pass(1);
            place.fan_is_answered().await;
        };

    an_app_secret_that_is_wrong: WrongAppSecret Then,
        async |place| {
            let client_secret = "another";
            place.restart(Config { client_secret, ..Config::default() }).await;
            place.minutes_pass(60);
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.restart(Config::default()).await;
            place.fan_is_answered().await;
        };

    a_refresh_that_fails_while_the_token_is_good: RefreshFailing Then,
        async |place| {
            place.fanvue_fails(RequestFault::ErrorBefore(503), "/oauth2/token");
            place.minutes_pass(58);
            place.fan_is_answered().await;
        },
        async |place| {
            // Whether Fanvue took the refresh token is not known, so it is shown again at the end alone.
            place.fanvue.clear_faults();
            place.minutes_pass(2);
            place.fan_is_answered().await;
        };

    a_scope_that_was_not_granted: MissingScope Then,
        async |place| {
            let read_only = SCOPES.iter().filter(|scope| **scope != "write:chat");
            place.connect(&read_only.copied().collect::<Vec<_>>()).await;
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.connect(&SCOPES).await;
            place.fan_is_answered().await;
        };

    access_tokens_that_are_not_accepted: TokenRejected Then,
        async |place| {
            place.fanvue_fails(RequestFault::Unauthorized, "/v1/*");
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.fan_is_answered().await;
        };

    an_api_version_that_is_no_more: ApiRetired Then,
        async |place| {
            place.fanvue.set_sunset_versions([API_VERSION]);
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.set_sunset_versions::<String>([]);
            place.fan_is_answered().await;
        };

    a_rate_limit_of_fanvues: FanvueRateLimited Then,
        async |place| {
            place.fanvue_fails(RequestFault::RateLimited(30), "/v1/*");
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.minutes_pass(1);
            place.fan_is_answered().await;
        };

    a_fanvue_that_is_down: FanvueDown Then,
        async |place| {
            place.fanvue_fails(RequestFault::ErrorBefore(503), "/v1/*");
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.fan_is_answered().await;
        };

    a_fanvue_that_rejects_requests: FanvueRejects Then,
        async |place| {
            place.fanvue_fails(RequestFault::ErrorBefore(422), "/v1/*");
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.fan_is_answered().await;
        };

    a_model_that_is_misconfigured: ModelMisconfigured Then,
        async |place| {
            place.model_fails(Some(|| LlmError::Misconfigured { message: "no such model".into() }));
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.model_fails(None);
            place.fan_is_answered().await;
        };

    a_model_that_is_not_paid: ModelOutOfMoney Then,
        async |place| {
            place.model_fails(Some(|| LlmError::OutOfQuota { message: "pay".into() }));
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.model_fails(None);
            place.fan_is_answered().await;
        };

    a_model_that_is_overloaded: ModelDown Then,
        async |place| {
            place.model_fails(Some(|| LlmError::overloaded("busy")));
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.model_fails(None);
            place.fan_is_answered().await;
        };

    a_rate_limit_of_the_models: ModelRateLimited Then,
        async |place| {
            place.model_fails(Some(|| LlmError::RateLimited { retry_after: None }));
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.model_fails(None);
            place.fan_is_answered().await;
        };

    a_model_whose_answers_are_of_no_use: ModelUnusable Then,
        async |place| {
            place.model_fails(Some(|| LlmError::Broken { reason: "empty".into() }));
            place.fan_is_seen_to().await;
        },
        async |place| {
            place.model_fails(None);
            place.fan_is_answered().await;
        };

    a_creator_who_is_inactive: CreatorInactive Unknown,
        async |place| place.change(|creator| creator.status = CreatorStatus::Inactive).await,
        async |place| place.change(|creator| creator.status = CreatorStatus::Active).await;

    a_creator_for_whom_the_bot_is_off: ModeOff Unknown,
        async |place| place.change(|creator| creator.settings.mode = Mode::Off).await,
        async |place| place.change(|creator| creator.settings.mode = Mode::Auto).await;

    a_creator_of_whom_no_webhook_has_come: WebhooksNeverCame Unknown,
        async |place| place.add_creator().await,
        async |place| place.another_creators_fan_writes().await;

    webhooks_that_stopped: WebhooksStopped Then,
        async |place| {
            place.webhook_fails(WebhookFault::Drop).await;
            place.poll().await;
        },
        async |place| place.fan_is_answered().await;

    polls_that_fail: PollFailing Then,
        async |place| {
            place.fanvue_fails(RequestFault::ErrorBefore(503), "/v1/chats");
            place.poll().await;
        },
        async |place| {
            place.fanvue.clear_faults();
            place.poll().await;
        };

    polls_that_ceased: PollStopped Then,
        async |place| {
            place.poll().await;
            place.minutes_pass(11);
        },
        async |place| place.poll().await;

    a_fan_who_waits_for_long: FansWaiting Then,
        async |place| {
            place.fan_writes().await;
            place.minutes_pass(12);
        },
        async |place| place.work(10).await;

    an_answer_that_was_given_up: TurnsGivenUp Then,
        async |place| {
            place.model_fails(Some(|| LlmError::TooLong { limit: None }));
            place.fan_is_seen_to().await;
        },
        async |place| place.minutes_pass(24 * 60 + 1);

    a_worker_who_is_gone_with_nothing_to_do: WorkerGone Then,
        async |place| {
            place.work(10).await;
            place.minutes_pass(11);
        },
        async |place| place.work(10).await;

    work_that_no_worker_takes_up: WorkNotTaken Then,
        async |place| {
            // The worker of the beginning is long gone.
            place.minutes_pass(10);
            place.fan_writes().await;
            place.minutes_pass(2);
        },
        async |place| place.work(10).await;

    work_that_a_worker_does_not_keep_up_with: WorkBehind Then,
        async |place| {
            place.fan_writes().await;
            place.fan_writes().await;
            place.minutes_pass(2);
            place.work(1).await;
        },
        async |place| place.work(10).await;

    a_store_whose_database_is_closed: StoreDown Unknown,
        async |place| place.process.database.close().await,
        async |place| place.restart(Config::default()).await;

    a_store_that_takes_its_time: StoreSlow Unknown,
        async |place| {
            let look = Duration::from_secs(2);
            place.restart(Config { look, ..Config::default() }).await;
        },
        async |place| place.restart(Config::default()).await;

    webhooks_that_are_signed_with_another_secret: SignaturesFailing Then,
        async |place| place.webhook_fails(WebhookFault::WrongSignature).await,
        async |place| place.fan_is_answered().await;

    webhooks_that_are_signed_at_another_time: ClockWrong Then,
        async |place| place.webhook_fails(WebhookFault::OldTimestamp).await,
        async |place| place.fan_is_answered().await;

    a_webhook_whose_address_names_another_creator: WebhookAddressWrong Then,
        async |place| {
            let other = format!("/{}", Uuid::from_u128(9));
            assert_eq!(place.post_signed(&other, &place.message()).await, 401);
        },
        async |place| assert_eq!(place.post_signed("", &place.message()).await, 200);

    a_proved_webhook_that_cannot_be_read: WebhookUnreadable Then,
        async |place| {
            let body = r#"{"id":"evt_1","type":"creator.message.received","data":"hi"}"#;
            assert_eq!(place.post_signed("", body).await, 200);
        },
        async |place| place.fan_is_answered().await;
}
