//! Which agencies' authorizations were begun. Agencies have no record of their own, so a sweep would not know whom
//! to look at.
//!
//! A register with a line for each: the agency's id, and when its authorization ends, in microseconds. One who begins
//! again has one line, and the sweep takes lines away whose time is over.

use std::collections::BTreeMap;

use super::{AuthorizeError, Authorizer};
use crate::id::AgencyId;
use crate::revision::{Revision, Versioned};
use crate::store::{RegisterName, StoreError};
use crate::time::Timestamp;

const REGISTER: &str = "authorizations/agencies";

type Begun = BTreeMap<AgencyId, Timestamp>;

impl Authorizer {
    /// The agencies whose authorization was begun and has ended by now, one way or another, and that
    /// [`Authorizer::erase_expired`] has not been asked for since.
    ///
    /// # Errors
    /// [`AuthorizeError::Store`].
    pub async fn expired_agencies(&self) -> Result<Vec<AgencyId>, AuthorizeError> {
        let now = self.ports().clock.now();
        let (begun, _) = self.begun().await?;
        let over = begun.into_iter().filter(|(_, ends_at)| *ends_at <= now);
        Ok(over.map(|(agency, _)| agency).collect())
    }

    /// Notes that an agency's authorization begins, before anything of it is stored.
    pub(super) async fn note_begun(
        &self,
        agency: AgencyId,
        ends_at: Timestamp,
    ) -> Result<(), AuthorizeError> {
        self.change_begun(|begun| {
            // Of two that begin at once the later end counts, whichever of them is stored.
            let known = begun.get(&agency).is_some_and(|known| *known >= ends_at);
            if !known {
                begun.insert(agency, ends_at);
            }
            !known
        })
        .await
    }

    /// Forgets the agency, unless it has begun again.
    pub(super) async fn note_ended(
        &self,
        agency: AgencyId,
        now: Timestamp,
    ) -> Result<(), AuthorizeError> {
        self.change_begun(|begun| {
            let is_over = begun.get(&agency).is_some_and(|ends_at| *ends_at <= now);
            if is_over {
                begun.remove(&agency);
            }
            is_over
        })
        .await
    }

    /// Writes what `change` made of it, if it says that it changed anything.
    async fn change_begun(
        &self,
        change: impl Fn(&mut Begun) -> bool,
    ) -> Result<(), AuthorizeError> {
        let name = RegisterName::new(REGISTER);
        loop {
            let (mut begun, expected) = self.begun().await?;
            if !change(&mut begun) {
                return Ok(());
            }
            let store = &self.ports().store;
            match store.set_register(&name, &to_text(&begun), expected).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn begun(&self) -> Result<(Begun, Option<Revision>), AuthorizeError> {
        let name = RegisterName::new(REGISTER);
        let stored = self.ports().store.register(&name).await?;
        Ok(match stored {
            Some(Versioned { value, revision }) => (from_text(&value), Some(revision)),
            None => (Begun::new(), None),
        })
    }
}

fn to_text(begun: &Begun) -> String {
    let lines = begun.iter();
    lines
        .map(|(agency, ends_at)| format!("{agency} {}\n", ends_at.as_micros()))
        .collect()
}

/// Passes over what does not read back.
fn from_text(text: &str) -> Begun {
    let line = |line: &str| {
        let (agency, ends_at) = line.split_once(' ')?;
        let ends_at = Timestamp::from_micros(ends_at.parse().ok()?);
        Some((agency.parse().ok()?, ends_at))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_what_is_not_a_line_is_passed_over() {
        let agency = |number| AgencyId::from_uuid(uuid::Uuid::from_u128(number));
        let begun = Begun::from([
            (agency(1), Timestamp::from_seconds(7)),
            (agency(2), Timestamp::from_seconds(8)),
        ]);
        let text = to_text(&begun);
        assert_eq!(from_text(&text), begun);
        assert_eq!(
            from_text(&format!("x\nx 1\n{} x\n{text}", agency(3))),
            begun
        );
        assert_eq!(from_text(""), Begun::new());
    }
}
