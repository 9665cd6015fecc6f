use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::memory::MemoryStore;

const HERE: Whose = Whose::Deployment;

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn creator(number: u128) -> Whose {
    Whose::Creator(CreatorId::from_uuid(Uuid::from_u128(number)))
}

async fn revision(store: &MemoryStore, whose: Whose) -> Option<u64> {
    let stored = store.register(&whose.register()).await.unwrap();
    stored.map(|stored| stored.revision.number())
}

#[tokio::test]
async fn what_only_moves_a_time_is_written_every_half_minute_and_a_failure_soon() {
    let (store, pulse) = (MemoryStore::new(), Pulse::default());
    let mut writes = Vec::new();
    for second in 0..100 {
        pulse.works(HERE, Part::Worker, at(second));
        if second == 50 || second == 52 {
            pulse.fails(HERE, Part::Model, Trouble::OutOfQuota, at(second));
        }
        if second == 51 {
            pulse.works(HERE, Part::Model, at(second));
        }
        if pulse.is_due() {
            pulse.flush(&store, at(second)).await.unwrap();
            assert!(!pulse.is_due());
            writes.push(second);
        }
    }
    assert_eq!(writes, [0, 30, 50, 80]);
    assert_eq!(revision(&store, HERE).await, Some(4));
}

#[tokio::test]
async fn what_processes_note_is_put_together_whoever_writes_when() {
    let store = MemoryStore::new();
    let (one, two) = (Pulse::default(), Pulse::default());
    one.works(HERE, Part::Fanvue, at(10));
    one.flush(&store, at(10)).await.unwrap();
    two.fails(HERE, Part::Fanvue, Trouble::RateLimited, at(20));
    two.flush(&store, at(20)).await.unwrap();
    one.fails(HERE, Part::Fanvue, Trouble::RateLimited, at(40));
    one.flush(&store, at(40)).await.unwrap();
    let seen = Pulse::default().read(&store, HERE).await.unwrap();
    let expected = Failing {
        trouble: Trouble::RateLimited,
        since: at(20),
        at: at(40),
    };
    assert_eq!(seen.of(Part::Fanvue).failing(), Some(expected));

    two.works(HERE, Part::Fanvue, at(50));
    two.flush(&store, at(50)).await.unwrap();
    let seen = one.read(&store, HERE).await.unwrap().of(Part::Fanvue);
    assert_eq!((seen.failing(), seen.worked_at), (None, Some(at(50))));
    assert_eq!(seen.last_failure, Some(expected));
}

#[tokio::test]
async fn while_one_call_writes_others_have_nothing_to_do() {
    let (store, pulse) = (MemoryStore::new(), Pulse::default());
    pulse.works(HERE, Part::Webhook, at(1));
    let writing = Writing::begin(&pulse).unwrap();
    assert!(!pulse.is_due());
    pulse.flush(&store, at(1)).await.unwrap();
    assert_eq!(revision(&store, HERE).await, None);
    // As a call that is dropped.
    drop(writing);
    assert!(pulse.is_due());
    pulse.flush(&store, at(1)).await.unwrap();
    assert_eq!(revision(&store, HERE).await, Some(1));
    assert!(!pulse.is_due());
}

#[tokio::test]
async fn many_creators_are_written_in_turns() {
    let (store, pulse) = (MemoryStore::new(), Pulse::default());
    for number in 0..100 {
        pulse.works(creator(number), Part::Webhook, at(1));
    }
    let mut flushes = 0;
    while pulse.is_due() {
        pulse.flush(&store, at(1)).await.unwrap();
        flushes += 1;
    }
    assert_eq!(flushes, 4);
    for number in 0..100 {
        assert_eq!(revision(&store, creator(number)).await, Some(1));
    }
}

#[test]
fn a_failure_of_another_kind_begins_anew_and_work_ends_it() {
    let mut vitals = Vitals::default();
    vitals.fails(Part::Model, Trouble::RateLimited, at(1));
    vitals.fails(Part::Model, Trouble::RateLimited, at(2));
    vitals.fails(Part::Model, Trouble::OutOfQuota, at(3));
    let failing = vitals.of(Part::Model).failing().unwrap();
    assert_eq!(
        (failing.trouble, failing.since),
        (Trouble::OutOfQuota, at(3))
    );
    vitals.works(Part::Model, at(4));
    assert_eq!(vitals.of(Part::Model).failing(), None);
    vitals.fails(Part::Model, Trouble::OutOfQuota, at(5));
    assert_eq!(vitals.of(Part::Model).failing().unwrap().since, at(5));
}

#[test]
fn what_a_newer_version_wrote_is_passed_over() {
    let text = "model 5 exhausted 1 2\nstars 1 - - -\nworker 7 - - -\npoll\n\n";
    let vitals = Vitals::from_text(text);
    assert_eq!(
        vitals.of(Part::Model).worked_at,
        Some(Timestamp::from_micros(5))
    );
    assert_eq!(vitals.of(Part::Model).last_failure, None);
    assert_eq!(
        vitals.of(Part::Worker).worked_at,
        Some(Timestamp::from_micros(7))
    );
    assert_eq!(vitals.to_text(), "model 5 - - -\nworker 7 - - -\n");
}

/// Something noted of one of two parts.
fn notes() -> impl Strategy<Value = Vec<(bool, Option<usize>, i64)>> {
    prop::collection::vec(
        (any::<bool>(), prop::option::of(0_usize..3), 0_i64..20),
        0..12,
    )
}

fn vitals(notes: &[(bool, Option<usize>, i64)]) -> Vitals {
    let mut vitals = Vitals::default();
    for (first, trouble, second) in notes {
        let part = if *first { Part::Fanvue } else { Part::Model };
        match trouble {
            None => vitals.works(part, at(*second)),
            Some(index) => vitals.fails(part, Trouble::ALL[*index], at(*second)),
        }
    }
    vitals
}

proptest! {
    #[test]
    fn what_is_written_reads_back(notes in notes()) {
        let vitals = vitals(&notes);
        prop_assert_eq!(Vitals::from_text(&vitals.to_text()), vitals);
    }

    /// Or two processes would write the record in turns for ever.
    #[test]
    fn putting_together_ends(one in notes(), two in notes()) {
        let (one, two) = (vitals(&one), vitals(&two));
        let both = one.merged(&two);
        prop_assert!(both.says_the_same_as(&one) && both.says_the_same_as(&two));
        for part in [Part::Fanvue, Part::Model] {
            let vital = both.of(part);
            prop_assert_eq!(vital.worked_at, one.of(part).worked_at.max(two.of(part).worked_at));
            if let Some(failing) = vital.failing() {
                prop_assert!(failing.since <= failing.at);
                prop_assert!(vital.worked_at.is_none_or(|worked| worked < failing.since));
            }
        }
    }
}
