//! Settings of a client, checked together.

use std::fmt;
use std::time::Duration;

use fanvue_bot_core::rate::Budget;
use reqwest::header::HeaderValue;

use crate::base_url::{BaseUrl, LoopbackHttp};
use crate::budget::Gate;
use crate::client::RestClient;
use crate::family::PathFamily;
use crate::transport::Transport;

/// Settings of a [`RestClient`]; made by [`RestClient::builder`].
///
/// All have defaults. `build` reports everything that is wrong with them at once.
#[derive(Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct RestClientBuilder {
    api_base_url: String,
    auth_base_url: String,
    loopback_http: LoopbackHttp,
    path_family: PathFamily,
    api_version: String,
    user_agent: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    max_answer_bytes: usize,
    proxy: Option<String>,
    budget: Budget,
    longest_budget_wait: Duration,
}

impl Default for RestClientBuilder {
    fn default() -> Self {
        Self {
            api_base_url: "https://api.fanvue.com".to_owned(),
            auth_base_url: "https://auth.fanvue.com".to_owned(),
            loopback_http: LoopbackHttp::Refused,
            path_family: PathFamily::default(),
            api_version: "2025-06-26".to_owned(),
            user_agent: concat!("fanvue-bot-rest/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(15),
            max_answer_bytes: 4 << 20,
            proxy: None,
            budget: Budget::local(),
            longest_budget_wait: Duration::from_secs(1),
        }
    }
}

impl RestClientBuilder {
    /// Where the API is; `https://api.fanvue.com` by default. The path family adds `/v1` by itself.
    pub fn api_base_url(mut self, url: impl Into<String>) -> Self {
        self.api_base_url = url.into();
        self
    }

    /// Where the authorization server is; `https://auth.fanvue.com` by default.
    pub fn auth_base_url(mut self, url: impl Into<String>) -> Self {
        self.auth_base_url = url.into();
        self
    }

    /// Accepts `http://` for `localhost`, `127.0.0.0/8` and `::1`, for tests and simulators. Everything
    /// else stays https only.
    pub fn allow_loopback_http(mut self) -> Self {
        self.loopback_http = LoopbackHttp::Allowed;
        self
    }

    /// Which paths to call; [`PathFamily::V1`] by default. Answers of both shapes are understood either
    /// way.
    pub fn path_family(mut self, family: PathFamily) -> Self {
        self.path_family = family;
        self
    }

    /// The value of the `X-Fanvue-API-Version` header; `2025-06-26` by default.
    pub fn api_version(mut self, version: impl Into<String>) -> Self {
        self.api_version = version.into();
        self
    }

    /// The `User-Agent` header; this crate's name and version by default.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// How long making a connection may take, name lookup and TLS included; 5 s by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a whole call may take, up to the last byte of the answer; 15 s by default. Longer than
    /// the connect timeout, so that a write that ran into it is known to have left; and short enough that
    /// `begin_within` and it together stay under `settled_within` of core's `flow::Timing`.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The largest answer that is read; 4 MiB by default.
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }

    /// An HTTP proxy for all calls, such as `http://egress.internal:3128`. None by default: the
    /// environment's proxy variables are not read.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// How many requests may go out. [`Budget::local`] by default: give all processes that speak for the same
    /// accounts a [`Budget::shared`], so that they keep within Fanvue's limits together.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// How long a call waits for the store of a shared budget; 1 s by default. Then it goes on with a part that this
    /// process takes for its own, as it does while the store fails: a store that is slow then costs requests that
    /// could have gone out. A call may take twice as long in all, before its request and after a 429.
    pub fn longest_budget_wait(mut self, wait: Duration) -> Self {
        self.longest_budget_wait = wait;
        self
    }

