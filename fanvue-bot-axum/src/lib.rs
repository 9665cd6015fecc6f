//! Webhook router and hardened server for fanvue-bot.
