//! What the tests share: ids, credentials, a clock that is set by hand, and servers that misbehave.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanvue_bot_core::client::{
    AccessToken, AppCredentials, Auth, ClientError, ClientSecret, Reach,
};
use fanvue_bot_core::id::{AccountId, CreatorId, FanId, ListId, MessageId};
use fanvue_bot_core::rate::Class;
use fanvue_bot_core::time::{Clock, Timestamp};
use fanvue_bot_rest::{RestClient, RestClientBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "access-token-of-luna";
pub(crate) const SECRET: &str = "client-secret-of-the-app";

pub(crate) fn fan() -> FanId {
    "fa000000-0000-4000-8000-000000000001".parse().unwrap()
}

pub(crate) fn other_fan() -> FanId {
    "fa000000-0000-4000-8000-000000000002".parse().unwrap()
}

pub(crate) fn account() -> AccountId {
    "c0de0000-0000-4000-8000-000000000001".parse().unwrap()
}

/// The message with this number in the recorded exchanges.
pub(crate) fn message_id(number: u8) -> MessageId {
    format!("3e550000-0000-4000-8000-{number:012}")
        .parse()
        .unwrap()
}

/// The list with this number in the recorded exchanges.
pub(crate) fn list_id(number: u8) -> ListId {
    format!("11570000-0000-4000-8000-{number:012}")
        .parse()
        .unwrap()
}

pub(crate) fn creator() -> CreatorId {
    "c0de0000-0000-4000-8000-0000000000ff".parse().unwrap()
}

pub(crate) fn own() -> Auth {
    Auth {
        token: AccessToken::new(TOKEN),
        reach: Reach::Own,
        grant: creator().into(),
        class: Class::default(),
    }
}

pub(crate) fn agency() -> Auth {
    Auth {
        reach: Reach::Agency(account()),
        ..own()
    }
}

pub(crate) fn app() -> AppCredentials {
    AppCredentials {
        client_id: "app-id".into(),
        client_secret: ClientSecret::new(SECRET),
    }
}

/// A builder that speaks to `uri` for everything.
pub(crate) fn builder(uri: &str) -> RestClientBuilder {
    RestClient::builder()
        .api_base_url(uri)
        .auth_base_url(uri)
        .allow_loopback_http()
}

pub(crate) fn client(uri: &str) -> RestClient {
    builder(uri).build().unwrap()
}

/// The name of an error's variant.
pub(crate) fn variant<T: std::fmt::Debug>(result: Result<T, ClientError>) -> &'static str {
    match result.unwrap_err() {
        ClientError::Unauthorized => "Unauthorized",
        ClientError::Forbidden { .. } => "Forbidden",
        ClientError::NotFound => "NotFound",
        ClientError::NotContactable => "NotContactable",
        ClientError::Rejected { .. } => "Rejected",
        ClientError::RateLimited { .. } => "RateLimited",
        ClientError::VersionRetired => "VersionRetired",
        ClientError::InvalidGrant => "InvalidGrant",
        ClientError::InvalidClient => "InvalidClient",
        ClientError::Unavailable { .. } => "Unavailable",
        ClientError::OutcomeUnknown { .. } => "OutcomeUnknown",
        ClientError::Malformed { .. } => "Malformed",
        _ => "another",
    }
}

/// Everything that an error shows, its sources included.
pub(crate) fn everything(error: &ClientError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!(" {inner} {inner:?}"));
        source = inner.source();
    }
    text
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp::from_seconds(1_767_603_600))))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = *now + by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What a server does after it has read a whole request.
#[derive(Debug, Clone)]
pub(crate) enum Misdeed {
    /// Closes the connection without a byte.
    Close,
    /// Never answers.
    KeepSilent,
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and then nothing more.
    SendAndKeepSilent(Vec<u8>),
}

impl Misdeed {
    pub(crate) fn send(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }
}

/// A server below HTTP, which counts the requests that reached it whole.
#[derive(Debug)]
pub(crate) struct BadServer {
    pub(crate) uri: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl BadServer {
    pub(crate) async fn start(misdeed: Misdeed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(misbehave(stream, misdeed.clone(), Arc::clone(&seen)));
            }
        });
        Self { uri, requests }
    }

    pub(crate) fn seen(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn misbehave(mut stream: TcpStream, misdeed: Misdeed, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else {
        return;
    };
    seen.lock().unwrap().push(request);
    match misdeed {
        Misdeed::Close => {}
        Misdeed::KeepSilent => std::future::pending().await,
        Misdeed::Send(bytes) => {
            // The client may hang up first, as it does on an answer that is too large.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Misdeed::SendAndKeepSilent(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
    }
}

/// Head and body of one request, or `None` if the connection ended before.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length:")?
                        .trim()
                        .parse()
                        .ok()
                })
                .unwrap_or(0_usize);
            if body.len() >= length {
                return Some(text);
            }
        }
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
