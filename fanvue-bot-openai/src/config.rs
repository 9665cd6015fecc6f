//! Building the adapter: every setting, its default and its check.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::endpoint::Endpoint;
use crate::profile::{ApiKey, Auth, Path, Profile};
use crate::provider::OpenAi;
use crate::request;

const SHORTEST_TIMEOUT: Duration = Duration::from_millis(10);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Settings of an [`OpenAi`]; made by [`OpenAi::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct OpenAiBuilder {
    base_url: Redacted,
    model: String,
    profile: Profile,
    api_key: Option<Secret>,
    context_tokens: Option<u32>,
    connect_timeout: Duration,
    timeout: Duration,
    max_response_bytes: usize,
}

/// A base URL, which someone may have put a key into.
#[derive(Clone)]
struct Redacted(String);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigProblem {
    /// The setting, as the builder's method is called.
    pub field: &'static str,
    /// What is wrong with it and what to do.
    pub message: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

/// The settings do not fit together. Holds every problem at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the model provider is not configured: {}", self.sentence())]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

impl ConfigError {
    /// Everything that is wrong; at least one problem.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    fn sentence(&self) -> String {
        let problems = self.problems.iter().map(ConfigProblem::to_string);
        problems.collect::<Vec<_>>().join("; ")
    }
}

impl OpenAiBuilder {
    pub(crate) fn new(base_url: String, model: String) -> Self {
        Self {
            base_url: Redacted(base_url),
            model,
            profile: Profile::generic(),
            api_key: None,
            context_tokens: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            max_response_bytes: 1024 * 1024,
        }
    }

    /// The kind of server; [`Profile::generic`] by default.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The key; none by default, which local servers accept.
    pub fn api_key(mut self, key: Secret) -> Self {
        self.api_key = Some(key);
        self
    }

    /// The model's context size in tokens, prompt and answer together; the profile's by default. A
    /// smaller one that the server reveals replaces it.
    pub const fn context_tokens(mut self, tokens: u32) -> Self {
        self.context_tokens = Some(tokens);
        self
    }

    /// How long connecting may take, TLS included; 5 s by default.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a whole call may take, from connecting to the last byte; 60 s by default. A server that
    /// does not stream sends nothing until the text is complete, so this is its time to think.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The largest answer that is read, in bytes; 1 MiB by default.
    pub const fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// Checks every setting and builds the adapter. Opens no connection.
    ///
    /// # Errors
    /// Every setting that is wrong, at once, each with what to do; no secret is repeated.
    pub fn build(self) -> Result<OpenAi, ConfigError> {
        let mut problems = Problems(Vec::new());
        let endpoint = Endpoint::new(&self.base_url.0, &self.profile.path)
            .map_err(|message| problems.add("base_url", message))
            .ok();
        if let Some(message) = model_problem(&self.model) {
            problems.add("model", message);
        }
        self.check_key(&mut problems);
        self.check_profile(&mut problems);
        let context_tokens = self.context_tokens.unwrap_or(self.profile.context_tokens);
        if context_tokens < 256 {
            problems.add("context_tokens", "must be at least 256");
        }
        for (field, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("timeout", self.timeout),
        ] {
            if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
                problems.add(field, "must be between 10 ms and 30 min");
            }
        }
        if !(1024..=LARGEST_BODY).contains(&self.max_response_bytes) {
            problems.add("max_response_bytes", "must be between 1 KiB and 64 MiB");
        }
        let headers = headers(&self.profile, &mut problems);
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // A library reads no environment variables, and the proxy settings are such.
            .no_proxy()
            .connect_timeout(self.connect_timeout)
            .timeout(self.timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("fanvue-bot-openai/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .build()
            .map_err(|error| {
                let error = error.without_url();
                problems.add(
                    "client",
                    format!("cannot start: {error}; check the system's certificates"),
                );
            })
            .ok();
        match (endpoint, client) {
            (Some(endpoint), Some(client)) if problems.0.is_empty() => {
                let extra = request::extra_fields(&self.profile.extra);
                Ok(OpenAi::assemble(
                    client,
                    endpoint,
                    Arc::from(self.model),
                    self.profile,
                    self.api_key,
                    extra,
                    context_tokens,
                    self.max_response_bytes,
                ))
            }
            _ => Err(ConfigError {
                problems: problems.0,
            }),
        }
    }

    fn check_key(&self, problems: &mut Problems) {
        match (&self.api_key, &self.profile.auth, self.profile.api_key) {
            (None, Auth::None, _) | (None, _, ApiKey::Optional) => {}
            (None, _, ApiKey::Required) => {
                problems.add(
                    "api_key",
                    format!("is missing; {} needs one", self.profile.name),
                );
            }
            (Some(_), Auth::None, _) => {
                problems.add(
                    "api_key",
                    "is set, but the profile sends none; leave one of them out",
                );
            }
            (Some(key), _, _) => match key.expose() {
                [] => problems.add("api_key", "is empty; leave it out if the server needs none"),
                key if !key.iter().all(u8::is_ascii_graphic) => problems.add(
                    "api_key",
                    "holds a space, line break or other character that no key has; copy it again",
                ),
                _ => {}
            },
        }
    }

    fn check_profile(&self, problems: &mut Problems) {
        let profile = &self.profile;
        for name in profile.extra.keys() {
            if name.is_empty() || request::RESERVED.contains(&name.as_str()) {
                problems.add(
                    "profile.extra",
                    format!("may not hold {name:?}, which the adapter writes itself or cannot read the answer of"),
                );
            }
        }
        if let Some(field) = &profile.seed_field
            && (field.is_empty() || profile.extra.contains_key(&**field))
        {
            problems.add(
                "profile.seed_field",
                "must be a name that profile.extra does not use",
            );
        }
        if let Auth::Header(name) = &profile.auth
            && HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            problems.add("profile.auth", "must name a valid header, such as api-key");
        }
        if profile.bytes_per_token == 0 {
            problems.add(
                "profile.bytes_per_token",
                "must be at least 1; 4 fits most models",
            );
        }
        if let Path::AzureDeployment { api_version } = &profile.path
            && api_version.is_empty()
        {
            problems.add(
                "profile.path",
                "needs Azure's api-version, such as 2024-10-21",
            );
        }
    }
}

/// What is wrong with a model's name, if anything.
pub(crate) fn model_problem(model: &str) -> Option<&'static str> {
    if model.is_empty() || model == "." || model == ".." {
        Some("must name the model as the server does, such as gpt-4o-mini")
    } else if model.len() > 256 || model.chars().any(|c| c.is_control() || c.is_whitespace()) {
        Some("holds a space, line break or more than 256 bytes; copy the server's name for it")
    } else {
        None
    }
}

fn headers(profile: &Profile, problems: &mut Problems) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &profile.headers {
        let name_and_value = HeaderName::from_bytes(name.as_bytes())
            .ok()
            .zip(HeaderValue::from_str(value).ok());
        let Some((parsed, mut value)) = name_and_value else {
            problems.add(
                "profile.headers",
                format!("holds {name:?}, which is no valid header"),
            );
            continue;
        };
        let own = match &profile.auth {
            Auth::Header(own) => own.eq_ignore_ascii_case(parsed.as_str()),
            _ => false,
        };
        if own || OWN_HEADERS.contains(&parsed.as_str()) {
            problems.add(
                "profile.headers",
                format!("may not hold {name:?}, which the adapter sets itself"),
            );
            continue;
        }
        value.set_sensitive(true);
        headers.insert(parsed, value);
    }
    headers
}

const OWN_HEADERS: [&str; 9] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.push(ConfigProblem {
            field,
            message: message.into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(builder: OpenAiBuilder) -> Vec<&'static str> {
        match builder.build() {
            Ok(_) => Vec::new(),
            Err(error) => error
                .problems()
                .iter()
                .map(|problem| problem.field)
                .collect(),
        }
    }

    fn local() -> OpenAiBuilder {
        OpenAi::builder("http://127.0.0.1:1/v1", "m")
    }

    #[test]
    fn every_problem_is_named_at_once_and_no_secret_is_repeated() {
        let mut profile = Profile::azure("");
        profile.extra.insert("messages".to_owned(), json!([]));
        profile
            .headers
            .insert("Authorization".to_owned(), "x".to_owned());
        profile.bytes_per_token = 0;
        let builder = OpenAi::builder("http://secret.example", "a model")
            .profile(profile)
            .api_key(Secret::new(*b"secret\n"))
            .context_tokens(1)
            .connect_timeout(Duration::ZERO)
            .timeout(Duration::MAX)
            .max_response_bytes(0);
        assert!(!format!("{builder:?}").contains("secret"));
        let error = builder.clone().build().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(
            fields(builder),
            [
                "base_url",
                "model",
                "api_key",
                "profile.extra",
                "profile.bytes_per_token",
                "profile.path",
                "context_tokens",
                "connect_timeout",
                "timeout",
                "max_response_bytes",
                "profile.headers",
            ]
        );
    }

    #[test]
    fn a_key_is_asked_for_where_it_is_needed() {
        assert!(fields(local()).is_empty());
        assert_eq!(fields(local().profile(Profile::openai())), ["api_key"]);
        let key = || Secret::new(*b"k");
        assert!(fields(local().profile(Profile::openai()).api_key(key())).is_empty());
        let mut keyless = Profile::generic();
        keyless.auth = Auth::None;
        assert_eq!(fields(local().profile(keyless).api_key(key())), ["api_key"]);
        assert_eq!(
            fields(local().api_key(Secret::new(Vec::new()))),
            ["api_key"]
        );
    }
}
