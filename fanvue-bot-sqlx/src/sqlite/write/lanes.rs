//! Keeping a lane's row true to its jobs.

use std::collections::BTreeSet;

use super::Transaction;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute, json_numbers};

/// A lane without jobs has no row.
const DROP: &str = "\
    DELETE FROM lanes WHERE lane_id IN (\
        SELECT k.value FROM json_each(?1) AS k \
        WHERE NOT EXISTS (SELECT 1 FROM jobs AS j WHERE j.lane_id = k.value))";

/// An upsert because it reads the lanes at hand only; an update that joins would read all.
const REFRESH: &str = "\
    INSERT OR FAIL INTO lanes (lane_id, creator_id, lane, head_due, head_priority, blocked_until, ready_at) \
    SELECT j.lane_id, j.creator_id, j.lane, j.due_at, j.priority, \
        coalesce((SELECT max(b.blocked_until) FROM jobs AS b \
            WHERE b.lane_id = j.lane_id AND b.blocked_until IS NOT NULL), \
            -9223372036854775808), j.due_at \
    FROM json_each(?1) AS k CROSS JOIN jobs AS j \
    WHERE j.seq = (SELECT f.seq FROM jobs AS f \
        WHERE f.lane_id = k.value ORDER BY f.due_at, f.seq LIMIT 1) \
    ON CONFLICT (lane_id) DO UPDATE SET head_due = excluded.head_due, \
        head_priority = excluded.head_priority, blocked_until = excluded.blocked_until, \
        ready_at = max(excluded.head_due, excluded.blocked_until)";

impl Transaction<'_> {
    /// Brings the rows of lanes whose jobs have changed up to date.
    pub(super) async fn refresh_lanes(&mut self, lanes: &BTreeSet<i64>) -> Result<(), Fault> {
        if lanes.is_empty() {
            return Ok(());
        }
        let numbers = json_numbers(lanes.iter().copied());
        let dropped = execute(
            self.connection,
            DROP,
            Values::default().text(numbers.as_str())?,
        )
        .await?;
        if u64::try_from(lanes.len()).is_ok_and(|all| all > dropped) {
            execute(self.connection, REFRESH, Values::default().text(numbers)?).await?;
            self.lanes_moved = true;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[DROP, REFRESH];
