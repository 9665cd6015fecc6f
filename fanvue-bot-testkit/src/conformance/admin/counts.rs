//! How many decisions have which reason.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::admin::{AdminQueries, TimeSpan};
use fanvue_bot_core::decision::{Reason, Rule};
use fanvue_bot_core::time::Timestamp;

use super::super::given::{adding, at, chat_with, creator_id, message_id};
use super::{decided, decision};

const MINOR: Reason = Reason::Blocked(Rule::Minor);
const CRISIS: Reason = Reason::Blocked(Rule::Crisis);

async fn count(store: &dyn AdminQueries, creator: u32, span: TimeSpan) -> Vec<(Reason, u64)> {
    let counted = store.decision_counts(creator_id(creator), span).await;
    counted.unwrap()
}

fn always() -> TimeSpan {
    TimeSpan::new(Timestamp::UNIX_EPOCH, Timestamp::MAX)
}

pub async fn every_reason_is_counted_under_its_name(store: Arc<dyn AdminQueries>) {
    let mut rows = Vec::new();
    let mut expected = Vec::new();
    for (times, reason) in (1..).zip(Reason::ALL) {
        expected.push((*reason, times));
        for _ in 0..times {
            let number = u32::try_from(rows.len()).unwrap() + 1;
            let fan = number % 3 + 1;
            rows.push((fan, decided(1, fan, number, *reason, at(9))));
        }
    }
    for fan in 1..=3 {
        let of_fan = rows.iter().filter(|(of, _)| *of == fan);
        let messages = of_fan.map(|(_, message)| message.clone()).collect();
        chat_with(&store, 1, fan, messages).await;
    }
    assert_eq!(count(&*store, 1, always()).await, expected);
}

pub async fn a_span_counts_from_its_beginning_and_without_its_end(store: Arc<dyn AdminQueries>) {
    let rows = (1..=5).map(|number| decided(1, 1, number, MINOR, at(u64::from(number))));
    chat_with(&store, 1, 1, rows.collect()).await;
    let micro = Duration::from_micros(1);
    for (span, expected) in [
        (TimeSpan::new(at(2), at(4)), 2),
        (TimeSpan::new(at(2) + micro, at(4)), 1),
        (TimeSpan::new(at(2), at(4) + micro), 3),
        (TimeSpan::new(at(1), at(6)), 5),
    ] {
        assert_eq!(
            count(&*store, 1, span).await,
            [(MINOR, expected)],
            "{span:?}"
        );
    }
}

pub async fn an_empty_span_counts_nothing(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, MINOR, at(1));
    chat_with(&store, 1, 1, vec![row]).await;
    for span in [
        TimeSpan::new(at(1), at(1)),
        TimeSpan::new(at(9), at(0)),
        TimeSpan::new(at(2), at(9)),
    ] {
        assert_eq!(count(&*store, 1, span).await, [], "{span:?}");
    }
}

pub async fn a_decision_is_counted_once_when_it_was_made_last(store: Arc<dyn AdminQueries>) {
    let row = decided(1, 1, 1, MINOR, at(1));
    let (state, revision) = chat_with(&store, 1, 1, vec![row]).await;
    let mut change = adding(&state, vec![]);
    change.decisions = vec![(message_id(1), decision(CRISIS, at(9)))];
    store.commit(&change.into(), Some(revision)).await.unwrap();
    assert_eq!(count(&*store, 1, always()).await, [(CRISIS, 1)]);
    assert_eq!(count(&*store, 1, TimeSpan::new(at(0), at(5))).await, []);
}

pub async fn no_count_holds_another_creators_decisions(store: Arc<dyn AdminQueries>) {
    for (owner, reason) in [(1, MINOR), (2, CRISIS)] {
        let row = decided(owner, 1, 1, reason, at(1));
        chat_with(&store, owner, 1, vec![row]).await;
    }
    assert_eq!(count(&*store, 1, always()).await, [(MINOR, 1)]);
    assert_eq!(count(&*store, 2, always()).await, [(CRISIS, 1)]);
    assert_eq!(count(&*store, 3, always()).await, []);
}
