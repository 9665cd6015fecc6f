//! Broadcasts and their recipients.

use fanvue_bot_core::broadcast::Standing;
use fanvue_bot_core::id::{BroadcastId, ConversationId, CreatorId};
use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::StoreError;

use super::{Call, Transaction};
use crate::row::BroadcastRow;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute, fetch};

/// What is written about a broadcast. Fans are keys as [`json_keys`](crate::sqlite::sql::json_keys) writes them.
pub(in crate::sqlite) enum BroadcastWrite {
    Put {
        creator: CreatorId,
        id: BroadcastId,
        row: BroadcastRow,
        expected: Option<Revision>,
    },
    Add {
        creator: CreatorId,
        id: BroadcastId,
        /// Pairs of a key and the bytes of a name, or null.
        fans: String,
    },
    Move {
        creator: CreatorId,
        id: BroadcastId,
        fans: String,
        from: Standing,
        to: Standing,
    },
    Clear {
        creator: CreatorId,
        id: BroadcastId,
    },
    Forget {
        fan: ConversationId,
    },
}

const INSERT: &str = "\
    INSERT INTO broadcasts (creator_id, id, revision, created_at, due_at, broadcast) \
    VALUES (?1, ?2, 1, ?5, ?4, ?3) ON CONFLICT (creator_id, id) DO NOTHING";

const UPDATE: &str = "\
    UPDATE broadcasts SET revision = ?5 + 1, due_at = ?4, broadcast = ?3 \
    WHERE creator_id = ?1 AND id = ?2 AND revision = ?5";

const KNOWN: &str = "SELECT 1 FROM broadcasts WHERE creator_id = ?1 AND id = ?2";

const ADD: &str = "\
    INSERT INTO recipients (creator_id, broadcast_id, fan_id, standing, name) \
    SELECT ?1, ?2, unhex(value ->> 0), 'waiting', CAST(unhex(value ->> 1) AS TEXT) \
    FROM json_each(?3) WHERE true \
    ON CONFLICT (creator_id, broadcast_id, fan_id) DO NOTHING";

const MOVE: &str = "\
    UPDATE recipients SET standing = ?5 WHERE creator_id = ?1 AND broadcast_id = ?2 \
    AND standing = ?4 AND fan_id IN (SELECT unhex(value) FROM json_each(?3))";

const CLEAR: &str = "\
    DELETE FROM recipients WHERE creator_id = ?1 AND broadcast_id = ?2 \
    AND standing IN ('waiting', 'not_in_segment')";

const FORGET: &str = "DELETE FROM recipients WHERE creator_id = ?1 AND fan_id = ?2";

impl Call<BroadcastWrite, Revision, StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let connection = &mut *transaction.connection;
        let key = |creator: &CreatorId, id: &BroadcastId| {
            Values::default().id(creator.as_uuid())?.id(id.as_uuid())
        };
        let mut outcome = Ok(Revision::FIRST);
        match &self.args {
            BroadcastWrite::Put {
                creator,
                id,
                row,
                expected,
            } => {
                let mut values = key(creator, id)?.text(&row.broadcast)?;
                values.push(row.due_at)?;
                let changed = match expected.map(|expected| i64::try_from(expected.number())) {
                    None => execute(connection, INSERT, values.int(row.created_at)?).await?,
                    Some(Ok(expected)) => {
                        execute(connection, UPDATE, values.int(expected)?).await?
                    }
                    // A revision that no column holds was never given out here.
                    Some(Err(_)) => 0,
                };
                outcome = if changed == 1 {
                    Ok(expected.map_or(Revision::FIRST, Revision::next))
                } else {
                    Err(StoreError::Conflict)
                };
            }
            BroadcastWrite::Add { creator, id, fans } => {
                if fetch(&mut *connection, KNOWN, key(creator, id)?)
                    .await?
                    .is_empty()
                {
                    outcome = Err(StoreError::Rejected {
                        reason: "recipients: there is no such broadcast".to_owned(),
                    });
                } else {
                    execute(connection, ADD, key(creator, id)?.text(fans)?).await?;
                }
            }
            BroadcastWrite::Move {
                creator,
                id,
                fans,
                from,
                to,
            } => {
                let values = key(creator, id)?
                    .text(fans)?
                    .text(from.as_str())?
                    .text(to.as_str())?;
                execute(connection, MOVE, values).await?;
            }
            BroadcastWrite::Clear { creator, id } => {
                execute(connection, CLEAR, key(creator, id)?).await?;
            }
            BroadcastWrite::Forget { fan } => {
                let values = Values::default()
                    .id(fan.creator.as_uuid())?
                    .id(fan.fan.as_uuid())?;
                execute(connection, FORGET, values).await?;
            }
        }
        self.outcome = Some(outcome);
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, UPDATE, KNOWN, ADD, MOVE, CLEAR, FORGET];
