//! The table of what is served. Matching, scopes, twins and the specification all follow from it.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::call::Call;
use crate::simulator::world::ApiError;

pub(super) type Handled = Result<Answer, ApiError>;
type Handler = fn(&mut Call<'_>) -> Handled;

/// The two families of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Legacy,
    V1,
}

/// Whether there is the same call below `/creators/{creator}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    None,
    V1Only,
    Both,
}

/// One call of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) scopes: &'static [&'static str],
    pub(super) query: &'static [&'static str],
    pub(super) body: &'static [&'static str],
    pub(super) handler: Handler,
    v1_only: bool,
    twin: Twin,
}

impl Route {
    pub(super) const fn new(
        method: &'static str,
        path: &'static str,
        scopes: &'static [&'static str],
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            scopes,
            query: &[],
            body: &[],
            handler,
            v1_only: false,
            twin: Twin::None,
        }
    }

    /// Not below the unversioned paths.
    pub(super) const fn v1_only(mut self) -> Self {
        self.v1_only = true;
        self
    }

    /// With a twin in both families.
    pub(super) const fn twin(mut self) -> Self {
        self.twin = Twin::Both;
        self
    }

    /// With a twin in `/v1` alone.
    pub(super) const fn v1_twin(mut self) -> Self {
        self.twin = Twin::V1Only;
        self
    }

    /// The query parameters, for the specification.
    pub(super) const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    /// The fields of the body, for the specification.
    pub(super) const fn body(mut self, names: &'static [&'static str]) -> Self {
        self.body = names;
        self
    }

    pub(super) fn is_in(&self, family: Family) -> bool {
        family == Family::V1 || !self.v1_only
    }

    pub(super) fn has_twin_in(&self, family: Family) -> bool {
        self.is_in(family)
            && match self.twin {
                Twin::None => false,
                Twin::V1Only => family == Family::V1,
                Twin::Both => true,
            }
    }

    fn captures(&self, path: &[&str]) -> Option<BTreeMap<&'static str, String>> {
        let mut captured = BTreeMap::new();
        let mut template = self.path.split('/').skip(1);
        for part in path {
            let expected = template.next()?;
            match expected
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            {
                Some(_) if part.is_empty() => return None,
                Some(name) => captured.insert(name, super::request::decode(part, false)),
                None if expected == *part => None,
                None => return None,
            };
        }
        template.next().is_none().then_some(captured)
    }
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct Matched {
    pub(super) route: &'static Route,
    pub(super) family: Family,
    /// The creator of `/creators/{creator}/...`, as written.
    pub(super) creator: Option<String>,
    pub(super) captured: BTreeMap<&'static str, String>,
}

/// Finds the route of a request.
///
/// # Errors
///
/// 404, also for a known path with another method, as clients met it on the plural `messages`.
pub(super) fn find(method: &str, path: &str) -> Result<Matched, ApiError> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (family, parts) = match parts.split_first() {
        Some((&"v1", rest)) => (Family::V1, rest),
        _ => (Family::Legacy, parts.as_slice()),
    };
    let twin = match parts {
        ["creators", creator, rest @ ..] if !rest.is_empty() => {
            Some((super::request::decode(creator, false), rest))
        }
        _ => None,
    };
    for route in super::api::routes().filter(|route| route.method == method) {
        let captured = match &twin {
            Some((_, rest)) if route.has_twin_in(family) => route.captures(rest),
            None if route.is_in(family) => route.captures(parts),
            _ => None,
        };
        if let Some(captured) = captured {
            let creator = twin.map(|(creator, _)| creator);
            return Ok(Matched {
                route,
                family,
                creator,
                captured,
            });
        }
    }
    Err(ApiError::NotFound("Not found".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(method: &str, path: &str) -> Option<(&'static str, Family, bool)> {
        let found = find(method, path).ok()?;
        Some((found.route.path, found.family, found.creator.is_some()))
    }

    #[test]
    fn paths_are_found_in_both_families_and_below_creators() {
        for (method, path, expected) in [
            ("GET", "/chats", Some(("/chats", Family::Legacy, false))),
            ("GET", "/v1/chats", Some(("/chats", Family::V1, false))),
            (
                "GET",
                "/chats/unread",
                Some(("/chats/unread", Family::Legacy, false)),
            ),
            (
                "GET",
                "/v1/chats/a",
                Some(("/chats/{fan}", Family::V1, false)),
            ),
            ("GET", "/chats/a", None),
            (
                "POST",
                "/chats/a/message",
                Some(("/chats/{fan}/message", Family::Legacy, false)),
            ),
            ("POST", "/chats/a/messages", None),
            (
                "GET",
                "/creators",
                Some(("/creators", Family::Legacy, false)),
            ),
            (
                "GET",
                "/v1/creators/c/chats",
                Some(("/chats", Family::V1, true)),
            ),
            ("GET", "/creators/c/chats/unread", None),
            ("GET", "/", None),
        ] {
            assert_eq!(path_of(method, path), expected, "{method} {path}");
        }
    }
}
