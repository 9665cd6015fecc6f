//! Where requests go: a URL that was checked once, so that no call can leave it.

use std::fmt;

use reqwest::Url;

/// Whether plain HTTP to this machine is allowed, for tests and simulators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoopbackHttp {
    Refused,
    Allowed,
}

/// An origin, and perhaps a path below which everything lies.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    /// The URL in `text`, or what to do about it. The text itself is never quoted: it may hold a
    /// password.
    pub(crate) fn parse(text: &str, loopback_http: LoopbackHttp) -> Result<Self, &'static str> {
        let url =
            Url::parse(text).map_err(|_| "is not a URL; write it as https://api.example.com")?;
        match url.scheme() {
            "https" => {}
            "http" if !is_loopback(&url) => {
                return Err("is plain http; use https (http is for loopback addresses only)");
            }
            "http" if loopback_http == LoopbackHttp::Refused => {
                return Err(
                    "is plain http to this machine; use https, or call allow_loopback_http() in tests",
                );
            }
            "http" => {}
            _ => return Err("has another scheme than https; use https"),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no host; write it as https://api.example.com");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("holds a user name or password; remove it");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("holds a query or fragment; remove it");
        }
        Ok(Self(url))
    }

    /// The address of `path`, which starts with a slash and holds no query.
    pub(crate) fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let whole = format!("{}{path}", self.path());
        url.set_path(&whole);
        url
    }

    /// The path below which everything lies, without the slash at its end.
    pub(crate) fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, loopback_http: LoopbackHttp, complaint: Option<&str>) {
        match (BaseUrl::parse(text, loopback_http), complaint) {
            (Ok(_), None) => {}
            (Err(found), Some(part)) => assert!(found.contains(part), "{text}: {found}"),
            (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
        }
    }

    #[test]
    fn only_https_or_an_allowed_loopback_is_accepted() {
        use LoopbackHttp::{Allowed, Refused};
        check("https://api.fanvue.com", Refused, None);
        check("https://proxy.example.com/fanvue/", Refused, None);
        check("http://127.0.0.1:8080", Allowed, None);
        check("http://[::1]:8080", Allowed, None);
        check("http://localhost", Allowed, None);
        check(
            "http://127.0.0.1:8080",
            Refused,
            Some("allow_loopback_http"),
        );
        check("http://api.fanvue.com", Allowed, Some("use https"));
        check("http://127.0.0.1.evil.example", Allowed, Some("use https"));
        check("http://localhost.evil.example", Allowed, Some("use https"));
        check("ftp://api.fanvue.com", Allowed, Some("another scheme"));
        check("https://user:pw@api.fanvue.com", Refused, Some("password"));
        check("https://api.fanvue.com?x=1", Refused, Some("query"));
        check("api.fanvue.com", Refused, Some("is not a URL"));
        check("", Refused, Some("is not a URL"));
    }

    #[test]
    fn paths_go_below_the_base() {
        let base = BaseUrl::parse("https://proxy.example.com/fanvue/", LoopbackHttp::Refused);
        let url = base.unwrap().join("/v1/users/me");
        assert_eq!(url.as_str(), "https://proxy.example.com/fanvue/v1/users/me");
    }
}
