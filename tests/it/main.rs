//! The library from outside, as one test binary.

mod conformance;
mod day;
mod kill;
