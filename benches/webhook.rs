//! Proving and parsing a webhook, beside the bare HMAC that no receiver can do without.
//!
//! `cargo bench --bench webhook`. The bar: `verify and parse` of 1 KiB takes at most twice the `floor` of
//! the same body in the same run. Criterion measures the two one after the other, so on a machine that
//! has other work to do its figures do not compare; the lines that start with `least` do: they take turns
//! and keep the shortest of many rounds.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up should stop"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fanvue_bot_core::secret::Secret;
use fanvue_bot_core::time::Timestamp;
use fanvue_bot_core::webhook::{Hints, Signer, Verifier, claimed_account};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const SECRET: &str = "whsec_0123456789abcdef0123456789abcdef";
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// A `creator.message.received` of `length` bytes whose text repeats `words`, written as they are or with
/// everything outside ASCII escaped.
fn event(length: usize, words: &str, escape: bool) -> Vec<u8> {
    let with = |text: &str| {
        let text = serde_json::to_string(text).unwrap();
        let text = if escape {
            text.chars().map(escaped).collect()
        } else {
            text
        };
        format!(
            concat!(
                r#"{{"id":"evt_01JABCDEFGHJKMNPQRSTVWXYZ0","type":"creator.message.received","#,
                r#""timestamp":"2026-10-05T09:30:00.500Z","data":{{"object":"message","#,
                r#""uuid":"3e550000-0000-4000-8000-000000000009","sender":"fan","#,
                r#""created_at":"2026-10-05T09:30:00.000Z","deleted_at":null,"text":{},"#,
                r#""message_type":"SINGLE_RECIPIENT","is_automated":false,"is_muted":false,"#,
                r#""unread_messages_count":1,"#,
                r#""creator":{{"uuid":"c0de0000-0000-4000-8000-000000000001"}},"#,
                r#""fan":{{"uuid":"fa000000-0000-4000-8000-000000000001","handle":"fan-one","#,
                r#""display_name":"Fan One","#,
                r#""avatar_url":"https://media.example.com/avatars/fa000000.jpg"}}}}}}"#,
            ),
            text
        )
        .into_bytes()
    };
    let mut text = String::new();
    for c in words.chars().cycle() {
        text.push(c);
        if with(&text).len() > length {
            text.pop();
            break;
        }
    }
    let spare = length - with(&text).len();
    text.extend(std::iter::repeat_n('.', spare));
    with(&text)
}

fn escaped(c: char) -> String {
    if c.is_ascii() {
        return c.to_string();
    }
    let mut units = [0; 2];
    c.encode_utf16(&mut units)
        .iter()
        .map(|unit| format!("\\u{unit:04x}"))
        .collect()
}

const ASCII: &str = "hey you, how was your weekend? I was out by the lake and thought of you. ";
const EMOJI: &str = "hey you 😘 wie war’s am See? ich hab dich vermisst 🥺💕 ";
const LINES: &str = "hey you, how was it at the lake?\nI thought of you\n\n";

fn bodies() -> [(&'static str, Vec<u8>); 5] {
    [
        ("ascii", event(1_024, ASCII, false)),
        ("emoji", event(1_024, EMOJI, false)),
        ("emoji escaped", event(1_024, EMOJI, true)),
        ("line breaks", event(1_024, LINES, false)),
        ("short ascii", event(640, ASCII, false)),
    ]
}

fn bare_hmac(body: &[u8]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(black_box(SECRET.as_bytes())).unwrap();
    hmac.update(black_box(b"1790000000"));
    hmac.update(b".");
    hmac.update(black_box(body));
    hmac.finalize().into_bytes().into()
}

fn webhook(criterion: &mut Criterion) {
    let secret = Secret::new(SECRET);
    let verifier = Verifier::new(&secret).unwrap();
    let signer = Signer::new(&secret).unwrap();
    for (name, body) in bodies() {
        let header = signer.header(NOW, &body);
        let verify = || {
            verifier
                .verify(black_box(header.as_bytes()), black_box(&body), NOW)
                .unwrap()
        };
        let mut group = criterion.benchmark_group(format!("webhook/{name}"));
        group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap()));
        group.bench_function("floor", |bencher| bencher.iter(|| bare_hmac(&body)));
        group.bench_function("verify", |bencher| {
            bencher.iter(|| verify().secret_index());
        });
        group.bench_function("verify and parse", |bencher| {
            bencher.iter(|| verify().parse(&Hints::default()).unwrap());
        });
        group.bench_function("claimed account", |bencher| {
            bencher.iter(|| claimed_account(black_box(&body)));
        });
        group.finish();

        let [floor, both] = least([
            &mut || {
                black_box(bare_hmac(&body));
            },
            &mut || {
                black_box(verify().parse(&Hints::default()).unwrap());
            },
        ]);
        let ratio = both.as_secs_f64() / floor.as_secs_f64();
        eprintln!(
            "least webhook/{name}: floor {floor:?}, verify and parse {both:?}, {ratio:.2} times"
        );
    }
}

/// The shortest time of one call of each, of many rounds in turn.
fn least(mut calls: [&mut dyn FnMut(); 2]) -> [Duration; 2] {
    const CALLS: u32 = 200;
    let mut least = [Duration::MAX; 2];
    for _ in 0..2_000 {
        for (call, least) in calls.iter_mut().zip(&mut least) {
            let start = Instant::now();
            for _ in 0..CALLS {
                call();
            }
            *least = (*least).min(start.elapsed() / CALLS);
        }
    }
    least
}

criterion_group!(benches, webhook);
criterion_main!(benches);
