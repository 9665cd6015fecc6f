//! The few pages that an operator sees on the way.

use axum::http::StatusCode;
use axum::response::Response;
use fanvue_bot_core::oauth::{AuthorizeError, Confirmation};

use super::html;

pub(super) fn connected(handle: Option<&str>) -> Response {
    let account = handle.map_or(String::new(), |handle| {
        format!(" as <strong>@{}</strong>", escaped(handle))
    });
    page(
        StatusCode::OK,
        "Connected",
        &format!("<p>The account is connected{account}. You can close this page.</p>"),
    )
}

pub(super) fn unchanged() -> Response {
    page(
        StatusCode::OK,
        "Nothing changed",
        "<p>The account that was connected before stays connected.</p>",
    )
}

pub(super) fn question(handle: Option<&str>, confirmation: &Confirmation) -> Response {
    let account = handle.map_or("another account".to_owned(), |handle| {
        format!("<strong>@{}</strong>", escaped(handle))
    });
    page(
        StatusCode::OK,
        "Another account",
        &format!(
            "<p>You are signed in at Fanvue as {account}. This creator was connected to another account \
             before. Fans of the account before are not answered any more if you go on.</p>\
             <form method=\"post\" action=\"confirm\">\
             <input type=\"hidden\" name=\"confirmation\" value=\"{}\">\
             <button name=\"answer\" value=\"yes\">Connect this account instead</button> \
             <button name=\"answer\" value=\"no\">Keep the account before</button></form>",
            escaped(confirmation.expose())
        ),
    )
}

pub(super) fn failed(status: StatusCode, error: &AuthorizeError) -> Response {
    page(
        status,
        "Not connected",
        &format!(
            "<p>The account is not connected: {}.</p><p>{}</p>",
            escaped(&error.to_string()),
            escaped(error.remedy())
        ),
    )
}

pub(super) fn not_understood() -> Response {
    page(
        StatusCode::BAD_REQUEST,
        "Not understood",
        "<p>This address is not complete. Start again from the creator's page.</p>",
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    html(
        status,
        format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
             <h1>{title}</h1>{body}</html>"
        ),
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
