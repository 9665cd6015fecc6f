//! The account behind a token.

use fanvue_bot_core::client::User;
use fanvue_bot_core::id::AccountId;
use serde::Deserialize;
use serde_json::Value;

use super::FromAnswer;
use super::loose::Loose;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserWire {
    uuid: Loose<AccountId>,
    handle: Loose<String>,
    display_name: Loose<String>,
    is_creator: Loose<bool>,
}

impl UserWire {
    pub(crate) fn into_user(self) -> Option<User> {
        let mut user = User::new(self.uuid.0?);
        user.handle = self.handle.text();
        user.display_name = self.display_name.text();
        user.is_creator = self.is_creator.0;
        Some(user)
    }
}

impl FromAnswer for User {
    fn read(object: Value) -> Result<Self, &'static str> {
        let expected = "uuid: expected a UUID";
        let wire = UserWire::deserialize(object).map_err(|_| expected)?;
        wire.into_user().ok_or(expected)
    }
}
