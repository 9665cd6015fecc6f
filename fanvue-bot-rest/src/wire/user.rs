//! The account behind a token.

use fanvue_bot_core::client::User;
use fanvue_bot_core::id::AccountId;
use serde::Deserialize;
use serde_json::Value;

use super::FromAnswer;
use super::loose::Loose;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UserWire {
    uuid: Loose<AccountId>,
    handle: Loose<String>,
    display_name: Loose<String>,
    is_creator: Loose<bool>,
}

impl FromAnswer for User {
    fn read(object: Value) -> Result<Self, &'static str> {
        let expected = "uuid: expected a UUID";
        let wire = UserWire::deserialize(object).map_err(|_| expected)?;
        let mut user = Self::new(wire.uuid.0.ok_or(expected)?);
        user.handle = wire.handle.text();
        user.display_name = wire.display_name.text();
        user.is_creator = wire.is_creator.0;
        Ok(user)
    }
}
