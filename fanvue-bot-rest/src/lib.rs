//! [`FanvueClient`] over Fanvue's REST API and OAuth endpoints, for fanvue-bot.
//!
//! ```
//! use fanvue_bot_core::client::{AccessToken, Auth, FanvueClient, Reach};
//! use fanvue_bot_core::id::CreatorId;
//! use fanvue_bot_core::rate::Class;
//! use fanvue_bot_rest::RestClient;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let local = local_api()?;
//! let client = RestClient::builder()
//!     .user_agent("my-bot/1.0")
//! #   .api_base_url(local).allow_loopback_http()
//!     .build()?;
//!
//! // The caller brings the credential with each call; the client keeps none.
//! let creator: CreatorId = "c0de0000-0000-4000-8000-000000000001".parse()?;
//! let auth = Auth {
//!     token: AccessToken::new("ory_at_example"),
//!     reach: Reach::Own,
//!     grant: creator.into(),
//!     class: Class::LiveReply,
//! };
//! let user = client.current_user(&auth).await?;
//! assert_eq!(user.handle.as_deref(), Some("luna-example"));
//!
//! // Whether to try again, and when, is the error's to say and the caller's to do.
//! // A client for a server that is down:
//! let client = RestClient::builder()
//!     .api_base_url("http://127.0.0.1:9")
//!     .allow_loopback_http()
//!     .build()?;
//! let error = client.current_user(&auth).await.unwrap_err();
//! println!("{error}: {:?}", error.retry());
//!
//! // Settings are checked together, and each problem says what to do.
//! let error = RestClient::builder().api_base_url("http://api.fanvue.com").build().unwrap_err();
//! assert_eq!(error.problems[0].field, "api_base_url");
//! # Ok(())
//! # }
//! # /// Answers one request as Fanvue would.
//! # fn local_api() -> std::io::Result<String> {
//! #     use std::io::{Read, Write};
//! #     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! #     let address = listener.local_addr()?;
//! #     std::thread::spawn(move || -> std::io::Result<()> {
//! #         let (mut stream, _) = listener.accept()?;
//! #         let _ = stream.read(&mut [0; 4096])?;
//! #         let body = r#"{"uuid":"c0de0000-0000-4000-8000-000000000001","handle":"luna-example"}"#;
//! #         write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
//! #     });
//! #     Ok(format!("http://{address}"))
//! # }
//! ```
//!
//! ```text
//!  FanvueClient ── client ──────── budget ─ core::rate     one bucket per account, asked first
//!                    │  │
//!                    │  ├──────── cursor                  where a list goes on, in three styles
//!                    │  ├──────── family                  /v1 or not, own or /creators/{uuid}
//!                    │  └─ oauth                          codes, refreshes, revocation
//!                    │
//!                    ├─ wire::*                           JSON to core's types, leniently
//!                    ├─ classify ─ error_text             status and body to ClientError
//!                    └─ transport ─ fault ─ reqwest       one request, one answer, bounded
//!  RestClientBuilder ─ builder ─ base_url                 settings, checked together
//! ```
//!
//! # What an error means
//!
//! A read that fails, and a write that ends in the same state however often it is made (marking a chat as
//! read, opening one, typing, revoking), is [`Unavailable`](fanvue_bot_core::client::ClientError::Unavailable): repeat it. Sending
//! a message, exchanging a code and refreshing tokens are not like that. They are `Unavailable` only if
//! no connection was made; once the request may have left, anything but a definite answer is
//! [`OutcomeUnknown`](fanvue_bot_core::client::ClientError::OutcomeUnknown): a timeout, a cut connection, a 5xx, a redirect, or a
//! 2xx that does not say what it should. No error shows a token, a message's text, or an address.
//!
//! The client makes each request once. It follows no redirect, repeats nothing and does not wait: where
//! its own budget is used up, it answers [`RateLimited`](fanvue_bot_core::client::ClientError::RateLimited) without a request.
//!
//! # Budgets
//!
//! Each account (a token and its [`Reach`](fanvue_bot_core::client::Reach)) starts with 100 requests per
//! minute, of which the `X-RateLimit-*` headers of the answers teach the true number; presence has 80 of
//! its own. A 429 stops the account for as long as it says. Budgets live in this process. Several
//! processes that serve one account learn of each other through Fanvue's answers only.
//!
//! # TLS
//!
//! rustls with aws-lc-rs and the system's root certificates. The process-wide provider is left alone.
//!
//! To test against something that behaves like Fanvue, see the simulator of `fanvue-bot-testkit`.
//!
//! [`FanvueClient`]: fanvue_bot_core::client::FanvueClient

mod base_url;
mod budget;
mod builder;
mod classify;
mod client;
mod courier;
mod cursor;
mod error_text;
mod family;
mod fault;
mod headers;
mod oauth;
mod transport;
mod wire;

pub use crate::builder::{ConfigError, ConfigProblem, RestClientBuilder};
pub use crate::client::RestClient;
pub use crate::courier::WebhookCourier;
pub use crate::family::PathFamily;
