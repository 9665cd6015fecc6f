//! What every call of the API passes before its handler: version, token, rate, scope.

use serde_json::json;
use uuid::Uuid;

use super::answer::Answer;
use super::call::Call;
use super::openapi::{self, Part};
use super::request::{Incoming, uuid};
use super::shared::{Platform, Settings};
use super::{jwt, route};
use crate::simulator::world::{ApiError, BucketKey, Moment, RateDecision};

/// The only API version that there is.
pub(super) const VERSION: &str = "2025-06-26";

/// Answers a request to the API.
pub(super) fn answer(
    platform: &mut Platform,
    settings: &Settings,
    request: &Incoming,
    now: Moment,
) -> Answer {
    let part = match request.path.as_str() {
        "/openapi" | "/openapi.json" => Some(Part::Whole),
        "/docs/openapi.json" => Some(Part::Legacy),
        "/docs/openapi-v1.json" => Some(Part::V1),
        _ => None,
    };
    if let (Some(part), "GET") = (part, request.method.as_str()) {
        let spec = openapi::specification(&settings.base_url, part);
        return Answer::json(200, &spec).rated(full(platform, now));
    }
    if let Err(refusal) = check_version(platform, settings, request) {
        return refusal.rated(full(platform, now));
    }
    let deprecated = settings
        .deprecated_version
        .then_some(settings.sunset.as_str());
    let mut answer = authorized(platform, settings, request, now);
    if let Some(sunset) = deprecated {
        answer = answer
            .header("deprecation", "true")
            .header("sunset", sunset)
            .header("x-fanvue-api-next-version", "2026-12-31");
    }
    answer
}

fn authorized(
    platform: &mut Platform,
    settings: &Settings,
    request: &Incoming,
    now: Moment,
) -> Answer {
    let access = request
        .header("authorization")
        .and_then(bearer)
        .and_then(|token| jwt::signer()?.verify(token))
        .ok_or(ApiError::Unauthorized)
        .and_then(|id| platform.world.authorize(id, now));
    let access = match access {
        Ok(access) => access,
        Err(refusal) => return Answer::from(refusal).rated(full(platform, now)),
    };
    let found = route::find(&request.method, &request.path);
    let in_path = found
        .as_ref()
        .ok()
        .and_then(|found| found.creator.as_deref());
    let creator = in_path
        .map(|text| uuid("creatorUserUuid", text))
        .transpose();
    let mut key = BucketKey::new(
        &access.client_id,
        access.user,
        creator.as_ref().ok().copied().flatten(),
    );
    if found
        .as_ref()
        .is_ok_and(|found| found.route.path == "/chats/statuses")
    {
        key = key.for_statuses();
    }
    let rate = platform.world.draw_request(&key, now);
    if rate.retry_after.is_some() {
        return Answer::from(ApiError::RateLimited).rated(rate);
    }
    let found = match found {
        Ok(found) => found,
        Err(refusal) => return Answer::from(refusal).rated(rate),
    };
    let mut needed = found.route.scopes.to_vec();
    if found.creator.is_some() {
        needed.push("read:creator");
    }
    let missing: Vec<&str> = needed
        .into_iter()
        .filter(|scope| !access.scopes.contains(*scope))
        .collect();
    if !missing.is_empty() {
        let text = format!("Insufficient scope: {} is required", missing.join(" "));
        return Answer::from(ApiError::Forbidden(text)).rated(rate);
    }
    let creator = match creator {
        Ok(None) => access.user,
        Ok(Some(creator)) if reaches(platform, access.user, creator) => creator,
        Ok(Some(_)) => return Answer::from(ApiError::not_found("Creator")).rated(rate),
        Err(refusal) => return Answer::from(refusal).rated(rate),
    };
    platform.world.tick(now);
    let mut call = Call {
        world: &mut platform.world,
        now,
        family: found.family,
        creator,
        access,
        captured: found.captured,
        query: &request.query,
        raw_body: &request.body,
        unknown_fields: settings.unknown_fields,
        parsed: None,
    };
    (found.route.handler)(&mut call)
        .unwrap_or_else(Answer::from)
        .rated(rate)
}

fn reaches(platform: &Platform, user: Uuid, creator: Uuid) -> bool {
    user == creator
        || platform
            .world
            .creator(user)
            .is_some_and(|agency| agency.manages.contains(&creator))
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// What the headers say when nobody's bucket is drawn from.
fn full(platform: &mut Platform, now: Moment) -> RateDecision {
    let nobody = BucketKey::new("", Uuid::nil(), None);
    let mut rate = platform.world.draw_request(&nobody, now);
    rate.remaining = rate.limit;
    rate.retry_after = None;
    rate
}

fn check_version(
    platform: &Platform,
    settings: &Settings,
    request: &Incoming,
) -> Result<(), Answer> {
    match request.header("x-fanvue-api-version") {
        None if settings.lenient_version => Ok(()),
        Some(version)
            if platform
                .sunset_versions
                .iter()
                .any(|sunset| sunset == version) =>
        {
            Err(Answer::json(
                410,
                &json!({
                    "error": "API version no longer supported",
                    "message": format!("API version '{version}' is no longer supported"),
                    "nextVersion": VERSION,
                }),
            ))
        }
        Some(VERSION) => Ok(()),
        other => {
            let version = other.unwrap_or("");
            Err(Answer::json(
                400,
                &json!({
                    "error": "Unsupported API version",
                    "message": format!("API version '{version}' is not supported"),
                }),
            ))
        }
    }
}

/// What an unauthorized call gets when a fault says so.
pub(super) fn refused(error: ApiError, platform: &mut Platform, now: Moment) -> Answer {
    Answer::from(error).rated(full(platform, now))
}

/// What a fault of too many requests answers.
pub(super) fn limited(platform: &mut Platform, seconds: u64, now: Moment) -> Answer {
    let mut rate = full(platform, now);
    rate.remaining = 0;
    rate.reset = now.secs() + seconds;
    rate.retry_after = Some(seconds);
    Answer::from(ApiError::RateLimited).rated(rate)
}
