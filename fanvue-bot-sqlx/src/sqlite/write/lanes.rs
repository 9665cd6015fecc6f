//! Keeping a lane's row true to its jobs.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::Transaction;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute, json_keys};

/// A lane without jobs has no row.
const DROP: &str = "\
    DELETE FROM lanes WHERE lane_id IN (\
        SELECT l.lane_id FROM json_each(?1) AS k CROSS JOIN lanes AS l \
        WHERE l.creator_id = unhex(substr(k.value, 1, 32)) \
        AND l.lane = unhex(substr(k.value, 33, 32)) \
        AND NOT EXISTS (\
            SELECT 1 FROM jobs AS j WHERE j.creator_id = l.creator_id AND j.lane = l.lane))";

const REFRESH: &str = "\
    INSERT INTO lanes (creator_id, lane, head_due, head_priority, blocked_until, ready_at) \
    SELECT j.creator_id, j.lane, j.due_at, j.priority, \
        coalesce((SELECT max(b.blocked_until) FROM jobs AS b \
            WHERE b.creator_id = j.creator_id AND b.lane = j.lane \
            AND b.blocked_until IS NOT NULL), -9223372036854775808), j.due_at \
    FROM json_each(?1) AS k CROSS JOIN jobs AS j \
    WHERE j.seq = (SELECT f.seq FROM jobs AS f \
        WHERE f.creator_id = unhex(substr(k.value, 1, 32)) \
        AND f.lane = unhex(substr(k.value, 33, 32)) ORDER BY f.due_at, f.seq LIMIT 1) \
    ON CONFLICT (creator_id, lane) DO UPDATE SET head_due = excluded.head_due, \
        head_priority = excluded.head_priority, blocked_until = excluded.blocked_until, \
        ready_at = max(excluded.head_due, excluded.blocked_until)";

impl Transaction<'_> {
    /// Brings the rows of lanes whose jobs have changed up to date.
    pub(super) async fn refresh_lanes(&mut self, lanes: &BTreeSet<[Uuid; 2]>) -> Result<(), Fault> {
        if lanes.is_empty() {
            return Ok(());
        }
        let keys = json_keys(lanes.iter().map(|lane| lane.as_slice()));
        let dropped = execute(
            self.connection,
            DROP,
            Values::default().text(keys.as_str())?,
        )
        .await?;
        if u64::try_from(lanes.len()).is_ok_and(|all| all > dropped) {
            execute(self.connection, REFRESH, Values::default().text(keys)?).await?;
            self.lanes_moved = true;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[DROP, REFRESH];
