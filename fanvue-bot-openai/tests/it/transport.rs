//! Servers and networks that misbehave.

use std::time::{Duration, Instant};

use fanvue_bot_core::llm::{Completion, LlmError, LlmProvider as _};
use fanvue_bot_openai::Profile;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::ResponseTemplate;

use crate::exchange::{builder, provider, request, says, server};

/// A server that reads a little, sends these bytes and then closes or stays silent.
async fn raw(bytes: Vec<u8>, then: Then) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut buffer = [0; 16 * 1024];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(&bytes).await;
            match then {
                Then::Close => drop(socket),
                Then::Silence => kept.push(socket),
            }
        }
    });
    format!("http://{address}/v1")
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Silence,
}

async fn ask(url: &str) -> Result<Completion, LlmError> {
    let builder = builder(url, Profile::generic()).timeout(Duration::from_millis(300));
    builder.build().unwrap().complete(&request()).await
}

fn head(status: &str, length: usize) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn nobody_listening_is_an_overload() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = ask(&format!("http://{address}/v1")).await.unwrap_err();
    assert!(matches!(error, LlmError::Overloaded { .. }), "{error}");
    assert!(!format!("{error:?}").contains("/v1"), "{error:?}");
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let started = Instant::now();
    for bytes in [Vec::new(), b"HTTP/1.1 200".to_vec(), head("200 OK", 100)] {
        let error = ask(&raw(bytes, Then::Silence).await).await.unwrap_err();
        assert!(matches!(error, LlmError::Overloaded { .. }), "{error}");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_cut_connection_is_an_overload_before_the_answer_and_broken_within_it() {
    let error = ask(&raw(Vec::new(), Then::Close).await).await.unwrap_err();
    assert!(matches!(error, LlmError::Overloaded { .. }), "{error}");
    let mut cut = head("200 OK", 1_000);
    cut.extend_from_slice(br#"{"choices": [{"message": {"content": "half a"#);
    let error = ask(&raw(cut, Then::Close).await).await.unwrap_err();
    assert!(matches!(error, LlmError::Broken { .. }), "{error}");
}

#[tokio::test]
async fn a_status_speaks_even_where_its_body_is_cut() {
    let error = ask(&raw(head("401 Unauthorized", 1_000), Then::Close).await)
        .await
        .unwrap_err();
    assert!(matches!(error, LlmError::Misconfigured { .. }), "{error}");
}

#[tokio::test]
async fn an_endless_body_is_not_read() {
    let announced = raw(head("200 OK", usize::MAX >> 1), Then::Silence).await;
    let error = ask(&announced).await.unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");

    let mut chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.resize(chunked.len() + 0x10000, b' ');
        chunked.extend_from_slice(b"\r\n");
    }
    let error = ask(&raw(chunked, Then::Silence).await).await.unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[tokio::test]
async fn a_proxys_page_and_other_garbage_are_classified_and_never_quoted() {
    let page = "<html><body>secret page</body></html>";
    for (status, body, expected) in [
        (502, page, "overloaded"),
        (504, "", "overloaded"),
        (404, page, "misconfigured"),
        (200, page, "web page"),
        (200, "", "body is empty"),
        (200, "data: {\"secret\":1}\n\n", "a stream"),
        (200, "{\"choices\": [{\"secret", "not valid JSON"),
        (204, "", "body is empty"),
        (301, page, "redirects are not followed"),
        (200, &"[".repeat(100_000), "not valid JSON"),
    ] {
        let response = ResponseTemplate::new(status)
            .insert_header("location", "http://secret.example/")
            .set_body_string(body);
        let server = server(vec![response, says("never reached")]).await;
        let error = provider(&server, Profile::generic())
            .complete(&request())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{status}: {error}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_model_name_that_no_server_has_is_not_sent() {
    let server = server(vec![says("never reached")]).await;
    let provider = provider(&server, Profile::azure("2024-10-21"));
    for name in ["", "..", "a b", "a\nb"] {
        let mut request = request();
        request.model = Some(name.into());
        let error = provider.complete(&request).await.unwrap_err();
        assert!(matches!(error, LlmError::Misconfigured { .. }), "{error}");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn no_answer_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 100_u16..1000) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut answer = head(&format!("{status} X"), bytes.len());
            answer.extend_from_slice(&bytes);
            let answer = ask(&raw(answer, Then::Close).await).await;
            prop_assert!(answer.is_err());
            Ok(())
        })?;
    }
}
