//! The calls of the API, by subject.

mod account;
mod chats;
mod fans;
mod hooks;
mod lists;
mod media;
mod messages;
mod view;

use super::route::Route;

/// Every call. Fixed words come before captured ones where both could match.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    [
        account::ROUTES,
        lists::ROUTES,
        chats::ROUTES,
        messages::ROUTES,
        fans::ROUTES,
        media::ROUTES,
        hooks::ROUTES,
    ]
    .into_iter()
    .flatten()
}
