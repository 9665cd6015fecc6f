//! Answers a creator's fans on Fanvue.
