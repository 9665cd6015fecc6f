//! Writing secrets, which arrive sealed.

use fanvue_bot_core::revision::Revision;
use fanvue_bot_core::secret::{Rewrapped, SecretId, VaultError};

use super::{Call, Transaction};
use crate::sealed::kind_column;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Values, execute};
use crate::sqlite::vault::owner;

pub(in crate::sqlite) struct PuttingSecret {
    pub(in crate::sqlite) id: SecretId,
    pub(in crate::sqlite) sealed: Vec<u8>,
    pub(in crate::sqlite) expected: Option<Revision>,
}

pub(in crate::sqlite) struct DeletingSecret {
    pub(in crate::sqlite) id: SecretId,
    pub(in crate::sqlite) expected: Revision,
}

/// Puts the value of a revision under another key.
pub(in crate::sqlite) struct RewrappingSecret {
    pub(in crate::sqlite) id: SecretId,
    pub(in crate::sqlite) sealed: Vec<u8>,
    pub(in crate::sqlite) expected: Revision,
}

const INSERT: &str = "\
    INSERT INTO secrets (creator_id, kind, revision, sealed) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (creator_id, kind) DO NOTHING";

const UPDATE: &str = "\
    UPDATE secrets SET revision = ?3, sealed = ?4 \
    WHERE creator_id = ?1 AND kind = ?2 AND revision = ?5";

const REWRAP: &str = "\
    UPDATE secrets SET sealed = ?4 WHERE creator_id = ?1 AND kind = ?2 AND revision = ?3";

const DELETE: &str = "DELETE FROM secrets WHERE creator_id = ?1 AND kind = ?2 AND revision = ?3";

impl Call<PuttingSecret, Revision, VaultError> {
    /// Revisions come from the sequence, so a secret that is deleted and put anew never has a revision
    /// that it had before.
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let revision = transaction.number()?;
        let values = Values::default()
            .bytes(owner(&self.args.id))?
            .text(kind_column(&self.args.id))?
            .int(revision)?
            .bytes(self.args.sealed.clone())?;
        let changed = match self.args.expected {
            None => execute(transaction.connection, INSERT, values).await?,
            Some(expected) => match i64::try_from(expected.number()) {
                Ok(expected) => {
                    execute(transaction.connection, UPDATE, values.int(expected)?).await?
                }
                Err(_) => 0,
            },
        };
        let revision = u64::try_from(revision).map_err(|_| Fault::OutOfRange("the sequence"))?;
        self.outcome = Some(if changed == 1 {
            Ok(Revision::new(revision))
        } else {
            Err(VaultError::Conflict)
        });
        Ok(())
    }
}

impl Call<DeletingSecret, (), VaultError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let changed = match i64::try_from(self.args.expected.number()) {
            Ok(expected) => {
                let values = Values::default()
                    .bytes(owner(&self.args.id))?
                    .text(kind_column(&self.args.id))?
                    .int(expected)?;
                execute(transaction.connection, DELETE, values).await?
            }
            Err(_) => 0,
        };
        self.outcome = Some(if changed == 1 {
            Ok(())
        } else {
            Err(VaultError::Conflict)
        });
        Ok(())
    }
}

impl Call<RewrappingSecret, Rewrapped, VaultError> {
    pub(super) async fn run(&mut self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        let changed = match i64::try_from(self.args.expected.number()) {
            Ok(expected) => {
                let values = Values::default()
                    .bytes(owner(&self.args.id))?
                    .text(kind_column(&self.args.id))?
                    .int(expected)?
                    .bytes(self.args.sealed.clone())?;
                execute(transaction.connection, REWRAP, values).await?
            }
            Err(_) => 0,
        };
        self.outcome = Some(Ok(if changed == 1 {
            Rewrapped::Done
        } else {
            Rewrapped::NotNeeded
        }));
        Ok(())
    }
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[INSERT, UPDATE, REWRAP, DELETE];
