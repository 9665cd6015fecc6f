//! Leases: who may do what only one may do at a time.

use std::time::Duration;

use fanvue_bot_core::store::{HolderId, Lease, LeaseName, StoreError};
use fanvue_bot_core::time::Timestamp;

use super::{Call, Transaction};
use crate::row::CorruptField;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, execute, fetch};

pub(in crate::sqlite) struct Acquiring {
    pub(in crate::sqlite) name: LeaseName,
    pub(in crate::sqlite) holder: HolderId,
    pub(in crate::sqlite) now: Timestamp,
    pub(in crate::sqlite) ttl: Duration,
}

pub(in crate::sqlite) struct Releasing {
    pub(in crate::sqlite) lease: Lease,
}

/// Grants a lease that is free, lapsed or held by the same holder; answers nothing otherwise.
const ACQUIRE: &str = "\
    INSERT INTO leases (name, holder, fence, until) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (name) DO UPDATE SET \
        fence = CASE WHEN holder = excluded.holder THEN fence ELSE excluded.fence END, \
        holder = excluded.holder, until = excluded.until \
    WHERE until <= ?5 OR holder = excluded.holder \
    RETURNING fence";

const RELEASE: &str = "DELETE FROM leases WHERE name = ?1 AND holder = ?2 AND fence = ?3";

impl Call<Acquiring, Option<Lease>, StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let args = &self.args;
        let fence = transaction.number()?;
        let until = args.now + args.ttl;
        let values = Values::default()
            .text(args.name.as_str())?
            .text(args.holder.as_str())?
            .int(fence)?
            .int(until.as_micros())?
            .int(args.now.as_micros())?;
        let rows = fetch(&mut *transaction.connection, ACQUIRE, values).await?;
        let lease = match rows.first() {
            None => None,
            Some(row) => {
                let fence = Columns::new(row, "leases").int(0, "fence")?;
                Some(Lease {
                    name: args.name.clone(),
                    holder: args.holder.clone(),
                    fence: u64::try_from(fence)
                        .map_err(|_| CorruptField::new("leases", "fence", "a fence"))?,
                    until,
                })
            }
        };
        self.outcome = Some(Ok(lease));
        Ok(())
    }
}

impl Call<Releasing, (), StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let lease = &self.args.lease;
        // A fence that no column holds was never granted here.
        if let Ok(fence) = i64::try_from(lease.fence) {
            let values = Values::default()
                .text(lease.name.as_str())?
                .text(lease.holder.as_str())?
                .int(fence)?;
            execute(transaction.connection, RELEASE, values).await?;
        }
        self.outcome = Some(Ok(()));
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[ACQUIRE, RELEASE];
