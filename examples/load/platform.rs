//! A simulated Fanvue in this process, a bot on it, and fans who write.
//!
//! No sockets: what is measured is the library and its store. Fanvue's rate limit is lifted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fanvue_bot::client::{AppCredentials, ClientSecret};
use fanvue_bot::creator::Creator;
use fanvue_bot::engine::Engine;
use fanvue_bot::id::{AccountId, CreatorId};
use fanvue_bot::intake::Accepted;
use fanvue_bot::oauth::TokenSource;
use fanvue_bot::persona::Persona;
use fanvue_bot::queue::WorkerId;
use fanvue_bot::settings::Settings;
use fanvue_bot::time::{Clock as _, SystemClock};
use fanvue_bot::webhook::{Event, Hints, Verifier};
use fanvue_bot::worker::{Worker, WorkerOptions, WorkerReport};
use fanvue_bot_testkit::simulator::world::{ApiError, App, Outcome, PortalWebhook, SCOPES, World};
use fanvue_bot_testkit::world_client::{WorldClient, moment, token_set};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::database::Database;
use crate::model::Model;
use crate::people::{TEXT, webhook_secret};

const CLIENT_ID: &str = "load";
const CLIENT_SECRET: &str = "load-secret";

/// How many events are taken in at once.
const TASKS: usize = 64;

/// Fanvue, the bot, and the people on both sides.
#[derive(Debug)]
pub(crate) struct Platform {
    world: Arc<Mutex<World>>,
    engine: Engine,
    creators: Vec<Uuid>,
    /// Creator and fan of each chat.
    chats: Vec<(Uuid, Uuid)>,
    /// How many messages fans have written.
    written: u64,
}

impl Platform {
    /// This many creators and fans, evenly among them, and a bot that answers with `model` as soon as it
    /// can.
    pub(crate) async fn new(
        database: &Database,
        model: Arc<Model>,
        creators: usize,
        fans: usize,
    ) -> anyhow::Result<Self> {
        let now = moment(SystemClock.now());
        let mut world = World::new(1);
        world.settings_mut().rate_limits.per_minute = u64::from(u32::MAX);
        world.add_app(
            App::new(CLIENT_ID, CLIENT_SECRET)
                .webhook_secret(std::str::from_utf8(webhook_secret().expose())?)
                .webhook(PortalWebhook::new("http://127.0.0.1/webhooks/fanvue")),
        );
        let creators: Vec<Uuid> = (0..creators)
            .map(|index| world.add_creator(&format!("creator-{index}"), "Luna", now))
            .collect();
        let chats = (0..fans)
            .filter_map(|index| {
                let creator = *creators.get(index % creators.len())?;
                Some((creator, world.add_fan(&format!("fan-{index}"), "Ben", now)))
            })
            .collect();
        let mut tokens = Vec::with_capacity(creators.len());
        for creator in &creators {
            let issued = world
                .issue_tokens(CLIENT_ID, *creator, SCOPES, now)
                .map_err(|error| refused(&error))?;
            tokens.push(token_set(&issued));
        }

        let world = Arc::new(Mutex::new(world));
        let client = Arc::new(WorldClient::new(Arc::clone(&world), Arc::new(SystemClock)));
        let app = AppCredentials {
            client_id: CLIENT_ID.into(),
            client_secret: ClientSecret::new(CLIENT_SECRET),
        };
        let source = TokenSource::new(
            Arc::clone(&database.vault),
            Arc::clone(database.backend.store()),
            Arc::<WorldClient>::clone(&client),
            app,
        );
        let engine =
            Engine::builder(database.backend.clone(), model, client, source.clone()).build();
        for (account, set) in creators.iter().zip(&tokens) {
            // Any id does; the account's own is unique already.
            let id = CreatorId::from_uuid(*account);
            let creator = Creator::new(id, Persona::named("Luna").voice("Warm, short sentences."))
                .account(AccountId::from_uuid(*account))
                .settings(Settings::immediate());
            database
                .backend
                .store()
                .commit(&creator.into(), None)
                .await?;
            source.connect(id, set).await?;
        }
        Ok(Self {
            world,
            engine,
            creators,
            chats,
            written: 0,
        })
    }

