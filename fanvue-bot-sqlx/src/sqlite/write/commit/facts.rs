//! What the stored data says that commits depend on.

use std::collections::{BTreeMap, BTreeSet};

use fanvue_bot_core::backend::BackendError;
use fanvue_bot_core::store::StoreError;
use sqlx::sqlite::SqliteConnection;
use uuid::Uuid;

use super::{Intake, MessageKey, Written};
use crate::change::ChangeRows;
use crate::sqlite::fault::Fault;
use crate::sqlite::sql::{Columns, Values, fetch, json_keys};
use crate::sqlite::write::Call;

const CONVERSATIONS: &str = "\
    SELECT c.creator_id, c.fan_id, c.revision \
    FROM json_each(?1) AS k CROSS JOIN conversations AS c \
    WHERE c.creator_id = unhex(substr(k.value, 1, 32)) \
    AND c.fan_id = unhex(substr(k.value, 33, 32))";

const MESSAGES: &str = "\
    SELECT m.creator_id, m.fan_id, m.id \
    FROM json_each(?1) AS k CROSS JOIN messages AS m \
    WHERE m.creator_id = unhex(substr(k.value, 1, 32)) \
    AND m.fan_id = unhex(substr(k.value, 33, 32)) \
    AND m.id = unhex(substr(k.value, 65, 32))";

const TRANSACTIONS: &str = "\
    SELECT t.creator_id, t.fan_id, t.id \
    FROM json_each(?1) AS k CROSS JOIN transactions AS t \
    WHERE t.creator_id = unhex(substr(k.value, 1, 32)) \
    AND t.fan_id = unhex(substr(k.value, 33, 32)) \
    AND t.id = unhex(substr(k.value, 65, 32))";

const CREATORS: &str = "\
    SELECT c.creator_id, c.account_id, c.revision \
    FROM json_each(?1) AS k CROSS JOIN creators AS c \
    WHERE c.creator_id = unhex(k.value)";

/// Crosses tenants: an account belongs to one creator of the whole deployment.
const ACCOUNTS: &str = "\
    SELECT c.account_id, c.creator_id \
    FROM json_each(?1) AS k CROSS JOIN creators AS c \
    WHERE c.account_id = unhex(k.value)";

const ERASED: &str = "\
    SELECT e.creator_id \
    FROM json_each(?1) AS k CROSS JOIN erased_creators AS e \
    WHERE e.creator_id = unhex(k.value)";

/// Stored revisions, messages, transactions and accounts, as far as the calls at hand name them; kept up to date as
/// calls are accepted.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) conversations: BTreeMap<[Uuid; 2], i64>,
    pub(super) messages: BTreeSet<MessageKey>,
    pub(super) transactions: BTreeSet<MessageKey>,
    pub(super) creators: BTreeMap<Uuid, i64>,
    /// The creators at hand who were erased, of whom nothing new is stored.
    erased: BTreeSet<Uuid>,
    /// The accounts of the creators at hand.
    connected: BTreeMap<Uuid, Uuid>,
    /// Who has the accounts at hand.
    owners: BTreeMap<Uuid, Uuid>,
}

impl Facts {
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        calls: &[&mut Call<Intake, Written, BackendError>],
    ) -> Result<Self, Fault> {
        let mut conversations = BTreeSet::new();
        let mut messages = BTreeSet::new();
        let mut transactions = BTreeSet::new();
        let mut creators = BTreeSet::new();
        let mut accounts = BTreeSet::new();
        let mut adding = BTreeSet::new();
        for call in calls {
            if let Some((change, None)) = &call.args.change {
                adding.insert([change.creator()]);
            }
            match &call.args.change {
                Some((ChangeRows::Creator(row), _)) => {
                    creators.insert([row.creator]);
                    accounts.extend(row.account.map(|account| [account]));
                }
                Some((ChangeRows::Conversation(change), expected)) => {
                    let row = &change.conversation;
                    conversations.insert([row.creator, row.fan]);
                    let new = change.messages.iter().map(|message| message.id);
                    let paid = change.transactions.iter();
                    transactions.extend(paid.map(|paid| [row.creator, row.fan, paid.id]));
                    // A conversation that is new has no messages; if it is not, it conflicts anyway.
                    if expected.is_some() || change.presupposed().next().is_some() {
                        messages.extend(
                            new.chain(change.presupposed())
                                .map(|message| [row.creator, row.fan, message]),
                        );
                    }
                }
                None => {}
            }
        }
        let mut facts = Self::default();
        for row in lookup(connection, CONVERSATIONS, &conversations).await? {
            let columns = Columns::new(&row, "conversations");
            facts.conversations.insert(
                [columns.id(0, "creator_id")?, columns.id(1, "fan_id")?],
                columns.int(2, "revision")?,
            );
        }
        for row in lookup(connection, MESSAGES, &messages).await? {
            let columns = Columns::new(&row, "messages");
            facts.messages.insert([
                columns.id(0, "creator_id")?,
                columns.id(1, "fan_id")?,
                columns.id(2, "id")?,
            ]);
        }
        for row in lookup(connection, TRANSACTIONS, &transactions).await? {
            let columns = Columns::new(&row, "transactions");
            facts.transactions.insert([
                columns.id(0, "creator_id")?,
                columns.id(1, "fan_id")?,
                columns.id(2, "id")?,
            ]);
        }
        for row in lookup(connection, CREATORS, &creators).await? {
            let columns = Columns::new(&row, "creators");
            let creator = columns.id(0, "creator_id")?;
            facts.creators.insert(creator, columns.int(2, "revision")?);
            if let Some(account) = columns.id_or_null(1, "account_id")? {
                facts.connected.insert(creator, account);
                facts.owners.insert(account, creator);
            }
        }
        for row in lookup(connection, ACCOUNTS, &accounts).await? {
            let columns = Columns::new(&row, "creators");
            facts
                .owners
                .insert(columns.id(0, "account_id")?, columns.id(1, "creator_id")?);
        }
        for row in lookup(connection, ERASED, &adding).await? {
            let columns = Columns::new(&row, "erased_creators");
            facts.erased.insert(columns.id(0, "creator_id")?);
        }
        Ok(facts)
    }

    /// Whether something new of this creator may be stored.
    pub(super) fn may_add(&self, creator: Uuid) -> bool {
        !self.erased.contains(&creator)
    }

    pub(super) fn creator(&self, creator: Uuid) -> Option<i64> {
        self.creators.get(&creator).copied()
    }

    /// Gives the account to the creator in place of the one it had.
    pub(super) fn claim_account(
        &mut self,
        creator: Uuid,
        account: Option<Uuid>,
    ) -> Result<(), StoreError> {
        if let Some(account) = account
            && self
                .owners
                .get(&account)
                .is_some_and(|owner| *owner != creator)
        {
            return Err(StoreError::Conflict);
        }
        if let Some(before) = self.connected.remove(&creator) {
            self.owners.remove(&before);
        }
        if let Some(account) = account {
            self.connected.insert(creator, account);
            self.owners.insert(account, creator);
        }
        Ok(())
    }
}

async fn lookup<const N: usize>(
    connection: &mut SqliteConnection,
    sql: &'static str,
    keys: &BTreeSet<[Uuid; N]>,
) -> Result<Vec<sqlx::sqlite::SqliteRow>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys = json_keys(keys.iter().map(|key| key.as_slice()));
    fetch(connection, sql, Values::default().text(keys)?).await
}

#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[
    CONVERSATIONS,
    MESSAGES,
    TRANSACTIONS,
    CREATORS,
    ACCOUNTS,
    ERASED,
];
