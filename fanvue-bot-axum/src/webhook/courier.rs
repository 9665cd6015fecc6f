//! Test events, brought to the door in the same process.

use std::fmt;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use fanvue_bot_core::self_test::{Courier, NotDelivered, TestEvent};
use tower::Service as _;

/// Calls the routes without a network between.
pub(super) struct InProcess(pub(super) Router);

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess(..)")
    }
}

#[async_trait]
impl Courier for InProcess {
    async fn deliver(&self, event: &TestEvent) -> Result<u16, NotDelivered> {
        let request = Request::post("/webhooks/fanvue")
            .header(CONTENT_TYPE, "application/json")
            .header(TestEvent::SIGNATURE_HEADER, event.signature.as_str())
            .body(Body::from(event.body.clone()))
            .map_err(|_| NotDelivered::new("the event makes no request"))?;
        // A router is always ready.
        match self.0.clone().call(request).await {
            Ok(response) => Ok(response.status().as_u16()),
            Err(never) => match never {},
        }
    }
}
