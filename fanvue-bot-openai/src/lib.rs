//! LlmProvider over OpenAI-compatible endpoints, for fanvue-bot.
