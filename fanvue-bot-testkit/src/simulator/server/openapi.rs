//! A specification of what is served, built from the table of routes.

use serde_json::{Map, Value, json};

use super::route::{Family, Route};

/// Which calls a specification covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Legacy,
    V1,
    Whole,
}

pub(super) fn specification(base_url: &str, part: Part) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (family, prefix) in [(Family::Legacy, ""), (Family::V1, "/v1")] {
        let wanted = match part {
            Part::Whole => true,
            Part::Legacy => family == Family::Legacy,
            Part::V1 => family == Family::V1,
        };
        if !wanted {
            continue;
        }
        for route in super::api::routes() {
            if route.is_in(family) {
                add(&mut paths, format!("{prefix}{}", route.path), route, false);
            }
            if route.has_twin_in(family) {
                let path = format!("{prefix}/creators/{{creatorUserUuid}}{}", route.path);
                add(&mut paths, path, route, true);
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Fanvue API",
            "version": "v0.1",
            "description": "Served by a local simulator; not Fanvue's own document.",
        },
        "servers": [{"url": base_url}],
        "components": {"securitySchemes": {"oauth2": {
            "type": "oauth2",
            "flows": {"authorizationCode": {
                "authorizationUrl": format!("{base_url}/oauth2/auth"),
                "tokenUrl": format!("{base_url}/oauth2/token"),
                "scopes": {},
            }},
        }}},
        "paths": paths,
    })
}

fn add(paths: &mut Map<String, Value>, path: String, route: &Route, twin: bool) {
    let method = route.method.to_ascii_lowercase();
    let mut parameters: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.push(json!({
        "name": "X-Fanvue-API-Version",
        "in": "header",
        "required": true,
        "schema": {"type": "string", "default": super::gate::VERSION},
    }));
    for name in route.query {
        parameters.push(json!({"name": name, "in": "query", "schema": {"type": "string"}}));
    }
    let mut scopes = route.scopes.to_vec();
    if twin {
        scopes.push("read:creator");
    }
    let id: String = path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .fold(method.clone(), |id, part| format!("{id}_{part}"));
    let mut operation = json!({
        "operationId": id,
        "summary": format!("{} {path}", route.method),
        "security": [{"oauth2": scopes}],
        "parameters": parameters,
        "responses": {"default": {"description": "see the reference of the Fanvue API"}},
    });
    if !route.body.is_empty() {
        let properties: Map<String, Value> = route
            .body
            .iter()
            .map(|name| ((*name).to_owned(), json!({})))
            .collect();
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {
                "schema": {"type": "object", "properties": properties},
            }},
        });
    }
    let entry = paths.entry(path).or_insert_with(|| json!({}));
    entry[method] = operation;
}
