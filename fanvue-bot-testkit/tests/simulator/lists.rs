//! Lists, mass messages, templates, automation, fans, media.

use fanvue_bot_testkit::simulator::world::Origin;
use serde_json::{Value, json};

use crate::support::{Bench, Test};

fn names(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item[field].as_str().unwrap_or("-").to_owned())
        .collect()
}

#[tokio::test]
async fn smart_lists_are_arrays_with_fixed_words_and_v1_has_two_more() -> Test {
    let bench = Bench::start().await?;
    let legacy = bench.api.get("/chats/lists/smart").await?.json();
    assert_eq!(legacy.as_array().map(Vec::len), Some(7));
    assert_eq!(
        legacy[0],
        json!({"name": "Subscribers", "uuid": "subscribers", "count": 1})
    );
    let v1 = bench.api.get("/v1/chats/lists/smart").await?.json();
    assert_eq!(v1.as_array().map(Vec::len), Some(9));
    let members = bench.api.get("/chats/lists/smart/followers").await?.json();
    assert_eq!(names(&members["data"], "handle"), ["fan-two"]);
    assert!(members["pagination"].is_object());
    let members = bench
        .api
        .get("/v1/chats/lists/smart/followers")
        .await?
        .json();
    assert!(
        members.get("total").is_some_and(Value::is_null) && members.get("nextCursor").is_some()
    );
    assert_eq!(bench.api.get("/chats/lists/smart/muted").await?.status, 404);
    assert_eq!(
        bench.api.get("/v1/chats/lists/smart/muted").await?.status,
        200
    );
    Ok(())
}

