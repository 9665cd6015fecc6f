//! One request and its answer, with a limit on the answer's size.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Request, Response, StatusCode};

use crate::fault::Fault;

/// Sends requests. Follows no redirect, retries nothing.
#[derive(Clone)]
pub(crate) struct Transport {
    http: Client,
    request_timeout: Duration,
    max_answer_bytes: usize,
}

/// An answer whose status and headers have arrived. Its body may not have.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Vec<u8>, Fault>,
}

impl Transport {
    pub(crate) const fn new(
        http: Client,
        request_timeout: Duration,
        max_answer_bytes: usize,
    ) -> Self {
        Self {
            http,
            request_timeout,
            max_answer_bytes,
        }
    }

    /// How long a request and its answer may take; `http` is built with it.
    pub(crate) const fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(crate) const fn http(&self) -> &Client {
        &self.http
    }

    /// Sends `request` and reads the answer.
    pub(crate) async fn exchange(&self, request: Request) -> Result<Answer, Fault> {
        let response = self.http.execute(request).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let body = self.read(response).await;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Fault> {
        let limit = self.max_answer_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if chunk.len() > limit.saturating_sub(body.len()) {
                return Err(Fault::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