    pub(crate) fn creators(&self) -> &[Uuid] {
        &self.creators
    }

    /// The first `count` fans write one message each, and the webhooks are taken in. Answers with how
    /// long the taking in took, without HTTP and proof.
    pub(crate) async fn fans_write(&mut self, count: usize) -> anyhow::Result<Duration> {
        let verifier = Verifier::new(&webhook_secret())?;
        let mut events = Vec::with_capacity(count);
        for (creator, fan) in self.chats.iter().copied().take(count) {
            let now = SystemClock.now();
            self.lock()
                .fan_writes(creator, fan, TEXT, moment(now))
                .map_err(|error| refused(&error))?;
            self.written += 1;
        }
        for event in self.take_webhooks(&verifier)? {
            events.push(event);
        }
        let mut shares: Vec<Vec<Event>> = (0..TASKS).map(|_| Vec::new()).collect();
        for (index, event) in events.into_iter().enumerate() {
            if let Some(share) = shares.get_mut(index % TASKS) {
                share.push(event);
            }
        }
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for share in shares {
            let engine = self.engine.clone();
            tasks.spawn(async move {
                for event in share {
                    let accepted = engine.accept(&event).await?;
                    anyhow::ensure!(
                        matches!(accepted, Accepted::Stored(_)),
                        "a message was not stored but {accepted:?}"
                    );
                }
                Ok(())
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(begun.elapsed())
    }

    /// The events of fans' messages that Fanvue has to deliver now; what it says of the bot's own sends
    /// counts as delivered.
    fn take_webhooks(&self, verifier: &Verifier) -> anyhow::Result<Vec<Event>> {
        let now = SystemClock.now();
        let mut world = self.lock();
        let mut events = Vec::new();
        for delivery in world.take_due(moment(now)) {
            let signature = delivery.signature(moment(now));
            let proved = verifier
                .verify(signature.as_bytes(), &delivery.body, now)
                .context("the simulator signs otherwise than the library")?;
            let event = proved.parse(&Hints::default())?;
            if matches!(
                event.kind,
                fanvue_bot::webhook::EventKind::MessageReceived(_)
            ) {
                events.push(event);
            }
            world.finish_delivery(delivery, Outcome::Answered(200), moment(now));
        }
        Ok(events)
    }

    /// How many replies Fanvue has taken.
    pub(crate) fn replies(&self) -> u64 {
        self.lock().stored_messages().saturating_sub(self.written)
    }

    /// Lets a worker with this many hands answer until every fan has a reply, or until none has come for as
    /// long as `patience`. Answers with how long that took.
    pub(crate) async fn answer(
        &self,
        hands: usize,
        patience: Duration,
    ) -> anyhow::Result<(Duration, WorkerReport)> {
        let wanted = self.written;
        let begun = Instant::now();
        let options = WorkerOptions::new(WorkerId::new("load")).concurrency(hands);
        let all_answered = async {
            let mut seen = (0, begun);
            while seen.0 < wanted && seen.1.elapsed() < patience {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let replies = self.replies();
                if replies > seen.0 {
                    seen = (replies, Instant::now());
                }
            }
        };
        let report = Worker::new(self.engine.clone(), options)
            .run(all_answered)
            .await;
        let spent = begun.elapsed();
        let (replies, twice) = (self.replies(), self.answered_twice());
        anyhow::ensure!(
            replies == wanted && twice == 0,
            "of {wanted} messages {replies} were answered, {twice} of them twice; {report:?}"
        );
        Ok((spent, report))
    }

    fn answered_twice(&self) -> usize {
        self.lock()
            .sent_answers()
            .iter()
            .filter(|sent| sent.count > 1)
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(error: &ApiError) -> anyhow::Error {
    anyhow::anyhow!("the simulated Fanvue refused: {}", error.body())
}
