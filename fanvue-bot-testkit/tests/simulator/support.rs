//! A started simulator, a client for it, and a receiver for its webhooks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fanvue_bot_testkit::simulator::world::{App, Fixture, PortalWebhook, SCOPES};
use fanvue_bot_testkit::simulator::{API_VERSION, Builder, Handle, Simulator};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) type Test = Result<(), Box<dyn std::error::Error>>;
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) const APP: &str = "client-id";
pub(crate) const SECRET: &str = "client-secret";
pub(crate) const HOOK_SECRET: &str = "demo-signing-secret";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:9/oauth/callback";

/// How long a test waits for what should come at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits for what should not come.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

pub(crate) fn app() -> App {
    App::new(APP, SECRET)
        .redirect_uri(REDIRECT)
        .webhook_secret(HOOK_SECRET)
}

/// A populated simulator and a token of Luna's with all scopes.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) people: Fixture,
    pub(crate) api: Api,
}

impl Bench {
    pub(crate) async fn start() -> Fallible<Self> {
        Self::with(Simulator::builder()).await
    }

    pub(crate) async fn with(builder: Builder) -> Fallible<Self> {
        let simulator = builder.app(app()).start().await?;
        let people = simulator.populate()?;
        let api = Api::issue(&simulator, people.luna, SCOPES)?;
        Ok(Self {
            simulator,
            people,
            api,
        })
    }
}

/// A client of the API.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) version: Option<String>,
    client: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Api {
    pub(crate) fn issue(handle: &Handle, user: uuid::Uuid, scopes: &[&str]) -> Fallible<Self> {
        let tokens = handle.issue_tokens(APP, user, scopes)?;
        Ok(Self::new(handle.base_url(), tokens.access_token.expose()))
    }

    pub(crate) fn new(base: &str, token: &str) -> Self {
        Self {
            base: base.to_owned(),
            token: token.to_owned(),
            version: Some(API_VERSION.to_owned()),
            client: client(),
        }
    }

    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Fallible<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(version) = &self.version {
            request = request.header("X-Fanvue-API-Version", version);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        read(request.send().await?).await
    }

    pub(crate) async fn get(&self, path: &str) -> Fallible<Answer> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Fallible<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Fallible<Answer> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Fallible<Answer> {
        self.call(Method::DELETE, path, None).await
    }
}

/// A client without a memory of connections, so that cut ones show in the call that was cut.
/// Making one reads the system's certificates, so there is one for all tests.
pub(crate) fn client() -> Client {
    static CLIENT: LazyLock<Client> = LazyLock::new(|| {
        Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .expect("a client without settings of the system")
    });
    CLIENT.clone()
}

pub(crate) async fn read(response: reqwest::Response) -> Fallible<Answer> {
    Ok(Answer {
        status: response.status().as_u16(),
        headers: response
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect(),
        text: response.text().await?,
    })
}

/// A webhook that was received.
#[derive(Debug)]
pub(crate) struct Hook {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Hook {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The time in the signature, if that is right for the secret.
    pub(crate) fn signed_at(&self, secret: &str) -> Option<u64> {
        let header = self.header("x-fanvue-signature");
        let at = header.strip_prefix("t=")?.split_once(',')?.0.parse().ok()?;
        let right = fanvue_bot_testkit::simulator::world::signature::sign(secret, at, &self.body);
        (right == header).then_some(at)
    }
}

/// A webhook receiver that answers with the status it is told to.
pub(crate) struct Receiver {
    pub(crate) url: String,
    hooks: mpsc::UnboundedReceiver<Hook>,
    status: Arc<AtomicU16>,
}

impl Receiver {
    pub(crate) async fn start() -> Fallible<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/webhooks/fanvue", listener.local_addr()?);
        let (sender, hooks) = mpsc::unbounded_channel();
        let status = Arc::new(AtomicU16::new(200));
        let answer = Arc::clone(&status);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    // A broken connection is no webhook.
                    let _ = receive(stream, &sender, &answer).await;
                });
            }
        });
        Ok(Self { url, hooks, status })
    }

    /// Answers with this status from now on; 0 stands for not answering at all.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn webhook(&self) -> PortalWebhook {
        PortalWebhook::new(&self.url)
    }

    pub(crate) async fn next(&mut self) -> Fallible<Hook> {
        let hook = tokio::time::timeout(PATIENCE, self.hooks.recv()).await?;
        hook.ok_or_else(|| "the receiver is gone".into())
    }

    /// The next webhook with this topic; others are passed over.
    pub(crate) async fn topic(&mut self, topic: &str) -> Fallible<Hook> {
        loop {
            let hook = self.next().await?;
            if hook.header("x-fanvue-topic") == topic {
                return Ok(hook);
            }
        }
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.hooks.recv())
            .await
            .is_err()
    }
}

async fn receive(
    mut stream: TcpStream,
    hooks: &mpsc::UnboundedSender<Hook>,
    status: &AtomicU16,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let headers: BTreeMap<String, String> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .and_then(|l| l.parse().ok())
        .unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let body = bytes[end + 4..].to_vec();
    let status = status.load(Ordering::SeqCst);
    // The test may be over.
    let _ = hooks.send(Hook { headers, body });
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason());
    let answer = format!(
        "HTTP/1.1 {status} {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        reason.unwrap_or("Status")
    );
    stream.write_all(answer.as_bytes()).await
}
