//! The API: what every call passes, chats and messages, in both families.

use std::time::Duration;

use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{MessageKind, SCOPES};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Api, Bench, Fallible, Test};

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item["text"].as_str().unwrap_or("-").to_owned())
        .collect()
}

fn is_invalid(answer: &Answer, part: &str) -> bool {
    let errors = answer.json()["errors"].to_string();
    answer.status == 400 && errors.contains(part)
}

#[tokio::test]
async fn the_version_header_is_required_and_known() -> Test {
    let bench = Bench::start().await?;
    let mut api = bench.api.clone();
    for (version, status, error) in [
        (None, 400, "Unsupported API version"),
        (Some("2024-01-01"), 400, "Unsupported API version"),
        (Some("2024-12-01"), 410, "API version no longer supported"),
    ] {
        api.version = version.map(str::to_owned);
        let answer = api.get("/v1/users/me").await?;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (status, &Value::from(error))
        );
        if status == 410 {
            assert_eq!(answer.json()["nextVersion"], "2025-06-26");
        } else {
            let message = answer.json()["message"].to_string();
            assert!(message.contains("is not supported"), "{message}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_version_header_may_be_left_out_when_the_simulator_is_lenient() -> Test {
    let builder = Simulator::builder().lenient_version();
    let bench = Bench::with(builder.deprecated_version("Sat, 01 May 2027 00:00:00 GMT")).await?;
    let mut api = bench.api.clone();
    api.version = None;
    let answer = api.get("/users/me").await?;
    assert_eq!(answer.status, 200);
    for name in ["deprecation", "sunset", "x-fanvue-api-next-version"] {
        assert!(answer.header(name).is_some(), "{name}");
    }
    api.version = Some("2024-01-01".to_owned());
    assert_eq!(api.get("/users/me").await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn calls_without_a_good_token_are_unauthorized() -> Test {
    let bench = Bench::start().await?;
    let good = bench.api.token.clone();
    let forged = format!("{}x", &good[..good.len() - 1]);
    for token in ["", "nonsense", "a.b.c", &forged] {
        let answer = Api::new(&bench.api.base, token).get("/v1/chats").await?;
        assert_eq!(
            (answer.status, answer.json()),
            (401, json!({"error": "Unauthorized"}))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_scope_is_forbidden_and_named() -> Test {
    let bench = Bench::start().await?;
    let api = Api::issue(
        &bench.simulator,
        bench.people.luna,
        &["read:self", "read:chat"],
    )?;
    let fan = bench.people.fans[0];
    let send = api
        .post(&format!("/v1/chats/{fan}/message"), json!({"text": "hi"}))
        .await?;
    assert_eq!(send.status, 403);
    assert!(
        send.text
            .to_lowercase()
            .contains("insufficient scope: write:chat"),
        "{}",
        send.text
    );
    assert_eq!(api.get("/v1/chats").await?.status, 200);
    assert_eq!(
        api.get("/v1/chats/lists/smart").await?.status,
        403,
        "needs read:fan too"
    );
    Ok(())
}

#[tokio::test]
async fn every_answer_tells_the_rate_and_too_many_requests_are_refused() -> Test {
    let bench = Bench::with(Simulator::builder().rate_limits(5, 2)).await?;
    let first = bench.api.get("/v1/users/me").await?;
    assert_eq!(first.header("x-ratelimit-limit"), Some("5"));
    assert_eq!(first.header("x-ratelimit-remaining"), Some("4"));
    let reset: u64 = first
        .header("x-ratelimit-reset")
        .unwrap_or_default()
        .parse()?;
    assert!((bench.simulator.now().secs()..=bench.simulator.now().secs() + 61).contains(&reset));
    for path in ["/v1/nowhere", "/v1/chats/none", "/chats", "/followers"] {
        assert!(
            bench
                .api
                .get(path)
                .await?
                .header("x-ratelimit-remaining")
                .is_some(),
            "{path}"
        );
    }
    let refused = bench.api.get("/v1/users/me").await?;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("0"));
    let wait: u64 = refused.header("retry-after").unwrap_or_default().parse()?;
    assert!((1..=12).contains(&wait), "{wait}");
    bench.simulator.advance(Duration::from_secs(wait));
    assert_eq!(bench.api.get("/v1/users/me").await?.status, 200);
    let anonymous = Api::new(&bench.api.base, "").get("/v1/users/me").await?;
    assert!(
        anonymous.header("x-ratelimit-limit").is_some(),
        "also on 401"
    );
    Ok(())
}

#[tokio::test]
async fn statuses_and_each_creator_of_an_agency_have_buckets_of_their_own() -> Test {
    let bench = Bench::with(Simulator::builder().rate_limits(2, 1)).await?;
    let ask = json!({"userUuids": [bench.people.fans[0]]});
    assert_eq!(
        bench.api.post("/chats/statuses", ask.clone()).await?.status,
        200
    );
    assert_eq!(bench.api.post("/chats/statuses", ask).await?.status, 429);
    assert_eq!(bench.api.get("/chats").await?.status, 200, "another bucket");
    let agency = Api::issue(&bench.simulator, bench.people.agency, SCOPES)?;
    let (luna, nova) = (bench.people.luna, bench.people.nova);
    for expected in [200, 200, 429] {
        assert_eq!(
            agency.get(&format!("/creators/{luna}/chats")).await?.status,
            expected
        );
    }
    assert_eq!(
        agency.get(&format!("/creators/{nova}/chats")).await?.status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn unknown_paths_and_the_plural_of_message_are_not_found() -> Test {
    let bench = Bench::start().await?;
    let fan = bench.people.fans[0];
    let plural = bench
        .api
        .post(&format!("/v1/chats/{fan}/messages"), json!({"text": "x"}))
        .await?;
    assert_eq!(plural.status, 404);
    for path in ["/", "/v1", "/v2/chats", "/v1/chats/", "/chats/lists"] {
        assert_eq!(bench.api.get(path).await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn the_profile_has_the_fields_of_its_family() -> Test {
    let bench = Bench::start().await?;
    let legacy = bench.api.get("/users/me").await?.json();
    assert_eq!(legacy["uuid"], bench.people.luna.to_string());
    assert!(legacy["fanCounts"]["subscribersCount"].is_u64());
    assert!(legacy["roles"].is_null());
    let v1 = bench.api.get("/v1/users/me").await?.json();
    assert_eq!(v1["roles"], json!(["creator"]));
    assert_eq!(bench.api.get("/v1/users/account").await?.status, 200);
    assert_eq!(
        bench.api.get("/users/account").await?.status,
        404,
        "v1 only"
    );
    let agency = Api::issue(&bench.simulator, bench.people.agency, SCOPES)?;
    let agency = agency.get("/users/me").await?.json();
    assert_eq!(agency["isCreator"], false);
    assert!(agency["fanCounts"].is_null());
    Ok(())
}

#[tokio::test]
async fn chats_are_paged_by_number_in_legacy_and_by_cursor_in_v1() -> Test {
    let bench = Bench::start().await?;
    for number in 0..20 {
        let fan = bench.simulator.add_fan(&format!("extra-{number}"), "Extra");
        bench
            .simulator
            .fan_writes(bench.people.luna, fan, "hello")?;
    }
    let all = 23;
    let mut legacy = Vec::new();
    for page in 1.. {
        let body = bench
            .api
            .get(&format!("/chats?page={page}&size=10"))
            .await?
            .json();
        legacy.extend(body["data"].as_array().cloned().unwrap_or_default());
        assert_eq!(body["pagination"]["page"], page);
        if body["pagination"]["hasMore"] == false {
            break;
        }
    }
    let (mut v1, mut cursor) = (Vec::new(), String::new());
    loop {
        let body = bench
            .api
            .get(&format!("/v1/chats?size=10&cursor={cursor}"))
            .await?
            .json();
        v1.extend(body["data"].as_array().cloned().unwrap_or_default());
        assert!(body["pagination"].is_null());
        assert_eq!(body["total"], all);
        let Some(next) = body["nextCursor"].as_str() else {
            break;
        };
        cursor = next.to_owned();
    }
    for chats in [&legacy, &v1] {
        let mut users: Vec<String> = chats
            .iter()
            .map(|chat| chat["user"]["uuid"].to_string())
            .collect();
        users.sort();
        users.dedup();
        assert_eq!((chats.len(), users.len()), (all, all));
    }
    assert_eq!(
        bench.api.get("/chats").await?.json()["pagination"]["size"],
        15
    );
    let nonsense = bench.api.get("/v1/chats?cursor=nonsense").await?;
    assert!(is_invalid(&nonsense, "cursor"));
    Ok(())
}

#[tokio::test]
async fn chats_are_filtered_searched_and_sorted() -> Test {
    let bench = Bench::start().await?;
    let handles = |answer: &Answer| {
        let data = answer.json()["data"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let handle = |chat: &Value| chat["user"]["handle"].as_str().unwrap_or("").to_owned();
        data.iter().map(handle).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("", vec!["fan-gone", "fan-two", "fan-one"]),
        ("filter=subscribers", vec!["fan-one"]),
        ("filter=unread&filter=followers", vec!["fan-two"]),
        ("filter=has_tipped", vec!["fan-one"]),
        ("filter=online", vec!["fan-one"]),
        (
            "smartListIds=followers&smartListIds=subscribers",
            vec!["fan-two", "fan-one"],
        ),
        ("search=TWO", vec!["fan-two"]),
        ("sortBy=online_now", vec!["fan-one", "fan-gone", "fan-two"]),
        (
            "sortBy=most_unanswered_chats",
            vec!["fan-one", "fan-gone", "fan-two"],
        ),
    ] {
        let answer = bench.api.get(&format!("/v1/chats?{query}")).await?;
        assert_eq!(handles(&answer), expected, "{query}");
    }
    let lists = bench.api.get("/chats/lists/custom").await?.json();
    let list = lists["data"][0]["uuid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let answer = bench
        .api
        .get(&format!("/chats?customListId={list}"))
        .await?;
    assert_eq!(handles(&answer), ["fan-two"]);
    for (query, part) in [
        ("filter=nice", "filter"),
        ("sortBy=age", "sortBy"),
        ("smartListIds=x", "smartListIds"),
        ("customListId=x", "customListId must be a UUID"),
        ("size=51", "size must be between 1 and 50"),
        ("size=0", "size"),
        ("page=0", "page"),
    ] {
        assert!(
            is_invalid(&bench.api.get(&format!("/chats?{query}")).await?, part),
            "{query}"
        );
    }
    let long = "x".repeat(101);
    assert!(is_invalid(
        &bench.api.get(&format!("/chats?search={long}")).await?,
        "search"
    ));
    let agency = Api::issue(&bench.simulator, bench.people.agency, SCOPES)?;
    assert_eq!(agency.get("/chats?filter=spenders").await?.status, 403);
    Ok(())
}

#[tokio::test]
async fn listing_messages_reads_the_chat_by_default_in_legacy_and_not_in_v1() -> Test {
    let bench = Bench::start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.fans[1]);
    let unread = || {
        bench
            .simulator
            .with_world(|world, _| world.chat(luna, fan).map(|chat| chat.unread))
    };
    bench.api.get(&format!("/v1/chats/{fan}/messages")).await?;
    assert_eq!(unread(), Some(1));
    bench
        .api
        .get(&format!("/chats/{fan}/messages?markAsRead=false"))
        .await?;
    assert_eq!(unread(), Some(1));
    let listed = bench
        .api
        .get(&format!("/chats/{fan}/messages"))
        .await?
        .json();
    assert_eq!(listed["data"][0]["isRead"], false, "as it was before");
    assert_eq!(unread(), Some(0));
    bench.simulator.fan_writes(luna, fan, "again")?;
    bench
        .api
        .get(&format!("/v1/chats/{fan}/messages?markAsRead=true"))
        .await?;
    assert_eq!(unread(), Some(0));
    let wrong = bench
        .api
        .get(&format!("/v1/chats/{fan}/messages?markAsRead=yes"))
        .await?;
    assert!(is_invalid(&wrong, "markAsRead"));
    Ok(())
}

#[tokio::test]
async fn messages_are_walked_newest_first_in_either_family_without_loss() -> Test {
    let bench = Bench::start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.stranger);
    for number in 0..25 {
        bench.simulator.fan_writes(luna, fan, number.to_string())?;
    }
    let expected: Vec<String> = (0..25).rev().map(|number| number.to_string()).collect();
    let mut legacy = Vec::new();
    for page in 1.. {
        let path = format!("/chats/{fan}/messages?page={page}&size=10&markAsRead=false");
        let body = bench.api.get(&path).await?.json();
        legacy.extend(texts(&body["data"]));
        if body["pagination"]["hasMore"] == false {
            break;
        }
    }
    assert_eq!(legacy, expected);
    let (mut v1, mut filter) = (Vec::new(), String::new());
    loop {
        let body = bench
            .api
            .get(&format!("/v1/chats/{fan}/messages?limit=10{filter}"))
            .await?;
        let body = body.json();
        v1.extend(texts(&body["data"]));
        let Some(next) = body["dateFilter"].as_object() else {
            break;
        };
        filter = next
            .iter()
            .filter_map(|(name, value)| Some(format!("&{name}={}", value.as_str()?)))
            .collect();
    }
    assert_eq!(v1, expected);
    let paged = bench
        .api
        .get(&format!("/v1/chats/{fan}/messages?page=2&size=10"))
        .await?;
    assert_eq!(
        texts(&paged.json()["data"]),
        expected[10..20],
        "v1 takes page and size as well"
    );
    let wrong = bench
        .api
        .get(&format!("/v1/chats/{fan}/messages?sentBefore=soon"))
        .await?;
    assert!(is_invalid(&wrong, "sentBefore"));
    assert!(is_invalid(
        &bench
            .api
            .get(&format!("/v1/chats/{fan}/messages?limit=51"))
            .await?,
        "limit"
    ));
    Ok(())
}

#[tokio::test]
async fn a_message_is_sent_stored_and_listed_under_one_uuid() -> Test {
    let bench = Bench::start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.fans[0]);
    for prefix in ["", "/v1"] {
        let path = format!("{prefix}/chats/{fan}/message");
        let sent = bench
            .api
            .post(
                &path,
                json!({"text": "hey you", "mediaUuids": [], "price": null}),
            )
            .await?;
        assert_eq!(sent.status, 201);
        let uuid = sent.json()["messageUuid"].clone();
        let path = format!("{prefix}/chats/{fan}/messages?markAsRead=false");
        let listed = bench.api.get(&path).await?.json()["data"][0].clone();
        assert_eq!(listed["uuid"], uuid);
        assert_eq!(listed["sender"]["uuid"], luna.to_string());
        assert_eq!(listed["recipient"]["uuid"], fan.to_string());
        assert_eq!(listed["type"], "SINGLE_RECIPIENT");
        assert_eq!(listed["sentByUserId"], Value::Null);
        let one = bench
            .api
            .get(&format!(
                "/v1/chats/{fan}/messages/{}",
                uuid.as_str().unwrap_or("")
            ))
            .await?;
        assert_eq!(
            (one.status, &one.json()["text"]),
            (200, &Value::from("hey you"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn equal_sends_are_stored_twice_whatever_key_they_carry() -> Test {
    let bench = Bench::start().await?;
    let fan = bench.people.fans[0];
    let inbound = bench
        .simulator
        .fan_writes(bench.people.luna, fan, "hello?")?;
    let client = crate::support::client();
    for _ in 0..2 {
        let answer = client
            .post(format!("{}/v1/chats/{fan}/message", bench.api.base))
            .bearer_auth(&bench.api.token)
            .header("X-Fanvue-API-Version", "2025-06-26")
            .header("Idempotency-Key", "the-same")
            .json(&json!({"text": "hello"}))
            .send()
            .await?;
        assert_eq!(answer.status(), 201);
    }
    let counts = bench.simulator.sent_answers();
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].inbound, counts[0].count), (Some(inbound), 2));
    Ok(())
}

#[tokio::test]
async fn sends_are_validated() -> Test {
    let bench = Bench::start().await?;
    let (fan, image) = (bench.people.fans[0], bench.people.image);
    let path = format!("/v1/chats/{fan}/message");
    for (body, part) in [
        (json!({}), "text"),
        (json!({"text": ""}), "text"),
        (
            json!({"text": "x".repeat(5001)}),
            "text must be at most 5000",
        ),
        (json!({"text": 5}), "text must be a string"),
        (json!({"text": "x", "price": 500}), "price"),
        (
            json!({"text": "x", "price": 299, "mediaUuids": [image]}),
            "price must be at least 300",
        ),
        (
            json!({"text": "x", "price": -1, "mediaUuids": [image]}),
            "price",
        ),
        (
            json!({"text": "x", "mediaUuids": ["x"]}),
            "mediaUuids must be a UUID",
        ),
        (
            json!({"text": "x", "mediaUuids": [Uuid::nil()]}),
            "mediaUuids",
        ),
        (json!(["text"]), "body"),
    ] {
        let answer = bench.api.post(&path, body.clone()).await?;
        assert!(is_invalid(&answer, part), "{body}: {answer:?}");
    }
    for body in [
        json!({"text": "x".repeat(5000)}),
        json!({"mediaUuids": [image]}),
        json!({"text": "look", "mediaUuids": [image], "price": 300.0}),
    ] {
        assert_eq!(bench.api.post(&path, body).await?.status, 201);
    }
    let bad = bench
        .api
        .post("/v1/chats/not-a-uuid/message", json!({"text": "x"}))
        .await?;
    assert!(is_invalid(&bad, "fan must be a UUID"));
    Ok(())
}

#[tokio::test]
async fn fans_who_cannot_be_contacted_are_listed_and_strangers_have_no_chat() -> Test {
    let bench = Bench::start().await?;
    let (gone, stranger) = (bench.people.unreachable, bench.people.stranger);
    let chats = bench.api.get("/v1/chats").await?.text;
    assert!(chats.contains(&gone.to_string()));
    let refused = bench
        .api
        .post(&format!("/v1/chats/{gone}/message"), json!({"text": "x"}))
        .await?;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["message"].is_string());
    let insight = bench
        .api
        .get(&format!("/v1/insights/fans/{gone}"))
        .await?
        .json();
    assert_eq!(insight["status"], "not_contactable");
    for path in [
        format!("/chats/{stranger}/messages"),
        format!("/v1/chats/{stranger}"),
    ] {
        let missing = bench.api.get(&path).await?;
        assert_eq!(missing.status, 404);
        assert!(missing.json()["message"].is_string());
    }
    let early = bench
        .api
        .post(&format!("/chats/{stranger}/message"), json!({"text": "x"}))
        .await?;
    assert_eq!(early.status, 400);
    let refused = bench.api.post("/chats", json!({"userUuid": gone})).await?;
    assert_eq!(refused.status, 400);
    for _ in 0..2 {
        let opened = bench
            .api
            .post("/chats", json!({"userUuid": stranger}))
            .await?;
        assert_eq!(opened.status, 201);
        assert!(opened.json()["message"].is_string());
    }
    let sent = bench
        .api
        .post(&format!("/chats/{stranger}/message"), json!({"text": "x"}))
        .await?;
    assert_eq!(sent.status, 201);
    Ok(())
}

/// Every pair of a path without indices and a value, of a JSON document.
fn leaves(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                leaves(inner, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| leaves(inner, path, found)),
        leaf => found.push((path.to_owned(), leaf.clone())),
    }
}

async fn everything(bench: &Bench) -> Fallible<Vec<(String, Value)>> {
    let mut found = Vec::new();
    bench.simulator.with_world(|world, now| {
        // A chat without a message.
        world.open_chat(bench.people.luna, bench.people.stranger, now)
    })?;
    for fan in &bench.people.fans {
        let path = format!("/v1/chats/{fan}/messages?limit=50");
        leaves(&bench.api.get(&path).await?.json(), "messages", &mut found);
        let path = format!("/insights/fans/{fan}");
        leaves(&bench.api.get(&path).await?.json(), "insight", &mut found);
    }
    for (name, path) in [
        ("chats", "/v1/chats?size=50"),
        ("templates", "/chats/templates"),
        ("media", "/media"),
    ] {
        leaves(&bench.api.get(path).await?.json(), name, &mut found);
    }
    Ok(found)
}

#[tokio::test]
async fn nullable_fields_are_null_somewhere_and_filled_elsewhere() -> Test {
    let bench = Bench::start().await?;
    let found = everything(&bench).await?;
    for path in [
        "messages.data.text",
        "messages.data.mediaType",
        "messages.data.purchasedAt",
        "messages.data.sentByUserId",
        "messages.data.status",
        "chats.data.user.avatarUrl",
        "chats.data.user.lastSeenAt",
        "templates.data.text",
        "templates.data.folderName",
    ] {
        let of = |null: bool| found.iter().any(|(p, v)| p == path && v.is_null() == null);
        assert!(of(true), "{path} is never null");
        assert!(of(false), "{path} is always null");
    }
    for path in [
        "chats.data.lastMessageAt",
        "chats.data.lastMessage",
        "messages.data.pricing",
        "chats.data.user.nickname",
        "insight.subscription",
    ] {
        assert!(
            found.iter().any(|(p, v)| p == path && v.is_null()),
            "{path} is never null"
        );
    }
    Ok(())
}

#[tokio::test]
async fn numbers_are_integers_and_some_words_and_fields_are_unknown() -> Test {
    let bench = Bench::start().await?;
    let found = everything(&bench).await?;
    assert!(found.iter().all(|(_, value)| !value.is_f64()));
    assert!(
        found
            .iter()
            .any(|(path, value)| path.ends_with("pricing.USD.price") && *value == 500)
    );
    let kinds: Vec<&Value> = found
        .iter()
        .filter(|(path, _)| path == "messages.data.type")
        .map(|(_, v)| v)
        .collect();
    assert!(kinds.iter().any(|kind| **kind == "HOLOGRAM_CALL"));
    assert!(kinds.iter().any(|kind| **kind == MessageKind::Tip.as_str()));
    assert!(found.iter().any(|(path, _)| path.contains("futureField")));
    let plain = Bench::with(Simulator::builder().without_unknown_fields()).await?;
    let found = everything(&plain).await?;
    assert!(!found.iter().any(|(path, _)| path.contains("futureField")));
    Ok(())
}

#[tokio::test]
async fn a_chat_is_patched_counted_typed_in_and_its_messages_deleted() -> Test {
    let bench = Bench::start().await?;
    let (luna, fan) = (bench.people.luna, bench.people.fans[1]);
    let before = bench.api.get("/chats/unread").await?.json();
    assert_eq!(before["unreadChatsCount"], 3);
    let patch = json!({"isRead": true, "isMuted": true, "nickname": "Twofold"});
    let patched = bench.api.patch(&format!("/chats/{fan}"), patch).await?;
    assert_eq!((patched.status, patched.text.as_str()), (204, ""));
    assert_eq!(
        bench.api.get("/chats/unread").await?.json()["unreadChatsCount"],
        2
    );
    let chat = bench.api.get(&format!("/v1/chats/{fan}")).await?.json();
    assert_eq!(chat["user"]["nickname"], "Twofold");
    assert_eq!(
        (&chat["isRead"], &chat["isMuted"]),
        (&json!(true), &json!(true))
    );
    let long = json!({"nickname": "x".repeat(31)});
    assert!(is_invalid(
        &bench.api.patch(&format!("/chats/{fan}"), long).await?,
        "nickname"
    ));
    for body in [json!({"isTyping": true}), json!({})] {
        let typed = bench
            .api
            .post(&format!("/v1/chats/{fan}/typing"), body)
            .await?;
        assert_eq!(typed.status, 204);
    }
    let signals = bench
        .simulator
        .with_world(|world, _| world.chat(luna, fan).map(|c| c.typing_signals));
    assert_eq!(signals, Some(2));
    let statuses = json!({"userUuids": [fan, bench.people.fans[0]]});
    let statuses = bench.api.post("/chats/statuses", statuses).await?.json();
    assert_eq!(statuses[bench.people.fans[0].to_string()]["isOnline"], true);
    assert_eq!(
        statuses[fan.to_string()],
        json!({"isOnline": false, "lastSeenAt": null})
    );
    let many = json!({"userUuids": vec![fan; 101]});
    assert!(is_invalid(
        &bench.api.post("/chats/statuses", many).await?,
        "userUuids"
    ));
    let sent = bench
        .api
        .post(&format!("/chats/{fan}/message"), json!({"text": "oops"}))
        .await?;
    let uuid = sent.json()["messageUuid"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let path = format!("/chats/{fan}/messages/{uuid}");
    assert_eq!(bench.api.delete(&path).await?.status, 204);
    assert_eq!(bench.api.delete(&path).await?.status, 404);
    assert_eq!(bench.api.get(&format!("/v1{path}")).await?.status, 404);
    assert_eq!(bench.simulator.transcript(luna, fan).len(), 1);
    assert!(
        bench
            .simulator
            .messages()
            .iter()
            .any(|m| m.message.deleted_at.is_some())
    );
    let bought = bench.simulator.transcript(luna, bench.people.fans[0]);
    let bought = bought
        .iter()
        .find(|m| m.purchased_at.is_some() && !m.from_fan());
    let bought = bought.ok_or("nothing was bought")?.uuid;
    let path = format!("/chats/{}/messages/{bought}", bench.people.fans[0]);
    assert_eq!(bench.api.delete(&path).await?.status, 400);
    Ok(())
}

#[tokio::test]
async fn several_chats_and_the_media_of_messages_are_fetched_at_once() -> Test {
    let bench = Bench::start().await?;
    let (fan, stranger) = (bench.people.fans[0], bench.people.stranger);
    let ask = json!({"chatUuids": [fan, stranger]});
    let batch = bench
        .api
        .post("/v1/chats/messages/batch", ask)
        .await?
        .json();
    assert_eq!(
        batch["byChat"][stranger.to_string()],
        json!({"error": "not_found"})
    );
    let messages = batch["byChat"][fan.to_string()]["messages"]
        .as_array()
        .cloned();
    let messages = messages.unwrap_or_default();
    let with_media = messages
        .iter()
        .find(|m| m["hasMedia"] == true)
        .ok_or("no media")?;
    let message = with_media["uuid"].as_str().unwrap_or_default();
    let image = bench.people.image;
    let path = format!("/v1/chats/{fan}/messages/{message}/media");
    let asked = format!("{path}?mediaUuids={image},{}&variants=main", Uuid::nil());
    let media = bench.api.get(&asked).await?.json();
    let variants = &media["results"][image.to_string()]["variants"];
    assert_eq!(variants[0]["variantType"], "main");
    assert_eq!(media["errors"].as_array().map(Vec::len), Some(1));
    let list = bench
        .api
        .get(&format!("/chats/{fan}/media?limit=5"))
        .await?
        .json();
    assert_eq!(list["data"][0]["messageUuid"], message);
    assert!(list["data"][0]["created_at"].is_string());
    let too_many = format!(
        "{path}?mediaUuids={}",
        vec![image.to_string(); 21].join(",")
    );
    assert!(is_invalid(&bench.api.get(&too_many).await?, "mediaUuids"));
    Ok(())
}

#[tokio::test]
async fn an_agency_acts_for_its_creators_and_for_no_one_else() -> Test {
    let bench = Bench::start().await?;
    let agency = Api::issue(&bench.simulator, bench.people.agency, SCOPES)?;
    let luna = bench.people.luna;
    let fan = bench.people.fans[0];
    let creators = agency.get("/creators").await?.json();
    assert_eq!(creators["data"].as_array().map(Vec::len), Some(2));
    assert!(creators["pagination"].is_object());
    for prefix in ["", "/v1"] {
        let twin = format!("{prefix}/creators/{luna}");
        for path in [
            "/chats",
            "/chats/lists/smart",
            "/chats/lists/smart/subscribers",
            "/chats/lists/custom",
            "/followers",
            "/subscribers",
            "/insights/earnings",
            "/insights/top-spenders",
            "/insights/subscribers",
            "/media",
        ] {
            assert_eq!(
                agency.get(&format!("{twin}{path}")).await?.status,
                200,
                "{twin}{path}"
            );
        }
        for path in [
            "/chats/unread",
            "/chats/templates",
            "/users/me",
            "/webhooks/subscriptions",
        ] {
            // In v1 the last word may be taken for a fan, and is no uuid then.
            let status = agency.get(&format!("{twin}{path}")).await?.status;
            assert!(
                status == 404 || prefix == "/v1" && status == 400,
                "{path} has no twin"
            );
        }
        let path = format!("{twin}/chats/{fan}/message");
        assert_eq!(
            agency
                .post(&path, json!({"text": "from the agency"}))
                .await?
                .status,
            201
        );
        let path = format!("{twin}/chats/{fan}/messages?markAsRead=false");
        let listed = agency.get(&path).await?.json();
        assert_eq!(listed["data"][0]["sender"]["uuid"], luna.to_string());
        let path = format!("{twin}/chats/{fan}");
        assert_eq!(
            agency.patch(&path, json!({"isRead": true})).await?.status,
            204
        );
    }
    let foreign = bench.simulator.add_creator("foreign", "Foreign");
    assert_eq!(
        agency
            .get(&format!("/creators/{foreign}/chats"))
            .await?
            .status,
        404
    );
    let poor = Api::issue(&bench.simulator, bench.people.agency, &["read:chat"])?;
    assert_eq!(
        poor.get(&format!("/creators/{luna}/chats")).await?.status,
        403
    );
    Ok(())
}

#[tokio::test]
async fn the_specification_covers_what_is_served() -> Test {
    let bench = Bench::start().await?;
    let anonymous = Api::new(&bench.api.base, "");
    let spec = anonymous.get("/openapi").await?.json();
    assert_eq!(spec["openapi"], "3.1.0");
    assert_eq!(spec["info"]["title"], "Fanvue API");
    for path in [
        "/chats",
        "/v1/chats",
        "/v1/chats/{fan}",
        "/chats/{fan}/message",
        "/v1/creators/{creatorUserUuid}/chats/{fan}/message",
        "/webhooks/subscriptions",
    ] {
        assert!(spec["paths"][path].is_object(), "{path}");
    }
    assert!(spec["paths"]["/chats/{fan}"]["get"].is_null(), "v1 only");
    let send = &spec["paths"]["/v1/chats/{fan}/message"]["post"];
    assert_eq!(send["security"][0]["oauth2"], json!(["write:chat"]));
    let mut ids = Vec::new();
    let mut served = 0;
    for (path, operations) in spec["paths"].as_object().cloned().unwrap_or_default() {
        for (method, operation) in operations.as_object().cloned().unwrap_or_default() {
            ids.push(operation["operationId"].to_string());
            if method != "get" {
                continue;
            }
            let concrete = path
                .replace("{creatorUserUuid}", &bench.people.luna.to_string())
                .replace("{fan}", &bench.people.fans[0].to_string());
            if !concrete.contains('{') {
                let answer = bench.api.get(&concrete).await?;
                let query_is_needed = concrete.ends_with("/insights/fans");
                assert!(
                    answer.status == 200 || query_is_needed,
                    "{concrete}: {answer:?}"
                );
                served += 1;
            }
        }
    }
    assert!(served > 60, "{served}");
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all, "operation ids are unique");
    let v1 = anonymous.get("/docs/openapi-v1.json").await?.json();
    assert!(v1["paths"]["/chats"].is_null() && v1["paths"]["/v1/chats"].is_object());
    Ok(())
}
