//! Driving the simulated platform from another process: `/_sim/...`, in JSON.

mod faults;
mod input;
mod people;
mod setup;
mod watch;

use serde_json::{Value, json};

use super::answer::Answer;
use super::request::Incoming;
use super::shared::{Platform, Shared};
use crate::simulator::world::{ApiError, Moment};
use input::{Input, Problem};

type Answered = Result<Value, Problem>;

/// What a control endpoint works on.
struct Context<'a> {
    platform: &'a mut Platform,
    issuer: &'a str,
    now: Moment,
}

/// One control endpoint. `fields` are those of the body, or of the query for GET; a `?` at the
/// end marks those that may be missing.
struct Endpoint {
    method: &'static str,
    path: &'static str,
    fields: &'static [&'static str],
    about: &'static str,
    run: fn(&mut Context<'_>, &Input) -> Answered,
}

fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    [
        setup::ENDPOINTS,
        people::ENDPOINTS,
        faults::ENDPOINTS,
        watch::ENDPOINTS,
    ]
    .into_iter()
    .flatten()
}

/// Answers a request to a path below `/_sim`.
pub(super) fn answer(shared: &Shared, request: &Incoming) -> Answer {
    let path = request.path.trim_end_matches('/');
    if path == "/_sim" {
        return Answer::json(200, &help());
    }
    let mut other = Vec::new();
    for endpoint in endpoints().filter(|endpoint| endpoint.path == path) {
        if endpoint.method != request.method {
            other.push(endpoint.method);
            continue;
        }
        let input = match Input::read(request, endpoint.fields) {
            Ok(input) => input,
            Err(problem) => return problem.into(),
        };
        if path == "/_sim/clock"
            && let Ok(Some(millis)) = input.maybe_number("advanceMs")
        {
            shared.advance(millis);
        }
        let answered = shared.change(|platform, now| {
            let issuer = &shared.settings.issuer;
            (endpoint.run)(
                &mut Context {
                    platform,
                    issuer,
                    now,
                },
                &input,
            )
        });
        return match answered {
            Ok(body) => Answer::json(200, &body),
            Err(problem) => problem.into(),
        };
    }
    if other.is_empty() {
        let text = format!("there is no {path}; GET /_sim lists what there is");
        return Answer::json(404, &json!({"error": text}));
    }
    let text = format!("{path} answers {}", other.join(" and "));
    Answer::json(405, &json!({"error": text}))
}

fn help() -> Value {
    let endpoints: Vec<Value> = endpoints()
        .map(|endpoint| {
            json!({
                "method": endpoint.method,
                "path": endpoint.path,
                "fields": endpoint.fields,
                "about": endpoint.about,
            })
        })
        .collect();
    json!({
        "about": "Control of the simulator. POST bodies are JSON objects; a ? marks fields that \
                  may be missing. People are named by uuid or handle.",
        "endpoints": endpoints,
    })
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}
