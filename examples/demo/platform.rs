//! The simulator as the demo drives it: as a fan, as the creator's own hand, and as the one who breaks things.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

/// A handle on the simulator's control endpoints, `/_sim/…`.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    http: reqwest::Client,
    base: String,
    client_id: String,
}

/// A message as the platform has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    pub(crate) uuid: uuid::Uuid,
    pub(crate) fan: uuid::Uuid,
    pub(crate) origin: String,
    pub(crate) text: Option<String>,
    pub(crate) sent_at: String,
}

impl Platform {
    pub(crate) fn new(base: String, client_id: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            http,
            base,
            client_id,
        })
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.base);
        let answer = self.http.get(&url).send().await.with_context(|| {
            format!(
                "no simulator answers at {}; start one with: cargo run --example simulator",
                self.base
            )
        })?;
        Self::read(path, answer).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}{path}", self.base);
        let answer = self
            .http
            .post(&url)
            .json(body)
            .send()
            .await
            .with_context(|| {
                format!(
                    "no simulator answers at {}; start one with: cargo run --example simulator",
                    self.base
                )
            })?;
        Self::read(path, answer).await
    }

    async fn read(path: &str, answer: reqwest::Response) -> anyhow::Result<Value> {
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        anyhow::ensure!(
            status.is_success(),
            "the simulator answers {status} to {path}: {body}"
        );
        Ok(body)
    }

    pub(crate) async fn send_webhooks_to(&self, url: &str) -> anyhow::Result<()> {
        let body = json!({"clientId": self.client_id, "url": url});
        self.post("/_sim/webhook", &body).await.map(drop)
    }

    pub(crate) async fn sign_in(&self, creator: &str) -> anyhow::Result<()> {
        self.post(
            "/_sim/consent",
            &json!({"mode": "automatic", "user": creator}),
        )
        .await
        .map(drop)
    }

    pub(crate) async fn add_fan(&self, handle: &str) -> anyhow::Result<uuid::Uuid> {
        let made = self.post("/_sim/fans", &json!({"handle": handle})).await?;
        serde_json::from_value(made["uuid"].clone())
            .context("the simulator named no uuid for a new fan")
    }

    pub(crate) async fn fan_writes(
        &self,
        creator: &str,
        fan: &str,
        text: &str,
    ) -> anyhow::Result<()> {
        self.post(
            "/_sim/fan-message",
            &json!({"creator": creator, "fan": fan, "text": text}),
        )
        .await
        .map(drop)
    }

    pub(crate) async fn fan_sends_photo(&self, creator: &str, fan: &str) -> anyhow::Result<()> {
        let body = json!({"creator": creator, "fan": fan, "mediaUuids": [uuid::Uuid::new_v4()]});
        self.post("/_sim/fan-message", &body).await.map(drop)
    }

    pub(crate) async fn human_writes(
        &self,
        creator: &str,
        fan: &str,
        text: &str,
    ) -> anyhow::Result<()> {
        self.post(
            "/_sim/human-message",
            &json!({"creator": creator, "fan": fan, "text": text}),
        )
        .await
        .map(drop)
    }

    /// The next webhook about a fan's message goes wrong in this way.
    pub(crate) async fn break_next_webhook(&self, fault: &str) -> anyhow::Result<()> {
        let body = json!({"fault": fault, "next": 1, "topic": "creator.message.received"});
        self.post("/_sim/faults/webhooks", &body).await.map(drop)
    }

    /// The next send is stored and its answer lost.
    pub(crate) async fn lose_next_answer(&self) -> anyhow::Result<()> {
        let body = json!({"fault": "error_after", "value": 502, "next": 1, "method": "POST", "path": "*/message"});
        self.post("/_sim/faults/requests", &body).await.map(drop)
    }

    pub(crate) async fn messages(&self) -> anyhow::Result<Vec<Seen>> {
        let all = self.get("/_sim/messages").await?;
        serde_json::from_value(all["messages"].clone())
            .context("the simulator's messages do not read")
    }
}
