//! Creators: one row each, found by id and by account.

use std::sync::Arc;
use std::time::Duration;

use fanvue_bot_core::creator::{Creator, CreatorStatus};
use fanvue_bot_core::id::AgencyId;
use fanvue_bot_core::persona::Persona;
use fanvue_bot_core::revision::{Revision, Versioned};
use fanvue_bot_core::settings::{Mode, Nearest, Pace, Settings};
use fanvue_bot_core::store::{Store, StoreError};

use super::given::{account_id, creator, creator_id, odd_texts, onboard};

async fn stored(store: &dyn Store, number: u32) -> Option<Versioned<Creator>> {
    store.creator(creator_id(number)).await.unwrap()
}

pub async fn a_creator_who_was_never_committed_is_none(store: Arc<dyn Store>) {
    assert_eq!(stored(&store, 1).await, None);
}

pub async fn a_creator_reads_back_at_the_revision_of_the_commit(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    assert_eq!(
        stored(&store, 1).await,
        Some(Versioned::new(creator(1), revision))
    );
}

pub async fn every_field_of_a_creator_reads_back(store: Arc<dyn Store>) {
    let mut persona = Persona::named("Mia")
        .biography("Sings. Lives by the sea.")
        .voice("short, warm, lower case")
        .example("hi", "hey you")
        .example("how are you?", "better now");
    persona.version = u32::MAX;
    persona.dos = vec!["ask back".to_owned(), String::new()];
    persona.donts = vec!["never promise to meet".to_owned()];
    persona.topics = vec!["music".to_owned()];
    persona.language = Some("de-AT".to_owned());
    persona.time_zone = Some("Europe/Vienna".to_owned());
    for stage in ["vip", "new", "warm"] {
        persona
            .stages
            .insert(stage.to_owned(), format!("how to treat {stage} fans"));
    }
    let mut settings = Settings::default()
        .mode(Mode::Auto)
        .settle(Duration::from_millis(1), Duration::from_secs(3_600))
        .pace(Pace::Immediate);
    settings.dry_run = true;
    settings.human_pause = Duration::from_secs(30 * 86_400);
    settings.typing_signal = false;
    settings.history_limit = 1;
    settings.prompt_tokens = 2_000_000;
    settings.reply_tokens = 100_000;
    let mut expected = Creator::new(creator_id(1), persona)
        .account(account_id(9))
        .settings(settings);
    expected.agency = Some(AgencyId::from_uuid(account_id(9).as_uuid()));
    expected.status = CreatorStatus::Inactive;
    store.commit(&expected.clone().into(), None).await.unwrap();
    assert_eq!(stored(&store, 1).await.unwrap().value, expected);
}

pub async fn odd_texts_of_a_persona_read_back(store: Arc<dyn Store>) {
    for (number, text) in (1..).zip(odd_texts()) {
        let mut expected = creator(number);
        expected.persona = Persona::named(&*text)
            .biography(&*text)
            .voice(&*text)
            .example(&*text, &*text);
        expected
            .persona
            .stages
            .insert(text.to_string(), text.to_string());
        store.commit(&expected.clone().into(), None).await.unwrap();
        assert_eq!(stored(&store, number).await.unwrap().value, expected);
    }
}

pub async fn a_creator_is_replaced_whole(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    let replaced = Creator::new(creator_id(1), Persona::named("Lea"));
    let revision = store
        .commit(&replaced.clone().into(), Some(revision))
        .await
        .unwrap();
    assert_eq!(
        stored(&store, 1).await,
        Some(Versioned::new(replaced, revision))
    );
}

pub async fn each_commit_of_a_creator_raises_the_revision(store: Arc<dyn Store>) {
    let mut last = onboard(&store, 1).await;
    for _ in 0..5 {
        let next = store.commit(&creator(1).into(), Some(last)).await.unwrap();
        assert!(next > last, "{next} follows {last}");
        assert_eq!(stored(&store, 1).await.unwrap().revision, next);
        last = next;
    }
}

