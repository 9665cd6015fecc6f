//! Registers: small values, set by whoever knows the newest.

use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::store::{RegisterName, StoreError};

use super::{Call, Transaction};
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute};

pub(in crate::sqlite) struct SettingRegister {
    pub(in crate::sqlite) name: RegisterName,
    pub(in crate::sqlite) value: String,
    pub(in crate::sqlite) expected: Option<Revision>,
}

const INSERT: &str = "\
    INSERT INTO registers (name, value, revision) VALUES (?1, ?2, 1) ON CONFLICT (name) DO NOTHING";

const UPDATE: &str =
    "UPDATE registers SET value = ?2, revision = ?3 + 1 WHERE name = ?1 AND revision = ?3";

impl Call<SettingRegister, Revision, StoreError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let args = &self.args;
        let values = Values::default()
            .text(args.name.as_str())?
            .text(&args.value)?;
        let changed = match args.expected {
            None => execute(transaction.connection, INSERT, values).await?,
            Some(expected) => match i64::try_from(expected.number()) {
                Ok(expected) => {
                    execute(transaction.connection, UPDATE, values.int(expected)?).await?
                }
                // A revision that no column holds was never given out here.
                Err(_) => 0,
            },
        };
        self.outcome = Some(if changed == 1 {
            Ok(args.expected.map_or(Revision::FIRST, Revision::next))
        } else {
            Err(StoreError::Conflict)
        });
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, UPDATE];
