//! What goes wrong on purpose.

use std::time::{Duration, Instant};

use fanvue_bot_testkit::simulator::Simulator;
use fanvue_bot_testkit::simulator::world::{RequestFault, RequestRule, Trigger};
use serde_json::json;

use crate::support::{APP, Bench, SECRET, Test, client, read};

fn on_sends(fault: RequestFault) -> RequestRule {
    RequestRule::new(fault, Trigger::Next(1)).on("POST", "*/message")
}

fn count(bench: &Bench, text: &str) -> usize {
    let messages = bench.simulator.messages();
    messages
        .iter()
        .filter(|m| m.message.text.as_deref() == Some(text))
        .count()
}

#[tokio::test]
async fn server_errors_are_html_and_strike_before_or_after_the_message_is_stored() -> Test {
    let bench = Bench::start().await?;
    let path = format!("/v1/chats/{}/message", bench.people.fans[0]);
    for (status, stored) in [
        (500, false),
        (502, false),
        (503, false),
        (500, true),
        (502, true),
        (503, true),
    ] {
        let fault = if stored {
            RequestFault::ErrorAfter(status)
        } else {
            RequestFault::ErrorBefore(status)
        };
        bench.simulator.add_request_fault(on_sends(fault));
        let text = format!("{status} {stored}");
        let answer = bench.api.post(&path, json!({"text": text})).await?;
        assert_eq!(answer.status, status);
        assert!(answer.text.starts_with("<html>"));
        assert!(
            answer
                .header("content-type")
                .is_some_and(|t| t.starts_with("text/html"))
        );
        assert_eq!(count(&bench, &text), usize::from(stored), "{text}");
    }
    assert_eq!(
        bench.api.post(&path, json!({"text": "well"})).await?.status,
        201
    );
    let requests = bench.simulator.requests();
    assert_eq!(
        requests
            .iter()
            .filter(|r| r.fault.is_some() && !r.executed)
            .count(),
        3
    );
    assert_eq!(
        requests
            .iter()
            .filter(|r| r.fault.is_some() && r.executed)
            .count(),
        3
    );
    Ok(())
}

#[tokio::test]
async fn connections_are_cut_before_or_after_the_message_is_stored() -> Test {
    let bench = Bench::start().await?;
    let path = format!("/chats/{}/message", bench.people.fans[0]);
    for (fault, stored) in [(RequestFault::CutBefore, 0), (RequestFault::CutAfter, 1)] {
        bench.simulator.add_request_fault(on_sends(fault));
        let text = format!("{fault:?}");
        assert!(bench.api.post(&path, json!({"text": text})).await.is_err());
        assert_eq!(count(&bench, &text), stored);
    }
    assert!(
        bench
            .simulator
            .requests()
            .iter()
            .any(|r| r.status.is_none())
    );
    Ok(())
}

#[tokio::test]
async fn answers_are_slow_while_the_message_is_stored_late_or_at_once() -> Test {
    let bench = Bench::start().await?;
    let path = format!("/chats/{}/message", bench.people.fans[0]);
    for (fault, at_once) in [
        (RequestFault::SlowAfter(300), true),
        (RequestFault::SlowBefore(300), false),
    ] {
        bench.simulator.add_request_fault(on_sends(fault));
        let text = format!("{fault:?}");
        let begun = Instant::now();
        let (api, path, body) = (bench.api.clone(), path.clone(), json!({"text": text}));
        let sending =
            tokio::spawn(async move { api.post(&path, body).await.map(|a| a.status).ok() });
        let limit = Duration::from_millis(200);
        let soon = bench.simulator.wait_until(limit, |world| {
            world
                .messages()
                .any(|(_, _, m)| m.text.as_deref() == Some(&text))
        });
        assert_eq!(soon.await, at_once, "{text}");
        assert_eq!(sending.await?, Some(201));
        assert!(begun.elapsed() >= Duration::from_millis(300));
    }
    Ok(())
}

#[tokio::test]
async fn a_good_token_is_refused_and_the_next_call_works() -> Test {
    let bench = Bench::start().await?;
    let rule = RequestRule::new(RequestFault::Unauthorized, Trigger::Next(1)).on("GET", "/v1/*");
    bench.simulator.add_request_fault(rule);
    let refused = bench.api.get("/v1/chats").await?;
    assert_eq!(
        (refused.status, &refused.json()),
        (401, &json!({"error": "Unauthorized"}))
    );
    assert_eq!(bench.api.get("/v1/chats").await?.status, 200);
    let rule = RequestRule::new(RequestFault::RateLimited(7), Trigger::Next(1));
    bench.simulator.add_request_fault(rule);
    let limited = bench.api.get("/v1/chats").await?;
    assert_eq!(
        (limited.status, limited.header("retry-after")),
        (429, Some("7"))
    );
    Ok(())
}

#[tokio::test]
async fn an_armed_invalid_grant_waits_for_the_token_endpoint() -> Test {
    let bench = Bench::start().await?;
    let rule = RequestRule::new(RequestFault::InvalidGrant, Trigger::Next(1));
    bench.simulator.add_request_fault(rule);
    assert_eq!(bench.api.get("/v1/chats").await?.status, 200);
    let tokens = bench
        .simulator
        .issue_tokens(APP, bench.people.luna, ["offline_access"])?;
    let refresh = tokens.refresh_token.ok_or("no refresh token")?;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let request = client()
            .post(format!("{}/oauth2/token", bench.simulator.base_url()))
            .basic_auth(APP, Some(SECRET))
            .form(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.expose()),
            ]);
        let answer = read(request.send().await?).await?;
        statuses.push((
            answer.status,
            answer.json()["error"].as_str().map(str::to_owned),
        ));
    }
    assert_eq!(
        statuses,
        [(400, Some("invalid_grant".to_owned())), (200, None)]
    );
    Ok(())
}

#[tokio::test]
async fn faults_by_chance_repeat_with_the_seed() -> Test {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let bench = Bench::with(Simulator::builder().seed(11)).await?;
        let fault = RequestFault::ErrorBefore(503);
        bench
            .simulator
            .add_request_fault(RequestRule::new(fault, Trigger::Chance(0.5)));
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(bench.api.get("/chats").await?.status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&503));
        bench.simulator.clear_faults();
        assert_eq!(bench.api.get("/chats").await?.status, 200);
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    Ok(())
}
