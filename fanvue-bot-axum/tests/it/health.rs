//! What probes hear.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_axum::{Health, Limits, serve};
use fanvue_bot_core::memory::MemoryStore;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::client::Client;

#[tokio::test]
async fn readiness_follows_the_store_and_the_shutdown_and_liveness_does_not() {
    let plan = FaultPlan::none();
    let health = Health::new(Arc::new(Faulty::new(MemoryStore::new(), plan.clone())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        health.router(),
        Limits::default(),
        std::future::pending(),
    ));
    let mut client = Client::connect(address).await;

    plan.fail_next("Store::creator", Fault::Before);
    let answer = client.get("/health/ready").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "not ready"));
    assert_eq!(client.get("/health/live").await.status, 200);

    sleep(Duration::from_millis(1_050)).await;
    for _ in 0..20 {
        assert_eq!(client.get("/health/ready").await.status, 200);
    }
    assert_eq!(plan.calls(), 2, "probes are not passed on one by one");

    health.start_draining();
    assert_eq!(client.get("/health/ready").await.status, 503);
    assert_eq!(client.get("/health/live").await.status, 200);
}
