//! What fans pay: each transaction once, listed from the latest on.

use std::sync::Arc;

use fanvue_bot_core::conversation::Conversation;
use fanvue_bot_core::id::ConversationId;
use fanvue_bot_core::ledger::{Reference, Telling, Transaction, TransactionKind};
use fanvue_bot_core::money::{Cents, Currency};
use fanvue_bot_core::page::{Cursor, PageRequest};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{ConversationChange, Erased, Store, StoreError};

use super::given::{
    adding, at, chat, conversation, conversation_id, far, message, message_id, odd_texts,
    odd_times, onboard, transaction, transaction_id,
};

fn paying(state: &Conversation, transactions: Vec<Transaction>) -> ConversationChange {
    let mut change = ConversationChange::new(state.clone());
    change.transactions = transactions;
    change
}

/// Commits a conversation in which this was paid.
async fn paid(
    store: &dyn Store,
    creator: u32,
    fan: u32,
    transactions: Vec<Transaction>,
) -> (Conversation, Revision) {
    let (state, revision) = chat(store, creator, fan).await;
    let change = paying(&state, transactions).into();
    let revision = store.commit(&change, Some(revision)).await.unwrap();
    (state, revision)
}

async fn listed(store: &dyn Store, id: ConversationId) -> Vec<Transaction> {
    let page = PageRequest::first(1_000);
    store.transactions(id, &page).await.unwrap().items
}

pub async fn a_transaction_reads_back_in_every_field(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let bare = Transaction {
        amount: None,
        ..transaction(id, 1)
    };
    let full = Transaction {
        kind: TransactionKind::Refund,
        telling: Telling::Reversal,
        amount: Some(Cents::new(i64::MAX)),
        net: Some(Cents::ZERO),
        currency: Some(Currency::from_wire("eur")),
        message: Some(message_id(3)),
        post: Some(message_id(4).as_uuid()),
        reference: Some(Reference::new("re_1")),
        reverses: Some(transaction_id(9)),
        same_as: Some(transaction_id(1)),
        ..transaction(id, 2)
    };
    paid(&*store, 1, 1, vec![bare.clone(), full.clone()]).await;
    for expected in [&bare, &full] {
        let read = store.transaction(id, expected.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(expected));
    }
    assert_eq!(listed(&*store, id).await, [full, bare]);
    let unknown = store.transaction(id, transaction_id(3)).await.unwrap();
    assert_eq!(unknown, None);
}

pub async fn every_kind_and_telling_reads_back(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let tellings = Telling::ALL.into_iter().cycle();
    let rows: Vec<_> = TransactionKind::ALL
        .into_iter()
        .zip(tellings)
        .zip(1..)
        .map(|((kind, telling), number)| Transaction {
            kind,
            telling,
            ..transaction(id, number)
        })
        .collect();
    paid(&*store, 1, 1, rows.clone()).await;
    assert_eq!(
        listed(&*store, id).await,
        rows.into_iter().rev().collect::<Vec<_>>()
    );
}

pub async fn odd_references_and_times_read_back(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut rows: Vec<_> = (1..)
        .zip(odd_texts())
        .map(|(number, text)| Transaction {
            reference: Some(Reference::new(&*text)),
            ..transaction(id, number)
        })
        .collect();
    rows.extend((1_001..).zip(odd_times()).map(|(number, at)| Transaction {
        at,
        stored_at: at,
        ..transaction(id, number)
    }));
    paid(&*store, 1, 1, rows.clone()).await;
    for row in rows {
        let read = store.transaction(id, row.id).await.unwrap();
        assert_eq!(read, Some(row));
    }
}

pub async fn a_payment_may_begin_a_conversation(store: Arc<dyn Store>) {
    onboard(&*store, 1).await;
    let state = conversation(1, 1);
    let row = transaction(state.id, 1);
    let change = paying(&state, vec![row.clone()]);
    store.commit(&change.into(), None).await.unwrap();
    assert_eq!(listed(&*store, state.id).await, [row]);
}

pub async fn transactions_come_latest_first_in_pages_of_any_size(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let mut rows: Vec<_> = (1..=7).map(|number| transaction(id, number)).collect();
    // At the same time, by descending id.
    rows[4].at = at(4);
    rows[5].at = at(4);
    paid(&*store, 1, 1, rows.clone()).await;
    rows.sort_by_key(|row| std::cmp::Reverse((row.at, row.id)));
    for limit in 1..=8 {
        let mut read = Vec::new();
        let mut request = PageRequest::first(limit);
        loop {
            let page = store.transactions(id, &request).await.unwrap();
            assert!(page.items.len() <= limit);
            read.extend(page.items);
            match page.next {
                Some(next) => request = PageRequest::after(limit, next),
                None => break,
            }
        }
        assert_eq!(read, rows, "pages of {limit}");
    }
}

