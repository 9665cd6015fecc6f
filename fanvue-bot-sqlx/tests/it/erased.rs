//! What a deleted message said is not left in the file.

use fanvue_bot_core::message::Content;
use fanvue_bot_core::store::{ContentUpdate, Store as _};
use fanvue_bot_sqlx::SqliteBackend;

use crate::given::{Db, at, change, conversation_id, db, message, message_id};

const CANARY: &str = "canary-7f3a";

fn found(db: &Db) -> usize {
    let mut found = 0;
    for file in std::fs::read_dir(db.dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        found += bytes
            .windows(CANARY.len())
            .filter(|window| *window == CANARY.as_bytes())
            .count();
    }
    found
}

/// Messages of all lengths, among them ones that fill pages of their own, some with words that were
/// learned later.
#[tokio::test]
async fn no_file_of_the_database_holds_the_words_of_a_deleted_message_once_it_is_closed() {
    let db = db().await;
    let id = conversation_id(1, 1);
    let mut first = change(id);
    for number in 1..=60 {
        let mut row = message(id, number, 0);
        let length = usize::try_from(number * number * 10).unwrap();
        row.content = Content::text(CANARY.repeat(length / CANARY.len() + 1));
        first.messages.push(row);
    }
    let revision = db.backend.commit(&first.into(), None).await.unwrap();
    let mut learned = change(id);
    learned.contents = (1..=60)
        .step_by(3)
        .map(|number| ContentUpdate {
            message: message_id(number),
            content: Content::text(format!("{CANARY} was said by number {number}")),
            tokens: None,
        })
        .collect();
    let revision = db
        .backend
        .commit(&learned.into(), Some(revision))
        .await
        .unwrap();
    db.backend.close().await;
    assert!(found(&db) >= 60, "the words are looked for where they are");

    let again = SqliteBackend::open(&db.path).await.unwrap();
    let mut deleted = change(id);
    deleted.deletions = (1..=60).map(|number| (message_id(number), at(9))).collect();
    again.commit(&deleted.into(), Some(revision)).await.unwrap();
    again.close().await;
    assert_eq!(found(&db), 0);
}
