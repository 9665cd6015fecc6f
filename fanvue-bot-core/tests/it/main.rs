//! The crate from outside, as one test binary.

mod settings;
