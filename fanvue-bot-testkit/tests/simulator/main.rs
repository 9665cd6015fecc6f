//! The simulator over HTTP, by the checklist of its reference.

mod api;
mod auth;
mod control;
mod faults;
mod lists;
mod support;
mod webhooks;
