//! Conversations: every field and every phase reads back, and revisions guard them.

use std::sync::Arc;

use fanvue_bot_core::conversation::{
    Clearance, Conversation, FollowUp, FollowUpState, NoFollowUp, NoSell, NoSellCause,
    PendingMessage, Phase, Purpose, Reply, SendIntent, Turn, Unattributed,
};
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::entropy::Seed;
use fanvue_bot_core::id::TurnId;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::store::{ConversationChange, Store, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::given::{
    at, chat, conversation, conversation_id, message_id, odd_texts, odd_times, onboard,
};

async fn stored(store: &dyn Store, conversation: &Conversation) -> Versioned<Conversation> {
    store.conversation(conversation.id).await.unwrap().unwrap()
}

/// Commits `conversation` over whatever is stored and expects to read the same back.
async fn round_trip(store: &dyn Store, conversation: Conversation) {
    let expected = store
        .conversation(conversation.id)
        .await
        .unwrap()
        .map(|stored| stored.revision);
    let change = ConversationChange::new(conversation.clone()).into();
    let revision = store.commit(&change, expected).await.unwrap();
    assert_eq!(
        stored(store, &conversation).await,
        Versioned::new(conversation, revision)
    );
}

fn pending(number: u32, time: Timestamp) -> PendingMessage {
    PendingMessage {
        id: message_id(number),
        sent_at: time,
        arrived_at: time,
        fetched: number.is_multiple_of(2),
    }
}

fn intent(time: Timestamp) -> SendIntent {
    SendIntent {
        answers: vec![pending(1, time), pending(2, time)],
        after: Some(time),
        at: time,
        valid_until: time,
    }
}

fn phases(reply: &str, time: Timestamp) -> Vec<Phase> {
    let reply = Reply::new(reply);
    vec![
        Phase::Settling {
            until: time,
            latest: time,
        },
        Phase::Composing {
            since: time,
            repair: None,
            instruction: None,
        },
        Phase::Composing {
            since: time,
            repair: Some(reply.text().as_ref().into()),
            instruction: None,
        },
        Phase::AwaitingApproval {
            reply: reply.clone(),
            until: time,
        },
        Phase::Pacing {
            reply: reply.clone(),
            until: time,
        },
        Phase::Sending {
            reply: reply.clone(),
            intent: intent(time),
        },
        Phase::Sending {
            reply: reply.clone(),
            intent: SendIntent {
                answers: Vec::new(),
                after: None,
                ..intent(time)
            },
        },
        Phase::Reconciling {
            reply,
            intent: intent(time),
            next_check: time,
            misses: u32::MAX,
        },
    ]
}

fn in_phase(phase: Phase) -> Conversation {
    let mut conversation = conversation(1, 1);
    conversation.last_turn = TurnId::new(3);
    conversation.turn = Some(Turn {
        id: TurnId::new(3),
        seed: Seed::new(11),
        draft: 2,
        clearance: Clearance::Approved,
        purpose: Purpose::Answer,
        phase,
    });
    conversation
}

pub async fn a_conversation_that_was_never_committed_is_none(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let id = conversation_id(1, 1);
    assert_eq!(store.conversation(id).await.unwrap(), None);
    assert_eq!(store.message(id, message_id(1)).await.unwrap(), None);
    let page = store.messages(id, &PageRequest::first(10)).await.unwrap();
    assert_eq!(page.items, []);
    assert_eq!(page.next, None);
}

pub async fn a_conversation_reads_back_at_the_revision_of_the_commit(store: Arc<dyn Store>) {
    let (conversation, revision) = chat(&store, 1, 1).await;
    assert_eq!(
        stored(&store, &conversation).await,
        Versioned::new(conversation, revision)
    );
}

pub async fn every_field_of_a_conversation_reads_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let mut full = in_phase(Phase::Composing {
        since: at(3),
        repair: None,
        instruction: None,
    });
    full.seed = Seed::new(u64::MAX);
    full.pending = vec![pending(3, at(5)), pending(1, at(1)), pending(2, at(2))];
    full.last_reply_at = Some(at(6));
    full.paused_until = Some(at(7));
    full.opted_out = true;
    full.unattributed = vec![
        Unattributed {
            id: message_id(9),
            sent_at: at(8),
            text: Some(Reply::new("hers, or ours?")),
        },
        Unattributed {
            id: message_id(8),
            sent_at: at(9),
            text: None,
        },
    ];
    full.history_from = Some(at(10));
    round_trip(&store, full).await;
}

pub async fn every_phase_of_a_turn_reads_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    for phase in phases("see you tonight", at(4)) {
        round_trip(&store, in_phase(phase)).await;
    }
}

pub async fn odd_texts_of_a_reply_read_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    for text in odd_texts() {
        for phase in phases(&text, at(4)) {
            round_trip(&store, in_phase(phase)).await;
        }
    }
}

pub async fn odd_times_of_a_conversation_read_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    for time in odd_times() {
        for phase in phases("hey", time) {
            let mut conversation = in_phase(phase);
            conversation.pending = vec![pending(1, time)];
            conversation.last_reply_at = Some(time);
            conversation.paused_until = Some(time);
            conversation.history_from = Some(time);
            round_trip(&store, conversation).await;
        }
    }
}

