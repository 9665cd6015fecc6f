//! Agencies: one grant for many creators.

use super::{AuthorizeError, Authorizer};
use crate::client::{Auth, ClientError, User};
use crate::creator::Creator;
use crate::id::{AccountId, AgencyId, CreatorId};
use crate::oauth::{GrantId, TokenError};
use crate::page::PageRequest;
use crate::queue::FailureNote;
use crate::revision::Versioned;
use crate::store::StoreError;

/// Creators of one page of Fanvue's list.
const PAGE: usize = 50;
/// The most pages that are read: 10,000 creators, far more than an agency has. A list that goes on for ever
/// must not.
const PAGES: usize = 200;
/// Creators of one look at the store.
const AT_ONCE: usize = 200;

/// A creator whom an agency manages, as Fanvue lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagedCreator {
    /// Their account at Fanvue.
    pub user: User,
    /// The creator of this deployment who has the account, if there is one.
    pub creator: Option<CreatorId>,
    /// Whose grant reaches that creator: this agency's once they are bound.
    pub grant: Option<GrantId>,
}

/// Agencies. [`Authorizer::start`] with an [`AgencyId`] connects one; its creators are then bound one by one.
impl Authorizer {
    /// The creators that the agency manages, and who of them is a creator here.
    ///
    /// # Errors
    /// [`AuthorizeError::Token`] if the agency is not connected; what Fanvue and the store say.
    pub async fn managed_creators(
        &self,
        agency: AgencyId,
    ) -> Result<Vec<ManagedCreator>, AuthorizeError> {
        let mut managed = Vec::new();
        for user in self.users_of(agency).await? {
            let known = self.ports().store.creator_by_account(user.id).await?;
            managed.push(ManagedCreator {
                user,
                creator: known.as_ref().map(|known| known.value.id),
                grant: known.map(|known| known.value.grant()),
            });
        }
        Ok(managed)
    }

    /// Reaches `creator` through the agency's grant from now on, as `account`. A grant of the creator's own is
    /// revoked. What waited for the account goes on. Idempotent.
    ///
    /// # Errors
    /// [`AuthorizeError::NotManaged`] if the agency does not manage the account;
    /// [`AuthorizeError::AccountTaken`] if another creator has it; [`AuthorizeError::OtherAccountBefore`] if
    /// the creator had another one, whose fans would be mixed up with this one's.
    pub async fn bind(
        &self,
        agency: AgencyId,
        creator: CreatorId,
        account: AccountId,
    ) -> Result<(), AuthorizeError> {
        self.creator(creator).await?;
        let managed = self.users_of(agency).await?;
        if managed.iter().all(|user| user.id != account) {
            return Err(AuthorizeError::NotManaged);
        }
        self.check_free(creator, account).await?;
        let bound = self.change(creator, |found| {
            if found.account.is_some_and(|before| before != account) {
                return Err(AuthorizeError::OtherAccountBefore);
            }
            let changes = found.agency != Some(agency) || found.account != Some(account);
            found.agency = Some(agency);
            found.account = Some(account);
            Ok(changes)
        });
        bound.await?;
        // After the creator is the agency's: until then it is the grant in use.
        let own = GrantId::Creator(creator);
        let token = self.tokens.forget(own).await?;
        self.ports().give_back(own, token.as_ref()).await;
        tracing::info!(creator.id = %creator, agency.id = %agency, "creator bound to the agency's grant");
        self.connected(creator).await;
        Ok(())
    }

    /// Reaches `creator` through the agency no more. The agency's grant and its other creators stay; this one
    /// has to be connected by a grant of their own, and their work waits for it. Idempotent.
    ///
    /// # Errors
    /// [`AuthorizeError::UnknownCreator`]; the store's.
    pub async fn release(&self, creator: CreatorId) -> Result<(), AuthorizeError> {
        let released = self.change(creator, |found| Ok(found.agency.take().is_some()));
        if released.await? {
            tracing::info!(creator.id = %creator, "creator released from the agency's grant");
        }
        Ok(())
    }

    /// Changes a creator, unless `change` says that there is nothing to change; answers whether there was.
    async fn change(
        &self,
        id: CreatorId,
        change: impl Fn(&mut Creator) -> Result<bool, AuthorizeError>,
    ) -> Result<bool, AuthorizeError> {
        loop {
            let Versioned { value, revision } = self.creator(id).await?;
            let mut creator = value;
            if !change(&mut creator)? {
                return Ok(false);
            }
            let store = &self.ports().store;
            match store.commit(&creator.into(), Some(revision)).await {
                Ok(_) => return Ok(true),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All that the agency manages.
    async fn users_of(&self, agency: AgencyId) -> Result<Vec<User>, AuthorizeError> {
        let auth = self.tokens.account(agency).await?;
        match self.all_users(&auth).await {
            Err(ClientError::Unauthorized) => {
                let auth = self.tokens.renew_account(agency, &auth).await?;
                Ok(self.all_users(&auth).await?)
            }
            users => Ok(users?),
        }
    }

    pub(super) async fn all_users(&self, auth: &Auth) -> Result<Vec<User>, ClientError> {
        let mut users = Vec::new();
        let mut request = PageRequest::first(PAGE);
        for _ in 0..PAGES {
            let page = self.ports().client.managed_creators(auth, &request).await?;
            users.extend(page.items);
            match page.next {
                Some(next) => request = PageRequest::after(PAGE, next),
                None => break,
            }
        }
        Ok(users)
    }

    /// Lets those know who wait for the creators of an agency that is connected again. Best effort: they go on
    /// by themselves when their wait ends.
    pub(super) async fn agency_connected(&self, agency: AgencyId) {
        if self.on_connect.is_none() {
            return;
        }
        let mut after = None;
        loop {
            let ids = match self.ports().store.creator_ids(after, AT_ONCE).await {
                Ok(ids) => ids,
                Err(error) => return untold(agency, &error),
            };
            let Some(last) = ids.last().copied() else {
                return;
            };
            for id in ids {
                match self.ports().store.creator(id).await {
                    Ok(Some(found)) if found.value.agency == Some(agency) => {
                        self.connected(id).await;
                    }
                    Ok(_) => {}
                    Err(error) => return untold(agency, &error),
                }
            }
            after = Some(last);
        }
    }

    /// What the agency's tokens at hand are of, dead ones included.
    pub(super) async fn account_of(
        &self,
        agency: AgencyId,
    ) -> Result<Option<AccountId>, AuthorizeError> {
        match self.ports().read(agency.into()).await {
            Ok(stored) => Ok(stored.and_then(|stored| stored.value.account)),
            // What does not read back is replaced.
            Err(TokenError::Corrupt) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn untold(agency: AgencyId, error: &StoreError) {
    tracing::warn!(
        agency.id = %agency,
        error = %FailureNote::from_error(error),
        "what waited for an agency's creators could not be woken at once"
    );
}
