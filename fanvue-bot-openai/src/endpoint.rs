//! The address of a server: checked once, spelled out per model.

use reqwest::Url;

use crate::profile::Path;

/// A checked base URL and what is asked for below it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    base: Url,
    path: Path,
}

impl Endpoint {
    /// Checks the base URL.
    ///
    /// # Errors
    /// Says in words what is wrong and what to do; never repeats the URL, which may hold a secret.
    pub(crate) fn new(base_url: &str, path: &Path) -> Result<Self, String> {
        let base = Url::parse(base_url.trim()).map_err(|error| {
            format!("is no URL ({error}); write it like https://api.openai.com/v1")
        })?;
        let loopback = match base.host_str() {
            Some(host) => is_loopback(host),
            None => return Err("names no host; write it like https://api.openai.com/v1".to_owned()),
        };
        match base.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(
                    "uses plain http, which would show every chat to the network; use https, or run \
                     the server on 127.0.0.1"
                        .to_owned(),
                );
            }
            _ => return Err("must begin with https://".to_owned()),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(
                "holds a user name or password; pass the key with api_key instead".to_owned(),
            );
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(
                "holds a query or fragment; leave it out (Azure's api-version belongs in the profile)"
                    .to_owned(),
            );
        }
        if base.path().trim_end_matches('/').ends_with("/completions") {
            return Err("names the endpoint itself; leave out /chat/completions".to_owned());
        }
        Ok(Self {
            base,
            path: path.clone(),
        })
    }

    /// Where to ask this model; `None` if the model's name cannot be part of a path.
    pub(crate) fn url(&self, model: &str) -> Option<Url> {
        let mut url = self.base.clone();
        {
            let mut segments = url.path_segments_mut().ok()?;
            segments.pop_if_empty();
            match &self.path {
                Path::ChatCompletions => segments.extend(["chat", "completions"]),
                Path::AzureDeployment { .. } if model == "." || model == ".." => return None,
                Path::AzureDeployment { .. } => {
                    segments.extend(["openai", "deployments", model, "chat", "completions"])
                }
            };
        }
        if let Path::AzureDeployment { api_version } = &self.path {
            url.query_pairs_mut()
                .append_pair("api-version", api_version);
        }
        Some(url)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("host", &self.base.host_str())
            .finish_non_exhaustive()
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn azure() -> Path {
        Path::AzureDeployment {
            api_version: "2024-10-21".into(),
        }
    }

    #[test]
    fn good_addresses_lead_to_the_endpoint() {
        for (base, path, url) in [
            (
                "https://api.openai.com/v1",
                Path::ChatCompletions,
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                " https://api.openai.com/v1/ ",
                Path::ChatCompletions,
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:8080",
                Path::ChatCompletions,
                "http://127.0.0.1:8080/chat/completions",
            ),
            (
                "http://[::1]:8080/v1",
                Path::ChatCompletions,
                "http://[::1]:8080/v1/chat/completions",
            ),
            (
                "http://localhost/v1",
                Path::ChatCompletions,
                "http://localhost/v1/chat/completions",
            ),
            (
                "https://r.openai.azure.com",
                azure(),
                "https://r.openai.azure.com/openai/deployments/a%2Fb/chat/completions?api-version=2024-10-21",
            ),
        ] {
            let endpoint = Endpoint::new(base, &path).unwrap();
            assert_eq!(endpoint.url("a/b").unwrap().as_str(), url);
        }
    }

    #[test]
    fn bad_addresses_are_refused_without_being_repeated() {
        for (base, words) in [
            ("", "is no URL"),
            ("api.openai.com/v1", "is no URL"),
            ("ftp://secret.example", "must begin with https"),
            ("http://secret.example/v1", "plain http"),
            ("http://127.0.0.1.secret.example/v1", "plain http"),
            ("http://localhost.secret.example/v1", "plain http"),
            ("https://user:secret@h.example", "user name"),
            ("https://h.example/v1?key=secret", "query"),
            ("https://h.example/v1#secret", "fragment"),
            (
                "https://h.example/v1/chat/completions",
                "leave out /chat/completions",
            ),
            ("data:secret", "no host"),
        ] {
            let error = Endpoint::new(base, &Path::ChatCompletions).unwrap_err();
            assert!(error.contains(words), "{base}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_model_cannot_climb_out_of_its_path() {
        let endpoint = Endpoint::new("https://h.example", &azure()).unwrap();
        assert!(endpoint.url("..").is_none());
        let url = endpoint.url("../../x?y#z").unwrap();
        assert_eq!(
            url.path(),
            "/openai/deployments/..%2F..%2Fx%3Fy%23z/chat/completions"
        );
    }
}
