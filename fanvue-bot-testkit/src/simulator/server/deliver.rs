//! Posting webhooks when they are due.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::shared::{Shared, stopped};
use crate::simulator::world::{Delivery, Outcome};

/// The longest sleep, after which scheduled mass messages are looked at again.
const LOOK: Duration = Duration::from_secs(1);

/// Delivers until told to stop, so many at a time.
pub(super) async fn run(shared: Arc<Shared>, client: reqwest::Client, concurrency: usize) {
    let mut changed = shared.changed.subscribe();
    let mut stopping = shared.stopping.subscribe();
    let mut waiting: VecDeque<Delivery> = VecDeque::new();
    let mut posting = JoinSet::new();
    loop {
        changed.mark_unchanged();
        let (sent, wait) = shared.look(|platform, now| {
            let sent = platform.world.tick(now);
            waiting.extend(platform.world.take_due(now));
            let next = platform.world.next_due();
            let wait = next.map_or(LOOK, |next| {
                Duration::from_millis(next.since(now)).min(LOOK)
            });
            (sent, wait)
        });
        if sent > 0 {
            shared.announce();
        }
        while posting.len() < concurrency.max(1)
            && let Some(delivery) = waiting.pop_front()
        {
            posting.spawn(post(Arc::clone(&shared), client.clone(), delivery));
        }
        tokio::select! {
            () = stopped(&mut stopping) => break,
            Some(_) = posting.join_next() => {}
            _ = changed.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    posting.shutdown().await;
}

async fn post(shared: Arc<Shared>, client: reqwest::Client, delivery: Delivery) {
    let mut request = client.post(&delivery.url).body(delivery.body.clone());
    for (name, value) in delivery.headers(shared.now()) {
        request = request.header(name, value);
    }
    let outcome = match request.send().await {
        Ok(response) => Outcome::Answered(response.status().as_u16()),
        Err(error) if error.is_timeout() => Outcome::Failed("no answer in time".to_owned()),
        Err(error) if error.is_connect() => Outcome::Failed("no connection".to_owned()),
        Err(_) => Outcome::Failed("no complete answer".to_owned()),
    };
    tracing::debug!(
        event.id = delivery.event_id,
        topic = delivery.topic,
        attempt = delivery.attempt,
        ?outcome,
        "simulator posted a webhook"
    );
    shared.change(|platform, now| platform.world.finish_delivery(delivery, outcome, now));
}
