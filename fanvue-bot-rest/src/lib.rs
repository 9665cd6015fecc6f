//! FanvueClient over Fanvue's REST API and OAuth endpoints, for fanvue-bot.