pub async fn every_state_of_a_silence_reads_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let outcome = Outcome::Blocked { rule: Rule::DryRun };
    let message = message_id(7);
    for state in [
        FollowUpState::Due { until: at(5) },
        FollowUpState::Open {
            turn: TurnId::new(3),
        },
        FollowUpState::Sent { message },
        FollowUpState::Skipped {
            why: NoFollowUp::Goodbye,
        },
        FollowUpState::Blocked { outcome },
    ] {
        let mut conversation = in_phase(Phase::Composing {
            since: at(2),
            repair: None,
            instruction: None,
        });
        conversation.turn = conversation.turn.map(|turn| Turn {
            purpose: Purpose::FollowUp,
            ..turn
        });
        conversation.follow_up = Some(FollowUp {
            since: at(1),
            state,
            at: at(2),
        });
        conversation.nudged_at = Some(at(3));
        conversation.goodbye_at = Some(at(4));
        conversation.last_fan_at = Some(at(6));
        conversation.thanks_due = Some(at(7));
        conversation.no_sell = Some(NoSell {
            cause: NoSellCause::Dispute,
            since: at(8),
            until: at(9),
        });
        round_trip(&store, conversation).await;
    }
    let mut thanks = in_phase(Phase::Pacing {
        reply: Reply::new("thank you"),
        until: at(3),
    });
    thanks.turn = thanks.turn.map(|turn| Turn {
        purpose: Purpose::Thanks { since: at(1) },
        ..turn
    });
    round_trip(&store, thanks).await;
    // The nudge that is due tells when the conversation is looked at.
    let mut silent = conversation(1, 1);
    silent.follow_up = Some(FollowUp {
        since: at(1),
        state: FollowUpState::Due { until: at(5) },
        at: at(1),
    });
    round_trip(&store, silent.clone()).await;
    let page = PageRequest::first(9);
    let before = store.due(None, at(4), &page).await.unwrap().items;
    assert!(before.is_empty(), "{before:?}");
    let due = store.due(None, at(5), &page).await.unwrap().items;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!((due[0].conversation, due[0].wake_at), (silent.id, at(5)));
}

pub async fn great_numbers_of_a_turn_read_back(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let mut conversation = in_phase(Phase::Composing {
        since: at(0),
        repair: None,
        instruction: None,
    });
    // Counters stay below 2^63, so that databases can keep them as they are.
    let great = TurnId::new(i64::MAX.unsigned_abs());
    conversation.last_turn = great;
    conversation.turn = conversation.turn.map(|turn| Turn {
        id: great,
        seed: Seed::new(u64::MAX),
        draft: u32::MAX,
        ..turn
    });
    round_trip(&store, conversation).await;
}

pub async fn hundreds_of_pending_messages_read_back_in_order(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let mut conversation = conversation(1, 1);
    conversation.pending = (0..500)
        .rev()
        .map(|number| pending(number, at(1)))
        .collect();
    round_trip(&store, conversation).await;
}

pub async fn what_is_emptied_reads_back_empty(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let mut full = in_phase(Phase::AwaitingApproval {
        reply: Reply::new("hey"),
        until: at(9),
    });
    full.pending = vec![pending(1, at(1))];
    full.paused_until = Some(at(7));
    full.opted_out = true;
    round_trip(&store, full).await;
    round_trip(&store, conversation(1, 1)).await;
}

pub async fn each_commit_of_a_conversation_raises_the_revision(store: Arc<dyn Store>) {
    let (conversation, mut last) = chat(&store, 1, 1).await;
    let change = ConversationChange::new(conversation.clone()).into();
    for _ in 0..5 {
        let next = store.commit(&change, Some(last)).await.unwrap();
        assert!(next > last, "{next} follows {last}");
        assert_eq!(stored(&store, &conversation).await.revision, next);
        last = next;
    }
}

pub async fn a_conversation_that_exists_is_not_added_again(store: Arc<dyn Store>) {
    let (conversation, revision) = chat(&store, 1, 1).await;
    let mut again = conversation.clone();
    again.opted_out = true;
    let refused = store
        .commit(&ConversationChange::new(again).into(), None)
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(
        stored(&store, &conversation).await,
        Versioned::new(conversation, revision)
    );
}

pub async fn a_conversation_that_does_not_exist_is_not_replaced(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let change = ConversationChange::new(conversation(1, 1)).into();
    let refused = store.commit(&change, Some(Revision::FIRST)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    let id = conversation_id(1, 1);
    assert_eq!(store.conversation(id).await.unwrap(), None);
}

pub async fn a_stale_revision_of_a_conversation_conflicts(store: Arc<dyn Store>) {
    let (conversation, stale) = chat(&store, 1, 1).await;
    let change = ConversationChange::new(conversation.clone()).into();
    let newest = store.commit(&change, Some(stale)).await.unwrap();
    let mut late = conversation.clone();
    late.opted_out = true;
    let change = ConversationChange::new(late).into();
    for expected in [stale, newest.next(), Revision::new(newest.number() + 100)] {
        let refused = store.commit(&change, Some(expected)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    assert_eq!(
        stored(&store, &conversation).await,
        Versioned::new(conversation, newest)
    );
}

pub async fn conversations_of_one_creator_have_revisions_of_their_own(store: Arc<dyn Store>) {
    let (first, first_revision) = chat(&store, 1, 1).await;
    let (second, second_revision) = chat(&store, 1, 2).await;
    let change = ConversationChange::new(first).into();
    store.commit(&change, Some(first_revision)).await.unwrap();
    assert_eq!(stored(&store, &second).await.revision, second_revision);
    let change = ConversationChange::new(second).into();
    store.commit(&change, Some(second_revision)).await.unwrap();
}
