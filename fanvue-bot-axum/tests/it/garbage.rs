//! Random requests at the door: none panics, none gets in.

use fanvue_bot_axum::Webhooks;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use crate::client::Client;
use crate::door::{MIAS_ACCOUNT, World, message, sign};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn accepted(webhooks: &Webhooks) -> u64 {
    let counters = webhooks.counters();
    counters.stored + counters.duplicate + counters.ignored + counters.unknown_creator
}

fn any_signature() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,80}",
        "t=[0-9]{0,20},v0=[0-9a-f]{0,70}",
        "(t=1790000000|v0=[0-9a-f]{64}|v1=a|,|=| ){0,8}",
        Just(sign(
            "another-secret",
            1_790_000_000,
            &message(MIAS_ACCOUNT, 1).to_string()
        )),
    ]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let message = message(MIAS_ACCOUNT, 1).to_string().into_bytes();
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        Just(message.clone()),
        (0..message.len(), any::<u8>()).prop_map(move |(at, byte)| {
            let mut bent = message.clone();
            bent[at] = byte;
            bent
        }),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/webhooks/fanvue".to_owned()),
        "/webhooks/fanvue/[!-~&&[^#?]]{0,40}",
        "/webhooks/fanvue\\?(creatorId=|&|[a-z0-9%-]){0,10}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_unproved_gets_in(
        requests in prop::collection::vec((any_path(), any_signature(), any_body()), 1..8),
    ) {
        runtime().block_on(async {
            let world = World::start().await;
            for (path, signature, body) in &requests {
                let answer = world.post(path, Some(signature), body).await;
                prop_assert!((400..500).contains(&answer.status), "{} {:?}", path, answer);
                prop_assert_eq!(&answer.body, "");
            }
            prop_assert_eq!(accepted(&world.webhooks), 0);
            prop_assert_eq!(world.conversations(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn proved_garbage_is_dropped(body in "\\PC{0,200}|(\\{|\\}|\\[|\\]|\"[a-z]{0,3}\"|:|,|1){0,30}") {
        runtime().block_on(async {
            let world = World::start().await;
            let signature = sign("app-secret", 1_790_000_000, &body);
            let answer = world.post("/webhooks/fanvue", Some(&signature), body.as_bytes()).await;
            prop_assert_eq!(answer.status, 200);
            prop_assert_eq!(world.webhooks.counters().unreadable, 1);
            prop_assert_eq!(world.conversations(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn bytes_that_are_no_request_harm_nobody(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        runtime().block_on(async {
            let world = World::start().await;
            let mut client = Client::connect(world.address).await;
            let _ = client.try_send(&bytes).await;
            let mut other = Client::connect(world.address).await;
            prop_assert_eq!(other.get("/webhooks/fanvue").await.status, 200);
            prop_assert_eq!(accepted(&world.webhooks), 0);
            Ok(())
        })?;
    }
}