#[tokio::test]
async fn custom_lists_are_made_renamed_filled_and_deleted() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    let made = api
        .post("/chats/lists/custom", json!({"name": "vip"}))
        .await?;
    assert_eq!(made.status, 201);
    let list = made.json()["uuid"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        api.post("/chats/lists/custom", json!({"name": "vip"}))
            .await?
            .status,
        409
    );
    assert_eq!(
        api.post("/chats/lists/custom", json!({"name": " "}))
            .await?
            .status,
        400
    );
    let path = format!("/chats/lists/custom/{list}");
    assert_eq!(
        api.patch(&path, json!({"name": "no bot"})).await?.status,
        409,
        "taken"
    );
    assert_eq!(api.patch(&path, json!({"name": "best"})).await?.status, 204);
    let fans =
        json!({"userUuids": [bench.people.fans[0], bench.people.fans[0], bench.people.fans[1]]});
    let added = api.post(&format!("{path}/members"), fans).await?;
    assert_eq!(
        (added.status, added.json()),
        (201, json!({"added": 2, "skipped": 1}))
    );
    assert_eq!(
        api.get(&path).await?.json()["data"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    let member = format!("{path}/members/{}", bench.people.fans[0]);
    assert_eq!(api.delete(&member).await?.status, 204);
    assert_eq!(api.delete(&member).await?.status, 404);
    let lists = api.get("/chats/lists/custom?search=BES").await?.json();
    assert_eq!(
        (&lists["data"][0]["name"], &lists["data"][0]["membersCount"]),
        (&json!("best"), &json!(1))
    );
    assert_eq!(api.delete(&path).await?.status, 204);
    assert_eq!(api.delete(&path).await?.status, 404);
    assert_eq!(api.get(&path).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn mass_messages_go_to_lists_now_or_later() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    let to = json!({"smartListUuids": ["subscribers", "followers"], "customListUuids": []});
    let lists = api.get("/chats/lists/custom").await?.json();
    let spared = json!({"customListUuids": [lists["data"][0]["uuid"]]});
    let body = json!({"text": "news", "includedLists": to, "excludedLists": spared});
    let sent = api.post("/v1/chats/mass-messages", body).await?;
    assert_eq!(
        (sent.status, &sent.json()["recipientCount"]),
        (201, &json!(1))
    );
    let count = |origin| {
        bench
            .simulator
            .messages()
            .iter()
            .filter(|m| m.message.origin == origin)
            .count()
    };
    assert_eq!(count(Origin::Broadcast), 1);
    let at = bench.simulator.now().plus(3_600_000).to_string();
    let body = json!({"text": "later", "includedLists": to, "scheduledAt": at});
    let scheduled = api.post("/chats/mass-messages", body).await?.json();
    assert_eq!(
        (count(Origin::Broadcast), &scheduled["recipientCount"]),
        (1, &json!(2))
    );
    bench
        .simulator
        .advance(std::time::Duration::from_secs(3601));
    let all = bench
        .simulator
        .wait_until(crate::support::PATIENCE, |world| {
            world
                .messages()
                .filter(|(_, _, m)| m.origin == Origin::Broadcast)
                .count()
                == 3
        })
        .await;
    // Access tokens of an hour are gone by now, and the message is sent all the same.
    assert!(all);
    Ok(())
}

#[tokio::test]
async fn mass_messages_are_validated_listed_and_taken_back() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    for body in [
        json!({"text": "x"}),
        json!({"text": "x", "includedLists": {}}),
        json!({"text": "x", "includedLists": {"smartListUuids": ["everyone"]}}),
        json!({"includedLists": {"smartListUuids": ["followers"]}}),
    ] {
        let answer = api.post("/chats/mass-messages", body.clone()).await?;
        assert_eq!(answer.status, 400, "{body}");
    }
    let at = bench.simulator.now().plus(3_600_000).to_string();
    let to = json!({"smartListUuids": ["followers"]});
    let body = json!({"text": "later", "includedLists": to, "scheduledAt": at});
    let id = api.post("/chats/mass-messages", body).await?.json()["id"].clone();
    let listed = api.get("/chats/mass-messages").await?.json();
    assert_eq!(listed["data"][0]["id"], id);
    let path = format!("/chats/mass-messages/{}", id.as_str().unwrap_or_default());
    assert_eq!(api.delete(&path).await?.status, 204);
    assert_eq!(api.delete(&path).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn templates_are_read_and_automation_is_switched() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    let templates = api.get("/chats/templates?folderName=ank").await?.json();
    assert_eq!(names(&templates["data"], "text"), ["thank you so much"]);
    let uuid = templates["data"][0]["uuid"].clone();
    let one = api
        .get(&format!(
            "/chats/templates/{}",
            uuid.as_str().unwrap_or_default()
        ))
        .await?;
    assert_eq!(one.json()["folderName"], "thanks");
    let fan = bench.people.fans[0];
    let sent = api
        .post(
            &format!("/chats/{fan}/message"),
            json!({"templateUuid": uuid}),
        )
        .await?;
    assert_eq!(sent.status, 201);
    let put = |body| {
        api.call(
            reqwest::Method::PUT,
            "/chats/automated-messages/first_message_reply",
            Some(body),
        )
    };
    assert_eq!(put(json!({"text": "welcome"})).await?.status, 204);
    let listed = api.get("/chats/automated-messages").await?.json();
    let on = listed["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| item["enabled"] == true);
    assert_eq!(on.count(), 1);
    let new = bench.simulator.add_fan("newcomer", "Newcomer");
    bench.simulator.fan_writes(bench.people.luna, new, "hi")?;
    let transcript = bench.simulator.transcript(bench.people.luna, new);
    assert_eq!(transcript[1].kind.as_str(), "AUTOMATED_FIRST_MESSAGE_REPLY");
    assert_eq!(
        api.delete("/chats/automated-messages/first_message_reply")
            .await?
            .status,
        204
    );
    assert_eq!(
        api.delete("/chats/automated-messages/unknown")
            .await?
            .status,
        400
    );
    Ok(())
}

#[tokio::test]
async fn fans_are_listed_with_their_subscriptions_and_money() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    let (one, two) = (bench.people.fans[0], bench.people.fans[1]);
    let followers = api.get("/followers").await?.json();
    assert_eq!(
        names(&followers["data"], "handle"),
        ["fan-two"],
        "subscribers are left out"
    );
    let legacy = api.get("/subscribers").await?.json();
    assert_eq!(names(&legacy["data"], "handle"), ["fan-one"]);
    assert!(legacy["data"][0]["subscription"].is_null());
    let v1 = api.get("/v1/subscribers").await?.json();
    assert_eq!(v1["data"][0]["subscription"]["status"], "active");
    assert_eq!(
        api.get(&format!("/v1/subscribers/{one}")).await?.status,
        200
    );
    assert_eq!(
        api.get(&format!("/v1/subscribers/{two}")).await?.status,
        404
    );
    let insight = api.get(&format!("/insights/fans/{one}")).await?.json();
    assert_eq!(insight["status"], "subscriber");
    assert_eq!(
        insight["spending"]["total"],
        json!({"gross": 3499, "total": 3499})
    );
    assert_eq!(insight["spending"]["sources"]["tip"]["gross"], 2000);
    let nobody = bench.people.stranger;
    assert_eq!(
        api.get(&format!("/insights/fans/{nobody}")).await?.status,
        404
    );
    let bulk = api
        .get(&format!("/insights/fans?fanUuids={one},{nobody}"))
        .await?
        .json();
    assert!(bulk["results"][one.to_string()].is_object());
    assert_eq!(bulk["errors"][0]["code"], "NOT_FOUND");
    let none = api
        .get(&format!("/insights/fans?fanUuids={nobody}"))
        .await?
        .json();
    assert!(none["results"].is_null());
    let many = vec![one.to_string(); 21].join(",");
    assert_eq!(
        api.get(&format!("/insights/fans?fanUuids={many}"))
            .await?
            .status,
        400
    );
    let earnings = api.get("/insights/earnings?source=tip").await?.json();
    assert_eq!(earnings["data"][0]["gross"], 2000);
    assert!(earnings.get("nextCursor").is_some() && earnings["pagination"].is_null());
    let top = api.get("/insights/top-spenders").await?.json();
    assert_eq!(top["data"][0]["user"]["handle"], "fan-one");
    Ok(())
}

#[tokio::test]
async fn media_have_addresses_only_when_asked_and_unready_ones_are_bare() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    let (image, fan) = (bench.people.image, bench.people.fans[0]);
    let plain = api.get(&format!("/media/{image}")).await?.json();
    assert!(plain.get("variants").is_none() && plain.get("purchasedByFan").is_none());
    let path = format!("/v1/media/{image}?variants=main,thumbnail&purchasedBy={fan}");
    let full = api.get(&path).await?.json();
    assert_eq!(full["variants"].as_array().map(Vec::len), Some(2));
    assert_eq!(full["purchasedByFan"], true);
    let unready = api.get("/media?status=processing").await?.json();
    let fields: Vec<String> = unready["data"][0]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k.clone())
        .collect();
    assert_eq!(fields, ["status", "uuid"]);
    assert_eq!(
        names(
            &api.get("/media?folderName=summer").await?.json()["data"],
            "name"
        ),
        ["beach"]
    );
    assert_eq!(api.get("/media?mediaType=smell").await?.status, 400);
    assert_eq!(
        api.get("/media/00000000-0000-0000-0000-000000000000")
            .await?
            .status,
        404
    );
    let change = json!({"name": "sea"});
    assert_eq!(
        api.patch(&format!("/media/{image}"), change).await?.status,
        204
    );
    assert_eq!(
        api.get(&format!("/media/{image}")).await?.json()["name"],
        "sea"
    );
    assert_eq!(api.delete(&format!("/media/{image}")).await?.status, 204);
    assert_eq!(api.get(&format!("/media/{image}")).await?.status, 404);
    Ok(())
}