    /// Checks the settings and makes the client. Opens no connection.
    ///
    /// # Errors
    /// [`ConfigError`] with every setting that is wrong.
    pub fn build(self) -> Result<RestClient, ConfigError> {
        let mut problems = Problems::default();
        let api = problems.keep(
            "api_base_url",
            BaseUrl::parse(&self.api_base_url, self.loopback_http),
        );
        if let Some(api) = &api
            && api.path().ends_with("/v1")
        {
            problems.add("api_base_url", "ends in /v1; remove it and set path_family");
        }
        let auth = problems.keep(
            "auth_base_url",
            BaseUrl::parse(&self.auth_base_url, self.loopback_http),
        );
        let version = problems.keep("api_version", header(&self.api_version));
        let user_agent = problems.keep("user_agent", header(&self.user_agent));
        let proxy = self.proxy.as_deref().and_then(|url| {
            problems.keep(
                "proxy",
                proxy(url).ok_or("is not a proxy's URL; write it as http://proxy.internal:3128"),
            )
        });
        if self.connect_timeout.is_zero() {
            problems.add("connect_timeout", "is zero; 5 s is a good value");
        }
        if self.request_timeout <= self.connect_timeout {
            problems.add(
                "request_timeout",
                "is not longer than connect_timeout; raise it, 15 s is a good value",
            );
        }
        if self.longest_budget_wait.is_zero() {
            problems.add("longest_budget_wait", "is zero; 1 s is a good value");
        }
        if self.max_answer_bytes < MIN_ANSWER_BYTES {
            problems.add("max_answer_bytes", "is under 64 KiB; 4 MiB is a good value");
        }
        let (Some(api), Some(auth), Some(version), Some(user_agent), true) =
            (api, auth, version, user_agent, problems.is_empty())
        else {
            return Err(problems.into_error());
        };

        let mut http = reqwest::Client::builder()
            .user_agent(user_agent)
            .connect_timeout(self.connect_timeout)
            .timeout(self.request_timeout)
            // Less than servers usually keep an idle connection, so that a write rarely goes out on one
            // that is being closed, which would leave its outcome unknown.
            .pool_idle_timeout(Duration::from_secs(15))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .https_only(self.loopback_http == LoopbackHttp::Refused)
            .no_proxy();
        if let Some(proxy) = proxy {
            http = http.proxy(proxy);
        }
        let Ok(http) = http.build() else {
            problems.add(
                "TLS",
                "does not start; install the system's root certificates (package ca-certificates)",
            );
            return Err(problems.into_error());
        };
        Ok(RestClient::new(
            Transport::new(http, self.request_timeout, self.max_answer_bytes),
            api,
            auth,
            self.path_family,
            version,
            Gate::new(self.budget, self.longest_budget_wait),
        ))
    }
}

impl fmt::Debug for RestClientBuilder {
    /// Leaves out the URLs, which have not been checked for passwords yet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClientBuilder")
            .field("path_family", &self.path_family)
            .field("api_version", &self.api_version)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("max_answer_bytes", &self.max_answer_bytes)
            .finish_non_exhaustive()
    }
}

/// What an error message of Fanvue may need at most, and so the least that an answer may be.
const MIN_ANSWER_BYTES: usize = 64 << 10;

fn header(text: &str) -> Result<HeaderValue, &'static str> {
    if text.trim().is_empty() {
        return Err("is empty; leave it out to use the default");
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("holds characters that no header may carry; use printable ASCII");
    }
    HeaderValue::from_str(text).map_err(|_| "is not a header value; use printable ASCII")
}

fn proxy(url: &str) -> Option<reqwest::Proxy> {
    let parsed = reqwest::Url::parse(url).ok()?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        return None;
    }
    reqwest::Proxy::all(parsed).ok()
}

/// Settings that do not work, all of them at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings of the Fanvue client do not work: {}", list(problems))]
#[non_exhaustive]
pub struct ConfigError {
    /// What is wrong, in the order of the settings.
    pub problems: Vec<ConfigProblem>,
}

/// One setting that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The setting, by the name of its builder method.
    pub field: &'static str,
    /// What is wrong with it, and what to do. Never its value.
    pub problem: &'static str,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

fn list(problems: &[ConfigProblem]) -> String {
    let texts: Vec<_> = problems.iter().map(ConfigProblem::to_string).collect();
    texts.join(". ")
}

#[derive(Default)]
pub(crate) struct Problems(Vec<ConfigProblem>);

impl Problems {
    pub(crate) fn add(&mut self, field: &'static str, problem: &'static str) {
        self.0.push(ConfigProblem { field, problem });
    }

    pub(crate) fn keep<T>(
        &mut self,
        field: &'static str,
        checked: Result<T, &'static str>,
    ) -> Option<T> {
        match checked {
            Ok(value) => Some(value),
            Err(problem) => {
                self.add(field, problem);
                None
            }
        }
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_error(self) -> ConfigError {
        ConfigError { problems: self.0 }
    }
}
