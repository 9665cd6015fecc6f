//! Building a prompt, to the completion request and to the bytes that leave, beside a copy of those bytes.
//!
//! `cargo bench --bench prompt`. The bars: 50 messages to the request's bytes in at most 10 us and 130,000
//! instructions, 400 in at most 30 us. Instructions are counted with
//! `valgrind --tool=callgrind --toggle-collect='*Bench*once*' <the bench's binary> <history> <budget>`, which
//! builds two prompts, one of them into an empty buffer, and measures nothing.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot set itself up should stop"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::ledger::Stage;
use fanvue_bot::message::{Author, Content, Message, MessageType};
use fanvue_bot::openai::{OpenAi, Profile};
use fanvue_bot::persona::Persona;
use fanvue_bot::prompt::{
    self, BytesPerFour, HistoryCut, Memory, Occasion, PromptSource, RenderedPersona, TokenCounter,
};
use fanvue_bot::time::Timestamp;

const START: i64 = 1_790_000_000;

/// Lines as fans and creators write them: short, with the odd emoji.
const LINES: [&str; 8] = [
    "hey you, how was your weekend? I was out by the lake and thought of you 😘",
    "haha no way",
    "honestly I had the longest day, first work and then my sister came by with the kids",
    "what are you up to tonight?",
    "I’d love to hear more about that trip you mentioned, the one with the night train 🚆",
    "mmh maybe",
    "guess what I found in the attic yesterday, you will never believe it",
    "ich muss gleich los, aber schreib mir später, ja? 💕",
];

/// About 587 tokens with the policy.
fn persona() -> Persona {
    let mut persona = Persona::named("Luna")
        .biography("Luna is 27 and lives in Lisbon with a grumpy cat called Biscuit. She studied marine biology, paints on Sundays and swims in the sea until November. She moved from Hamburg three years ago and still misses proper bread. On Thursdays she helps out in a small bookshop.")
        .voice("Warm, teasing, lower case, short lines, at most two emoji. Asks one question back. Never formal. Uses ellipses when she is thinking, laughs with haha and not with lol, and mixes in a Portuguese word now and then.")
        .example("good morning!", "morning you 😊 slept well? biscuit woke me at five, again")
        .example("you look amazing in the new set", "ohh thank you, that one was fun to shoot. which one is your favourite?")
        .example("do you ever answer these yourself?", "haha depends on the hour… why, do I sound different today?")
        .example("can I see you on saturday", "you are sweet, but that is not something I do. tell me what you would have planned though")
        .example("had a bad day", "oh no, come here. what happened?");
    persona.dos = vec![
        "remember what the fan told you".into(),
        "be curious about their day".into(),
    ];
    persona.donts = vec!["no politics".into(), "no promises".into()];
    persona.topics = vec!["the sea".into(), "painting".into(), "cats".into()];
    persona.time_zone = Some("Europe/Lisbon".into());
    persona
}

/// `count` messages with stored counts, newest first; the newest is the fan's.
fn messages(count: u32) -> Vec<Message> {
    let creator: CreatorId = "5b0f3c1e-0000-4000-8000-00000000c0de".parse().unwrap();
    let fan: FanId = "fa000000-0000-4000-8000-000000000001".parse().unwrap();
    (0..count)
        .map(|age| {
            let text = LINES[usize::try_from(age).unwrap() % LINES.len()];
            let sent_at = Timestamp::from_seconds(START - 60 * i64::from(age));
            Message {
                id: format!("3e550000-0000-4000-8000-{age:012x}")
                    .parse()
                    .unwrap(),
                conversation: ConversationId::new(creator, fan),
                author: if age % 2 == 0 {
                    Author::Fan
                } else {
                    Author::Bot
                },
                kind: MessageType::SingleRecipient,
                content: Content::text(text),
                sent_at,
                stored_at: sent_at,
                tokens: Some(BytesPerFour::default().stored(text)),
                turn: None,
                decision: None,
                deleted_at: None,
            }
        })
        .collect()
}

struct Bench {
    persona: RenderedPersona,
    memory: Memory,
    messages: Vec<Message>,
    budget: u32,
    model: OpenAi,
    buffer: Vec<u8>,
}

impl Bench {
    fn new(history: u32, budget: u32) -> Self {
        Self {
            persona: {
                let rendered = RenderedPersona::new(&persona(), &BytesPerFour::default());
                assert!((575..600).contains(&rendered.tokens), "{}", rendered.tokens);
                rendered
            },
            memory: Memory::default(),
            messages: messages(history),
            budget,
            model: OpenAi::builder("http://127.0.0.1:11434/v1", "llama3.2")
                .profile(Profile::llama_cpp())
                .build()
                .unwrap(),
            buffer: Vec::new(),
        }
    }

    fn build(&self) -> prompt::Prompt {
        let source = PromptSource {
            persona: &self.persona,
            seed: Seed::new(1),
            memory: &self.memory,
            stage: Stage::New,
            occasion: Occasion::Answer,
            paid: &[],
            newest_first: black_box(&self.messages),
            unanswered: 1,
            cut: HistoryCut(None),
            now: Timestamp::from_seconds(START),
            prompt_tokens: self.budget,
            reply_tokens: 400,
            no_sell: None,
            bot_answer: None,
            repair: None,
            instruction: None,
        };
        prompt::build(&source, &BytesPerFour::default())
    }

    /// To the request's bytes, into a buffer that is used again.
    #[inline(never)]
    fn once(&mut self) -> usize {
        let prompt = self.build();
        self.buffer.clear();
        self.model.write_request(&prompt.request, &mut self.buffer);
        self.buffer.len()
    }
}

fn measure(criterion: &mut Criterion, history: u32, budget: u32) {
    let mut bench = Bench::new(history, budget);
    let bytes = bench.model.request_bytes(&bench.build().request);
    let mut group =
        criterion.benchmark_group(format!("prompt/{history} messages, {budget} tokens"));
    group.throughput(Throughput::Bytes(u64::try_from(bytes.len()).unwrap()));
    group.bench_function("floor: copy of the request's bytes", |bencher| {
        bencher.iter(|| black_box(&bytes).clone());
    });
    group.bench_function("to the completion request", |bencher| {
        bencher.iter(|| bench.build());
    });
    group.bench_function("to the request's bytes", |bencher| {
        bencher.iter(|| bench.once());
    });
    group.finish();
}

fn main() {
    let numbers: Vec<u32> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    if let [history, budget] = numbers[..] {
        let mut bench = Bench::new(history, budget);
        // The first builds warm the buffer and what is set up once.
        bench.once();
        black_box(bench.once());
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for (history, budget) in [(50, 8_000), (400, 8_000), (400, 64_000)] {
        measure(&mut criterion, history, budget);
    }
    criterion.final_summary();
}
