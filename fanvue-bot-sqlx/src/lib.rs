//! Store, job queue and secret vault on SQL databases, for fanvue-bot.
