//! The engine against a small model of what it should do: 10,000 scripts, each with its own faults.
//!
//! Every call of the engine to a port may fail before or after its effect, or never return, which is a crash. The
//! model knows nothing of that: whatever fails, what can be seen of the conversation after each act must be what
//! the model shows.

mod model;
mod run;
mod script;

use std::num::NonZero;
use std::thread;

use fanvue_bot_core::entropy::Seed;

use self::run::{Counted, run};

/// Set `MODEL_SEEDS` for more scripts than a normal run has, and `MODEL_FIRST` for others.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
#[expect(clippy::print_stdout, reason = "it says what was tried")]
fn whatever_fails_the_conversation_is_what_the_model_says() {
    let seeds = setting("MODEL_SEEDS", 10_000);
    let first = setting("MODEL_FIRST", 1);
    let hands = thread::available_parallelism().map_or(1, NonZero::get);
    let outcomes: Vec<Result<Counted, String>> = thread::scope(|scope| {
        let hands: Vec<_> = (0..hands)
            .map(|hand| {
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .build()
                        .unwrap();
                    (first..first + seeds)
                        .skip(hand)
                        .step_by(hands)
                        .map(|seed| runtime.block_on(run(seed, Seed::new(seed))))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        hands
            .into_iter()
            .flat_map(|hand| hand.join().unwrap())
            .collect()
    });
    let mut total = Counted::default();
    let mut differences = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(counted) => total.add(counted),
            Err(difference) => differences.push(difference),
        }
    }
    println!("{seeds} scripts from {first} on: {total:?}");
    assert!(
        differences.is_empty(),
        "{} of {seeds} scripts differ; the first of them:\n{}",
        differences.len(),
        differences[0]
    );
    if seeds >= 1_000 {
        let Counted {
            acts,
            replies,
            faults,
            crashes,
        } = total;
        assert!(
            acts > seeds * 8 && replies > seeds && faults > seeds && crashes > seeds / 2,
            "{total:?}: the scripts try too little"
        );
    }
}
