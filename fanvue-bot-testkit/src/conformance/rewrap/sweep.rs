//! All secrets are brought under another key, while others read and write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fanvue_bot_core::secret::{
    Rewrap, Rotation, RotationReport, RotationStep, Secret, SecretVault as _, VaultError,
};
use tokio::task::JoinSet;

use super::{Reopen, id, ids, put, read};

async fn rotate(vault: Arc<dyn Rewrap>) -> RotationReport {
    let mut rotation = Rotation::new(vault);
    loop {
        if let RotationStep::Ended(report) = rotation.step().await.unwrap() {
            return report;
        }
    }
}

pub async fn a_rotation_brings_all_under_the_new_key_and_says_that_the_old_one_can_go(
    place: Reopen,
) {
    let old = place.old();
    for id in ids() {
        put(&*old, id).await;
    }
    let report = rotate(place.both()).await;
    assert_eq!(report.primary, place.new_only().primary_key());
    assert_eq!(report.rewrapped, u64::try_from(ids().len()).unwrap());
    assert_eq!(report.left, 0);
    assert!(report.shut.is_empty());
    let new = place.new_only();
    for id in ids() {
        assert_eq!(read(&*new, id).await, id.to_string());
    }
    assert_eq!(rotate(place.both()).await.rewrapped, 0);
}

pub async fn a_rotation_that_is_dropped_after_any_step_goes_on_when_begun_anew(place: Reopen) {
    let old = place.old();
    let count = 250;
    for number in 1..=count {
        put(&*old, id(number)).await;
    }
    let both = place.both();
    let mut left = u64::from(count);
    for steps in 1..10 {
        let mut rotation = Rotation::new(Arc::clone(&both));
        for _ in 0..steps {
            rotation.step().await.unwrap();
        }
        drop(rotation);
        let now = both.count_under_other_keys().await.unwrap();
        assert!(now <= left);
        left = now;
    }
    let report = rotate(both).await;
    assert_eq!(report.left, 0);
    let new = place.new_only();
    for number in 1..=count {
        assert_eq!(read(&*new, id(number)).await, id(number).to_string());
    }
}

pub async fn rotations_of_many_processes_at_once_do_no_harm(place: Reopen) {
    let old = place.old();
    for number in 1..=150 {
        put(&*old, id(number)).await;
    }
    let mut processes = JoinSet::new();
    for _ in 0..4 {
        processes.spawn(rotate(place.both()));
    }
    let reports = processes.join_all().await;
    assert!(reports.iter().all(|report| report.shut.is_empty()));
    assert!(reports.iter().any(|report| report.left == 0));
    let new = place.new_only();
    for number in 1..=150 {
        assert_eq!(read(&*new, id(number)).await, id(number).to_string());
    }
}

pub async fn nobody_who_reads_or_writes_during_a_rotation_is_refused(place: Reopen) {
    let old = place.old();
    for number in 1..=150 {
        put(&*old, id(number)).await;
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut others = JoinSet::new();
    for first in 1..=3 {
        let (vault, over) = (place.both(), Arc::clone(&over));
        others.spawn(async move {
            let mut round = 0_u32;
            while !over.load(Ordering::Relaxed) || round == 0 {
                round += 1;
                // Each has secrets of its own, so that nothing but the rotation could be in its way.
                for number in (first..=150).step_by(3) {
                    let stored = vault.get(&id(number)).await.unwrap().unwrap();
                    let next = Secret::new(format!("{number}/{round}"));
                    vault
                        .put(&id(number), &next, Some(stored.revision))
                        .await
                        .unwrap();
                    assert_eq!(read(&*vault, id(number)).await, format!("{number}/{round}"));
                }
            }
        });
    }
    let report = rotate(place.both()).await;
    over.store(true, Ordering::Relaxed);
    others.join_all().await;
    assert_eq!(report.left, 0);
    let new = place.new_only();
    for number in 1..=150 {
        assert!(
            read(&*new, id(number))
                .await
                .starts_with(&format!("{number}/"))
        );
    }
}

pub async fn a_secret_that_does_not_open_is_named_and_left(place: Reopen) {
    put(&*place.old(), id(1)).await;
    let new = place.new_only();
    put(&*new, id(2)).await;
    let report = rotate(new).await;
    assert_eq!((report.rewrapped, report.left), (0, 1));
    assert_eq!(report.shut.keys().collect::<Vec<_>>(), [&id(1)]);
    assert!(matches!(
        report.shut.get(&id(1)),
        Some(VaultError::Sealed { .. })
    ));
    assert_eq!(read(&*place.old(), id(1)).await, id(1).to_string());
}

pub async fn a_secret_put_under_the_old_key_meanwhile_is_counted_as_left(place: Reopen) {
    let (old, both) = (place.old(), place.both());
    put(&*old, id(2)).await;
    let mut rotation = Rotation::new(Arc::clone(&both));
    // The count, and the only page.
    for _ in 0..2 {
        assert!(matches!(
            rotation.step().await.unwrap(),
            RotationStep::Going(_)
        ));
    }
    put(&*old, id(1)).await;
    let RotationStep::Ended(report) = rotation.step().await.unwrap() else {
        panic!("there is more");
    };
    assert_eq!((report.rewrapped, report.left), (1, 1));
    assert_eq!(rotate(both).await.left, 0);
}