pub async fn a_cursor_of_other_transactions_is_refused(store: Arc<dyn Store>) {
    let ids = [conversation_id(1, 1), conversation_id(1, 2)];
    for (fan, id) in (1..).zip(ids) {
        paid(
            &*store,
            1,
            fan,
            vec![transaction(id, 1), transaction(id, 2)],
        )
        .await;
    }
    let first = store.transactions(ids[0], &PageRequest::first(1)).await;
    let next = first.unwrap().next.unwrap();
    for cursor in [next, Cursor::new("nonsense"), Cursor::new("")] {
        let page = PageRequest::after(1, cursor);
        let refused = store.transactions(ids[1], &page).await;
        assert!(
            matches!(refused, Err(StoreError::InvalidCursor)),
            "{refused:?}"
        );
    }
}

pub async fn a_transaction_that_exists_conflicts_and_changes_nothing(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let row = transaction(id, 1);
    let (state, revision) = paid(&*store, 1, 1, vec![row.clone()]).await;
    let mut moved = state.clone();
    moved.opted_out = true;
    for same in [
        row.clone(),
        Transaction {
            at: at(50),
            ..row.clone()
        },
    ] {
        let mut again = paying(&moved, vec![transaction(id, 2), same]);
        again.messages = vec![message(id, 1)];
        let refused = store.commit(&again.into(), Some(revision)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    let stored = store.conversation(id).await.unwrap().unwrap();
    assert_eq!((stored.value, stored.revision), (state, revision));
    assert_eq!(listed(&*store, id).await, [row]);
    assert_eq!(store.message(id, message_id(1)).await.unwrap(), None);
}

pub async fn a_transaction_of_another_conversation_or_twice_is_rejected(store: Arc<dyn Store>) {
    let (state, revision) = chat(&*store, 1, 1).await;
    let own = transaction(state.id, 1);
    for rows in [
        vec![transaction(conversation_id(1, 2), 1)],
        vec![transaction(conversation_id(2, 1), 1)],
        vec![own.clone(), own],
    ] {
        let refused = store
            .commit(&paying(&state, rows).into(), Some(revision))
            .await;
        assert!(
            matches!(refused, Err(StoreError::Rejected { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(listed(&*store, state.id).await, []);
}

pub async fn a_stale_change_pays_nothing(store: Arc<dyn Store>) {
    let (state, revision) = chat(&*store, 1, 1).await;
    let change = paying(&state, vec![transaction(state.id, 1)]);
    let moved = adding(&state, vec![]).into();
    store.commit(&moved, Some(revision)).await.unwrap();
    for stale in [Some(revision), None] {
        let refused = store.commit(&change.clone().into(), stale).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    assert_eq!(listed(&*store, state.id).await, []);
}

pub async fn the_same_transaction_of_two_creators_is_two(store: Arc<dyn Store>) {
    let ids = [
        conversation_id(1, 1),
        conversation_id(2, 1),
        conversation_id(1, 2),
    ];
    let rows = ids.map(|id| transaction(id, 1));
    for ((creator, fan), row) in [(1, 1), (2, 1), (1, 2)].into_iter().zip(&rows) {
        paid(&*store, creator, fan, vec![row.clone()]).await;
    }
    assert_eq!(store.erase(ids[0], far(), 10).await.unwrap(), Erased::All);
    assert_eq!(listed(&*store, ids[0]).await, []);
    for (id, row) in ids.into_iter().zip(rows).skip(1) {
        assert_eq!(listed(&*store, id).await, [row]);
    }
}

pub async fn an_erasure_takes_transactions_up_to_its_time_and_in_parts(store: Arc<dyn Store>) {
    let id = conversation_id(1, 1);
    let rows: Vec<_> = (1..=7).map(|number| transaction(id, number)).collect();
    paid(&*store, 1, 1, rows.clone()).await;
    assert_eq!(store.erase(id, at(5), 2).await.unwrap(), Erased::Some);
    assert_eq!(listed(&*store, id).await.len(), 5);
    while store.erase(id, at(5), 2).await.unwrap() == Erased::Some {}
    assert_eq!(
        listed(&*store, id).await,
        [rows[6].clone(), rows[5].clone()]
    );
    let erased = store.transaction(id, transaction_id(1)).await.unwrap();
    assert_eq!(erased, None);
}
