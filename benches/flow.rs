//! One step of the flow, beside a copy of the state's bytes.
//!
//! `cargo bench --bench flow`.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up should stop"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use fanvue_bot::ceiling::Ceiling;
use fanvue_bot::conversation::{Conversation, Reply};
use fanvue_bot::creator::Creator;
use fanvue_bot::entropy::Seed;
use fanvue_bot::flow::{Context, DraftId, Effect, Input, Timing, step};
use fanvue_bot::id::{ConversationId, CreatorId, FanId, MessageId, TurnId};
use fanvue_bot::persona::Persona;
use fanvue_bot::settings::{Mode, Pace, Settings};
use fanvue_bot::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

fn message(number: u32) -> MessageId {
    format!("3e550000-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

fn fan_writes(number: u32) -> Input {
    Input::FanMessage {
        id: message(number),
        sent_at: NOW,
        fetched: true,
    }
}

fn flow(criterion: &mut Criterion) {
    let id: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse().unwrap();
    let fan: FanId = "fa000000-0000-4000-8000-000000000001".parse().unwrap();
    let settings = Settings::default().mode(Mode::Auto).pace(Pace::Immediate);
    let creator = Creator::new(id, Persona::named("Mia")).settings(settings);
    let at = |now| Context {
        now,
        seed: Seed::new(7),
        creator: &creator,
        timing: Timing::default(),
        ceiling: Ceiling::none(),
    };
    let draft = DraftId {
        turn: TurnId::new(1),
        draft: 1,
    };

    let idle = Conversation::new(ConversationId::new(id, fan), Seed::new(3));
    let settling = step(&idle, fan_writes(1), &at(NOW)).next;
    let settled = NOW + Duration::from_secs(8);
    let composing = step(&settling, Input::Wake, &at(settled)).next;
    let reply = Reply::new("hey you, I was just thinking of you. How was the lake?");
    let pacing = step(&composing, Input::Composed { draft, reply }, &at(settled)).next;
    let read = Input::ChatRead {
        draft,
        newest: Some(NOW),
    };
    let sends = step(&pacing, read.clone(), &at(settled));
    assert!(matches!(sends.effect, Some(Effect::Send { .. })));

    for (name, state, input, now) in [
        ("fan message, idle", &idle, fan_writes(2), NOW),
        ("fan message, settling", &settling, fan_writes(2), NOW),
        ("chat read, to sending", &pacing, read, settled),
    ] {
        let bytes = serde_json::to_vec(state).unwrap();
        let mut group = criterion.benchmark_group(format!("flow/{name}"));
        group.bench_function("floor: copy of the state's bytes", |bencher| {
            bencher.iter(|| black_box(&bytes).clone());
        });
        group.bench_function("step", |bencher| {
            bencher.iter(|| step(black_box(state), black_box(&input).clone(), &at(now)));
        });
        group.finish();
    }
}

criterion_group!(benches, flow);
criterion_main!(benches);
