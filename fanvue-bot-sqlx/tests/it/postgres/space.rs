//! A server whose disk is full: what does not fit fails, what was acknowledged stays, and it goes on when there is
//! space.

use std::error::Error as _;
use std::os::unix::fs::MetadataExt as _;

use fanvue_bot_core::message::Content;
use fanvue_bot_core::queue::JobQueue as _;
use fanvue_bot_core::retry::Retry;
use fanvue_bot_core::store::{Change, Store as _};
use fanvue_bot_sqlx::PostgresBackend;

use super::server::{ROLE, admin, empty, run};
use crate::given::{change, conversation_id, job, message, message_id};
use crate::small::SmallDisk;

/// A conversation with one long message that no compression makes short.
fn long(number: u128) -> Change {
    let id = conversation_id(1, number);
    let mut change = change(id);
    let mut message = message(id, number, 0);
    let mut state = u64::try_from(number).unwrap();
    let mut text = String::new();
    while text.len() < 100_000 {
        // SplitMix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        text.push_str(&format!("{:016x}", mixed ^ (mixed >> 31)));
    }
    message.content = Content::text(text);
    change.messages.push(message);
    change.into()
}

#[tokio::test]
async fn on_a_server_whose_disk_is_full_what_was_acknowledged_stays_and_work_goes_on_with_space() {
    let Some(data) = std::env::var_os("TEST_POSTGRES_DIR") else {
        eprintln!("SKIPPED: no server on this machine is at TEST_POSTGRES_DIR");
        return;
    };
    // The server keeps the database there, so the folder has to be its own.
    let owner = std::fs::metadata(&data).unwrap().uid();
    let Some(disk) = SmallDisk::new(24 << 20, 4 << 20, owner) else {
        return;
    };
    let folder = disk.path().join("space");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(owner), None).unwrap();
    // The server has to get there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(disk.path(), open).unwrap();
    let Some(database) = empty("space").await else {
        return;
    };
    let space = format!("fanvue_bot_test_{}", std::process::id());
    let mut admin = admin().await;
    run(
        &mut admin,
        format!(
            "CREATE TABLESPACE {space} OWNER {ROLE} LOCATION '{}'",
            folder.display()
        ),
    )
    .await;
    let mut inside = database.connect_as_admin().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut inside)
        .await
        .unwrap();
    // The tables go where there is little space, and the server's own files stay where there is enough.
    run(
        &mut admin,
        format!("ALTER DATABASE {name} SET default_tablespace = {space}"),
    )
    .await;

    let backend = PostgresBackend::open(database.address()).await.unwrap();
    let mut stored = 0_u128;
    let error = loop {
        match backend.commit(&long(stored + 1), None).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 10_000, "the limit has no effect");
    };
    assert!(stored > 10);
    assert_eq!(error.retry(), Retry::Backoff);
    let source = error.source().unwrap().to_string();
    assert!(source.contains("free space"), "{source}");
    let refused = conversation_id(1, stored + 1);
    assert!(backend.conversation(refused).await.unwrap().is_none());

    disk.throw_ballast();
    backend.commit(&long(stored + 1), None).await.unwrap();
    backend.enqueue(&[job(refused, "k", 0)]).await.unwrap();
    for number in 1..=stored + 1 {
        let id = conversation_id(1, number);
        let read = backend.message(id, message_id(number)).await.unwrap();
        assert!(read.is_some(), "message {number}");
    }
    backend.close().await;
    drop(inside);
    drop(database);
    run(&mut admin, format!("DROP TABLESPACE {space}")).await;
}
