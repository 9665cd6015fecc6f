//! What goes wrong, round by round: drawn from a seed, so that the same seed makes the same plan.

use std::time::Duration;

use fanvue_bot::entropy::Seed;
use fanvue_bot_testkit::entropy::SeededEntropy;

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// `kill -9`, and a new process in its place.
    Kill { node: usize },
    /// SIGTERM, and a new process when the old one has drained.
    Drain { node: usize },
    /// SIGSTOP, and SIGCONT after this time, which is longer than a lease.
    Freeze { node: usize, time: Duration },
    /// Every connection between the node and the database is reset.
    Reset { node: usize },
    /// For this time nothing gets through between the node and the database, and nobody is told; then the
    /// connections are reset.
    Silence { node: usize, time: Duration },
    /// For this time the node has no connection to the database and gets none.
    CutOff { node: usize, time: Duration },
    /// The server ends the sessions of all nodes.
    Terminate,
    /// The server is restarted.
    Restart { mode: Restart },
}

/// How a server stops before it starts again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Restart {
    /// Sessions are ended in order.
    Fast,
    /// As if it had crashed: it recovers from its log.
    Immediate,
}

impl Restart {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Immediate => "immediate",
        }
    }
}

/// A fault and how long after the one before it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
}

/// As many rounds as asked for, on so many nodes. Kinds are dealt like
/// cards, so that a short plan has most of them.
pub(crate) fn plan(seed: u64, rounds: usize, nodes: usize) -> Vec<Round> {
    const KINDS: u64 = 9;
    let entropy = SeededEntropy::new(seed);
    let draw = |low: u64, high: u64| {
        let seed = Seed::draw(&entropy).expect("seeded entropy does not end");
        seed.in_range(low, high)
    };
    let mut cards = Vec::new();
    (0..rounds)
        .map(|_| {
            if cards.is_empty() {
                cards.extend(0..KINDS);
            }
            let at = usize::try_from(draw(0, cards.len() as u64 - 1)).unwrap_or(0);
            let card = cards.swap_remove(at);
            let node = usize::try_from(draw(0, nodes as u64 - 1)).unwrap_or(0);
            let time = Duration::from_millis(draw(1_800, 4_500));
            let fault = match card {
                0 | 1 => Fault::Kill { node },
                2 => Fault::Drain { node },
                3 => Fault::Freeze { node, time },
                4 => Fault::Reset { node },
                5 => Fault::Silence { node, time },
                6 => Fault::CutOff { node, time },
                7 => Fault::Terminate,
                _ => Fault::Restart {
                    mode: if draw(0, 1) == 0 {
                        Restart::Fast
                    } else {
                        Restart::Immediate
                    },
                },
            };
            let after = Duration::from_millis(draw(200, 1_500));
            Round { after, fault }
        })
        .collect()
}
