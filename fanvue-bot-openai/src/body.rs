//! Reading a body no further than its cap.

use reqwest::Response;

/// How reading a body ended.
pub(crate) enum Body {
    /// All of it is here.
    Whole(Vec<u8>),
    /// It is larger than the cap; the rest was not read.
    TooLarge,
    /// The time ran out.
    Late(reqwest::Error),
    /// The connection ended early.
    Cut,
}

pub(crate) async fn read(mut response: Response, cap: usize) -> Body {
    let announced = response.content_length().unwrap_or(0);
    let announced = usize::try_from(announced).unwrap_or(usize::MAX);
    if announced > cap {
        return Body::TooLarge;
    }
    let mut whole = Vec::with_capacity(announced);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if chunk.len() > cap - whole.len() => return Body::TooLarge,
            Ok(Some(chunk)) => whole.extend_from_slice(&chunk),
            Ok(None) => return Body::Whole(whole),
            Err(error) if error.is_timeout() => return Body::Late(error.without_url()),
            Err(_) => return Body::Cut,
        }
    }
}
