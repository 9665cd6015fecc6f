//! Webhooks: proof and parsing.
