//! Test events, brought to the deployment's own door over the network.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::self_test::{Courier, NotDelivered, TestEvent};
use reqwest::header::CONTENT_TYPE;

use crate::base_url::{BaseUrl, LoopbackHttp};
use crate::builder::{ConfigError, Problems};

/// As long as Fanvue waits for a webhook's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts test events to the address that Fanvue has: for a
/// [`SelfTest`](fanvue_bot_core::self_test::SelfTest) that also tries name, certificate, proxy and firewall.
///
/// Follows no redirect, since Fanvue follows none, and waits 10 s for the answer, as Fanvue does.
#[derive(Clone)]
pub struct WebhookCourier {
    http: reqwest::Client,
    door: BaseUrl,
}

impl WebhookCourier {
    /// Posts to `url`, such as `https://bot.example/webhooks/fanvue`; `http://` is for loopback addresses only.
    /// Opens no connection.
    ///
    /// # Errors
    /// [`ConfigError`] if the URL is none that Fanvue could post to, or TLS does not start.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        let door = problems.keep("url", BaseUrl::parse(url, LoopbackHttp::Allowed));
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build();
        if http.is_err() {
            problems.add(
                "TLS",
                "does not start; install the system's root certificates (package ca-certificates)",
            );
        }
        match (http, door) {
            (Ok(http), Some(door)) => Ok(Self { http, door }),
            _ => Err(problems.into_error()),
        }
    }
}

impl fmt::Debug for WebhookCourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookCourier").finish_non_exhaustive()
    }
}

#[async_trait]
impl Courier for WebhookCourier {
    async fn deliver(&self, event: &TestEvent) -> Result<u16, NotDelivered> {
        let posted = self
            .http
            .post(self.door.join(""))
            .header(CONTENT_TYPE, "application/json")
            .header(TestEvent::SIGNATURE_HEADER, event.signature.as_str())
            .body(event.body.clone())
            .send()
            .await;
        match posted {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(NotDelivered::new(reason(&error))),
        }
    }
}

/// Why there is no answer. Not the error's own words, which hold the address.
fn reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer within 10 s"
    } else if error.is_connect() {
        "no connection: the name, the port or the certificate"
    } else {
        "the connection broke off"
    }
}