pub async fn a_creator_who_exists_is_not_added_again(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    let mut again = creator(1);
    again.status = CreatorStatus::Inactive;
    let refused = store.commit(&again.into(), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(
        stored(&store, 1).await,
        Some(Versioned::new(creator(1), revision))
    );
}

pub async fn a_creator_who_does_not_exist_is_not_replaced(store: Arc<dyn Store>) {
    let refused = store
        .commit(&creator(1).into(), Some(Revision::FIRST))
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(stored(&store, 1).await, None);
    let found = store.creator_by_account(account_id(1)).await.unwrap();
    assert_eq!(found, None);
}

pub async fn contradictory_settings_are_refused_by_name_and_change_nothing(store: Arc<dyn Store>) {
    let (window, longest) = (Duration::from_secs(30), Duration::from_secs(20));
    let mut broken = creator(1).settings(Settings::default().settle(window, longest));
    broken.settings.history_limit = 0;
    let refused = store.commit(&broken.clone().into(), None).await;
    let Err(StoreError::InvalidSettings(invalid)) = refused else {
        panic!("{refused:?}");
    };
    let fields: Vec<&str> = invalid.faults().iter().map(|fault| &*fault.field).collect();
    assert_eq!(fields, ["settle_window", "history_limit"]);
    assert_eq!(
        invalid.faults()[0].nearest,
        Some(Nearest::Millis(longest)),
        "{invalid}"
    );
    assert_eq!(stored(&store, 1).await, None);

    let revision = onboard(&store, 1).await;
    let refused = store.commit(&broken.into(), Some(revision)).await;
    assert!(
        matches!(refused, Err(StoreError::InvalidSettings(_))),
        "{refused:?}"
    );
    assert_eq!(
        stored(&store, 1).await,
        Some(Versioned::new(creator(1), revision))
    );
}

pub async fn a_stale_revision_of_a_creator_conflicts_and_changes_nothing(store: Arc<dyn Store>) {
    let stale = onboard(&store, 1).await;
    let newest = store.commit(&creator(1).into(), Some(stale)).await.unwrap();
    let mut late = creator(1).account(account_id(5));
    late.status = CreatorStatus::Inactive;
    for expected in [stale, newest.next(), Revision::new(newest.number() + 100)] {
        let refused = store.commit(&late.clone().into(), Some(expected)).await;
        assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    }
    assert_eq!(
        stored(&store, 1).await,
        Some(Versioned::new(creator(1), newest))
    );
    let found = store.creator_by_account(account_id(5)).await.unwrap();
    assert_eq!(found, None);
}

pub async fn a_creator_is_found_by_their_account(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    onboard(&store, 2).await;
    for number in [1, 2] {
        let found = store.creator_by_account(account_id(number)).await.unwrap();
        assert_eq!(found, stored(&store, number).await);
    }
}

pub async fn an_unknown_account_finds_nobody(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let found = store.creator_by_account(account_id(2)).await.unwrap();
    assert_eq!(found, None);
}

pub async fn many_creators_may_have_no_account(store: Arc<dyn Store>) {
    for number in 1..=3 {
        let unconnected = Creator::new(creator_id(number), Persona::named("Mia"));
        store
            .commit(&unconnected.clone().into(), None)
            .await
            .unwrap();
        assert_eq!(stored(&store, number).await.unwrap().value, unconnected);
    }
}

pub async fn a_creator_can_connect_an_account_later(store: Arc<dyn Store>) {
    let unconnected = Creator::new(creator_id(1), Persona::named("Mia"));
    let revision = store
        .commit(&unconnected.clone().into(), None)
        .await
        .unwrap();
    let connected = unconnected.account(account_id(4));
    store
        .commit(&connected.clone().into(), Some(revision))
        .await
        .unwrap();
    let found = store.creator_by_account(account_id(4)).await.unwrap();
    assert_eq!(found.unwrap().value, connected);
}

pub async fn a_creator_keeps_their_account_when_committed_again(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    store
        .commit(&creator(1).into(), Some(revision))
        .await
        .unwrap();
    let found = store.creator_by_account(account_id(1)).await.unwrap();
    assert_eq!(found.unwrap().value, creator(1));
}

pub async fn a_creator_is_not_found_by_an_account_they_had_before(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    let moved = creator(1).account(account_id(8));
    store
        .commit(&moved.clone().into(), Some(revision))
        .await
        .unwrap();
    let old = store.creator_by_account(account_id(1)).await.unwrap();
    assert_eq!(old, None);
    let new = store.creator_by_account(account_id(8)).await.unwrap();
    assert_eq!(new.unwrap().value, moved);
}

pub async fn an_account_of_another_creator_conflicts_when_adding(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let thief = creator(2).account(account_id(1));
    let refused = store.commit(&thief.into(), None).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(stored(&store, 2).await, None);
    let owner = store.creator_by_account(account_id(1)).await.unwrap();
    assert_eq!(owner.unwrap().value, creator(1));
}

pub async fn an_account_of_another_creator_conflicts_when_replacing(store: Arc<dyn Store>) {
    onboard(&store, 1).await;
    let revision = onboard(&store, 2).await;
    let thief = creator(2).account(account_id(1));
    let refused = store.commit(&thief.into(), Some(revision)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(
        stored(&store, 2).await,
        Some(Versioned::new(creator(2), revision))
    );
    for number in [1, 2] {
        let owner = store.creator_by_account(account_id(number)).await.unwrap();
        assert_eq!(owner.unwrap().value, creator(number));
    }
}

pub async fn an_account_that_was_given_up_can_be_connected_by_another(store: Arc<dyn Store>) {
    let revision = onboard(&store, 1).await;
    let mut disconnected = creator(1);
    disconnected.account = None;
    store
        .commit(&disconnected.into(), Some(revision))
        .await
        .unwrap();
    let heir = creator(2).account(account_id(1));
    store.commit(&heir.clone().into(), None).await.unwrap();
    let found = store.creator_by_account(account_id(1)).await.unwrap();
    assert_eq!(found.unwrap().value, heir);
}

pub async fn the_ids_of_all_creators_come_in_order_and_in_pages(store: Arc<dyn Store>) {
    assert_eq!(store.creator_ids(None, 10).await.unwrap(), []);
    for number in [3, 1, 2] {
        onboard(&store, number).await;
    }
    let all = [1, 2, 3].map(creator_id);
    assert_eq!(store.creator_ids(None, 10).await.unwrap(), all);
    assert_eq!(store.creator_ids(None, 2).await.unwrap(), all[..2]);
    let rest = store.creator_ids(Some(all[1]), 2).await.unwrap();
    assert_eq!(rest, all[2..]);
    assert_eq!(store.creator_ids(Some(all[2]), 2).await.unwrap(), []);
    assert_eq!(store.creator_ids(None, 0).await.unwrap(), []);
    assert_eq!(store.creator_ids(None, usize::MAX).await.unwrap(), all);
}
