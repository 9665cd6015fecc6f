//! Whether an intake and a reply cost the same when the store holds much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fanvue_bot::conversation::Conversation;
use fanvue_bot::entropy::Seed;
use fanvue_bot::id::{ConversationId, CreatorId, FanId};
use fanvue_bot::message::{Author, Content, Message, MessageType};
use fanvue_bot::store::{ConversationChange, Store};
use fanvue_bot::time::{Clock as _, SystemClock, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Common;
use crate::database::{Database, Floor};
use crate::model::Model;
use crate::people::{People, TEXT};
use crate::platform::Platform;
use crate::report::{Report, per_second, progress};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many messages the store is filled up to before each measurement, from few to many.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000], value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    messages: Vec<u64>,
    /// How many messages are taken in and answered in each measurement.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    turns: u32,
}

/// How many messages a conversation is filled with: enough that pages of the index lie apart.
const EACH: u64 = 500;
const CREATORS: usize = 20;
/// Longer than any reply takes unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(common: &Common, options: &Options) -> anyhow::Result<Report> {
    anyhow::ensure!(
        options.messages.is_sorted(),
        "--messages must grow from left to right: the store is only ever filled up"
    );
    let mut report = Report::new("scale", common);
    let database = Database::open(common).await?;
    let floor = database.floor().await?;
    let turns = usize::try_from(options.turns)?;
    let mut platform =
        Platform::new(&database, Arc::new(Model::instant()), CREATORS, turns).await?;
    // Conversations and pages are warm, as they are in a process that has run for a while.
    platform.fans_write(turns).await?;
    platform.answer(64, PATIENCE).await?;

    report.count("turns", "messages taken in and answered each time", turns);
    let mut filled = 0;
    let mut first: Option<(f64, f64)> = None;
    for messages in &options.messages {
        progress(&format!("filling up to {messages} messages"));
        fill(&database, &platform, filled, *messages).await?;
        filled = *messages;
        let raw = raw_inserts(&floor).await?;
        let taking_in = platform.fans_write(turns).await?;
        let (answering, _) = platform.answer(64, PATIENCE).await?;
        let each = |spent: Duration| spent / options.turns;
        report.time(
            &format!("intake_at_{messages}"),
            &format!("intake at {messages} messages, each"),
            each(taking_in),
        );
        report.time(
            &format!("turn_at_{messages}"),
            &format!("turn at {messages} messages, each"),
            each(answering),
        );
        report.rate(
            &format!("floor_at_{messages}"),
            "floor at that time",
            raw,
            "rows",
        );
        let (intake, turn) = (taking_in.as_secs_f64(), answering.as_secs_f64());
        let (intake_then, turn_then) = *first.get_or_insert((intake, turn));
        report.ratio(
            &format!("intake_ratio_at_{messages}"),
            "intake to the first",
            intake / intake_then,
        );
        report.ratio(
            &format!("turn_ratio_at_{messages}"),
            "turn to the first",
            turn / turn_then,
        );
    }
    database.close().await;
    Ok(report)
}

/// Adds conversations of other fans until the store holds this many messages.
async fn fill(database: &Database, platform: &Platform, from: u64, to: u64) -> anyhow::Result<()> {
    let (store, creators) = (database.backend.store(), platform.creators());
    let numbers = from.div_ceil(EACH)..to.div_ceil(EACH);
    if database.copies() {
        // One of each creator; the others are copies of it.
        let share = (numbers.end - numbers.start).div_ceil(u64::try_from(creators.len())?);
        for (number, creator) in numbers.zip(creators) {
            let like = add_conversation(Arc::clone(store), *creator, number, 1).await?;
            database.copy(like, share, EACH).await?;
        }
        return database.settle().await;
    }
    let mut tasks = JoinSet::new();
    for number in numbers {
        let index = usize::try_from(number)? % creators.len();
        let creator = *creators.get(index).context("there are creators")?;
        if tasks.len() >= 32
            && let Some(task) = tasks.join_next().await
        {
            task??;
        }
        tasks.spawn(add_conversation(Arc::clone(store), creator, number, EACH));
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn add_conversation(
    store: Arc<dyn Store>,
    creator: Uuid,
    number: u64,
    messages: u64,
) -> anyhow::Result<ConversationId> {
    let fan = FanId::from_uuid(People::fan(u64::from(u32::MAX), number).as_uuid());
    let id = ConversationId::new(CreatorId::from_uuid(creator), fan);
    let mut change = ConversationChange::new(Conversation::new(id, Seed::new(number)));
    let now = SystemClock.now();
    change.messages = (0..messages)
        .map(|index| {
            message(
                id,
                number * EACH + index,
                now.minus(Duration::from_secs(EACH - index)),
            )
        })
        .collect();
    store.commit(&change.into(), None).await?;
    Ok(id)
}

fn message(conversation: ConversationId, number: u64, at: Timestamp) -> Message {
    Message {
        id: People::message(number),
        conversation,
        author: if number.is_multiple_of(2) {
            Author::Fan
        } else {
            Author::Bot
        },
        kind: MessageType::SingleRecipient,
        content: Content::text(TEXT),
        sent_at: at,
        stored_at: at,
        tokens: None,
        turn: None,
        decision: None,
        deleted_at: None,
    }
}

async fn raw_inserts(floor: &Floor) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < Duration::from_secs(1) {
        floor.insert(TEXT.as_bytes()).await?;
        rows += 1;
    }
    Ok(per_second(rows, begun.elapsed()))
}
