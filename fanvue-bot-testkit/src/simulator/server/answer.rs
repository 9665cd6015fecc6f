//! Answers on their way out.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::simulator::world::{ApiError, OAuthError, RateDecision};

/// An answer before it becomes bytes.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    content_type: &'static str,
    body: Vec<u8>,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            body: body.to_string().into_bytes(),
            headers: Vec::new(),
        }
    }

    pub(super) const fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: "",
            body: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            body: body.as_bytes().to_vec(),
            headers: Vec::new(),
        }
    }

    /// What a gateway shows when the service behind it fails.
    pub(super) fn gateway_error(status: u16) -> Self {
        let page = format!(
            "<html><head><title>{status}</title></head>\
             <body><center><h1>{status} Server Error</h1></center></body></html>\n"
        );
        Self::html(status, &page)
    }

    pub(super) fn redirect(to: String) -> Self {
        Self::empty(302).header("location", to)
    }

    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(super) fn rated(mut self, rate: RateDecision) -> Self {
        self = self
            .header("x-ratelimit-limit", rate.limit.to_string())
            .header("x-ratelimit-remaining", rate.remaining.to_string())
            .header("x-ratelimit-reset", rate.reset.to_string());
        match rate.retry_after {
            Some(seconds) => self.header("retry-after", seconds.to_string()),
            None => self,
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = Some(("content-type", self.content_type.to_owned()))
            .filter(|(_, value)| !value.is_empty());
        for (name, value) in self.headers.into_iter().chain(content_type) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::json(error.status(), &error.body())
    }
}

impl From<OAuthError> for Answer {
    fn from(error: OAuthError) -> Self {
        let body = serde_json::json!({
            "error": error.error,
            "error_description": error.description,
        });
        let answer = Self::json(error.status, &body).header("cache-control", "no-store");
        if error.status == 401 {
            answer.header("www-authenticate", "Basic realm=\"fanvue\"")
        } else {
            answer
        }
    }
}