#[tokio::test]
async fn vault_folders_are_keyed_by_their_encoded_name() -> Test {
    let bench = Bench::start().await?;
    let api = &bench.api;
    assert_eq!(
        api.post("/vault/folders", json!({"name": "a b/c"}))
            .await?
            .status,
        201
    );
    assert_eq!(
        api.post("/vault/folders", json!({"name": "a b/c"}))
            .await?
            .status,
        409
    );
    let path = "/vault/folders/a%20b%2Fc";
    assert_eq!(api.get(path).await?.json()["mediaCount"], 0);
    let media = json!({"mediaUuids": [bench.people.image]});
    let added = api.post(&format!("{path}/media"), media).await?;
    assert_eq!(
        (added.status, added.json()),
        (201, json!({"addedCount": 1}))
    );
    let contents = api.get(&format!("{path}/media")).await?.json();
    assert_eq!(contents["data"][0]["mediaType"], "image");
    let item = format!("{path}/media/{}", bench.people.image);
    assert_eq!(api.delete(&item).await?.status, 204);
    assert_eq!(api.delete(&item).await?.status, 404);
    assert_eq!(
        api.patch(path, json!({"name": "summer"})).await?.status,
        409
    );
    assert_eq!(
        api.patch(path, json!({"name": "winter"})).await?.status,
        200
    );
    let folders = api.get("/v1/vault/folders").await?.json();
    assert_eq!(names(&folders["data"], "name"), ["summer", "winter"]);
    assert_eq!(api.delete("/vault/folders/winter").await?.status, 204);
    assert_eq!(api.get("/vault/folders/winter").await?.status, 404);
    Ok(())
}
