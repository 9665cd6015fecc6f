//! A token set as it lies in the vault.

use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use super::fields;
use super::status::RefreshFailure;
use crate::id::AccountId;
use crate::time::Timestamp;

const ACCESS_TOKEN: u8 = 1;
const REFRESH_TOKEN: u8 = 2;
const EXPIRES_AT: u8 = 3;
const SCOPE: u8 = 4;
const NEEDS_RECONNECT: u8 = 5;
const ISSUED_AT: u8 = 6;
const REFRESH_STARTED: u8 = 7;
const FAILURE: u8 = 8;
const ALERTED_AT: u8 = 9;
const ACCOUNT: u8 = 10;
const CLIENT_ID: u8 = 11;

#[derive(Clone)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct StoredTokens {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_at: Timestamp,
    pub(super) scopes: Vec<String>,
    /// Fanvue refused the refresh token: only a person can mend it.
    pub(super) needs_reconnect: bool,
    /// When the pair was issued.
    pub(super) issued_at: Option<Timestamp>,
    /// When the refresh token of this pair may first have been used: written before the request leaves. A
    /// new pair has none, so this is about exactly the token beside it.
    pub(super) refresh_started: Option<Timestamp>,
    /// What the last refresh of this pair failed with, and when.
    pub(super) failure: Option<(RefreshFailure, Timestamp)>,
    /// When the operator was told that the account has to be connected again.
    pub(super) alerted_at: Option<Timestamp>,
    /// The account that gave the grant, where it was asked.
    pub(super) account: Option<AccountId>,
    /// The app that the tokens were issued to: no other one can refresh them.
    pub(super) client_id: Option<String>,
}

impl Drop for StoredTokens {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl StoredTokens {
    /// `None` if a token is 4 GiB long.
    pub(super) fn to_bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let expires_at = self.expires_at.as_micros().to_le_bytes();
        let issued_at = self.issued_at.map(|at| at.as_micros().to_le_bytes());
        let started = self.refresh_started.map(|at| at.as_micros().to_le_bytes());
        let account = self.account.map(|account| account.as_uuid().into_bytes());
        let alerted_at = self.alerted_at.map(|at| at.as_micros().to_le_bytes());
        let failure = self.failure.map(|(failure, at)| {
            let mut value = [failure.number(); 9];
            value[1..].copy_from_slice(&at.as_micros().to_le_bytes());
            value
        });
        let mut fields: Vec<(u8, &[u8])> = vec![
            (ACCESS_TOKEN, self.access_token.as_bytes()),
            (EXPIRES_AT, &expires_at),
        ];
        if let Some(token) = &self.refresh_token {
            fields.push((REFRESH_TOKEN, token.as_bytes()));
        }
        fields.extend(self.scopes.iter().map(|scope| (SCOPE, scope.as_bytes())));
        if self.needs_reconnect {
            fields.push((NEEDS_RECONNECT, &[]));
        }
        let times = [
            (ISSUED_AT, &issued_at),
            (REFRESH_STARTED, &started),
            (ALERTED_AT, &alerted_at),
        ];
        fields.extend(times.iter().filter_map(|(tag, value)| {
            let value = value.as_ref()?;
            Some((*tag, value.as_slice()))
        }));
        if let Some(value) = &failure {
            fields.push((FAILURE, value));
        }
        if let Some(account) = &account {
            fields.push((ACCOUNT, account));
        }
        if let Some(client_id) = &self.client_id {
            fields.push((CLIENT_ID, client_id.as_bytes()));
        }
        fields::write(&fields)
    }

    /// `None` if a field is cut off, of another type, or missing.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut tokens = Self {
            access_token: String::new(),
            refresh_token: None,
            expires_at: Timestamp::UNIX_EPOCH,
            scopes: Vec::new(),
            needs_reconnect: false,
            issued_at: None,
            refresh_started: None,
            failure: None,
            alerted_at: None,
            account: None,
            client_id: None,
        };
        let (mut has_access_token, mut expires_at) = (false, None);
        while let Some((tag, value)) = fields::take(&mut bytes).ok()? {
            let text = || std::str::from_utf8(value).ok().map(str::to_owned);
            match tag {
                ACCESS_TOKEN => {
                    tokens.access_token = text()?;
                    has_access_token = true;
                }
                REFRESH_TOKEN => tokens.refresh_token = Some(text()?),
                EXPIRES_AT => expires_at = Some(time(value)?),
                ISSUED_AT => tokens.issued_at = Some(time(value)?),
                REFRESH_STARTED => tokens.refresh_started = Some(time(value)?),
                ALERTED_AT => tokens.alerted_at = Some(time(value)?),
                FAILURE => {
                    let (number, at) = value.split_first()?;
                    let at = time(at)?;
                    tokens.failure =
                        RefreshFailure::from_number(*number).map(|failure| (failure, at));
                }
                ACCOUNT => {
                    let id = Uuid::from_slice(value).ok()?;
                    tokens.account = Some(AccountId::from_uuid(id));
                }
                CLIENT_ID => tokens.client_id = Some(text()?),
                SCOPE => tokens.scopes.push(text()?),
                NEEDS_RECONNECT => tokens.needs_reconnect = true,
                _ => {}
            }
        }
        tokens.expires_at = expires_at?;
        has_access_token.then_some(tokens)
    }
}

fn time(value: &[u8]) -> Option<Timestamp> {
    let micros = i64::from_le_bytes(value.try_into().ok()?);
    Some(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fields::HEADER;
    use super::*;

    fn tokens() -> StoredTokens {
        StoredTokens {
            access_token: "access".to_owned(),
            refresh_token: Some("refresh".to_owned()),
            expires_at: Timestamp::from_millis(1_790_000_000_123),
            scopes: vec!["read:chat".to_owned(), "write:chat".to_owned()],
            needs_reconnect: false,
            issued_at: None,
            refresh_started: None,
            failure: None,
            alerted_at: None,
            account: None,
            client_id: None,
        }
    }

    fn read(bytes: &[u8]) -> Option<StoredTokens> {
        StoredTokens::from_bytes(bytes)
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut dead = tokens();
        dead.refresh_token = None;
        dead.scopes.clear();
        dead.needs_reconnect = true;
        dead.alerted_at = Some(Timestamp::from_seconds(4));
        let mut started = tokens();
        started.issued_at = Some(Timestamp::from_seconds(1));
        started.refresh_started = Some(Timestamp::from_seconds(2));
        started.failure = Some((RefreshFailure::RateLimited, Timestamp::from_seconds(3)));
        let mut of_own_app = tokens();
        of_own_app.account = Some(AccountId::from_uuid(Uuid::from_u128(5)));
        of_own_app.client_id = Some("luna-app".to_owned());
        for tokens in [tokens(), dead, started, of_own_app] {
            assert_eq!(read(&tokens.to_bytes().unwrap()), Some(tokens));
        }
    }

    #[test]
    fn the_format_does_not_change() {
        let bytes = tokens().to_bytes().unwrap();
        assert_eq!(
            bytes.as_slice(),
            b"\x01\x06\0\0\0access\x03\x08\0\0\0\x78\xc0\x27\xda\xfe\x5b\x06\0\x02\x07\0\0\0refresh\
              \x04\x09\0\0\0read:chat\x04\x0a\0\0\0write:chat"
        );
    }

    #[test]
    fn the_fields_of_a_refresh_do_not_change() {
        let mut started = tokens();
        started.issued_at = Some(Timestamp::from_micros(1));
        started.refresh_started = Some(Timestamp::from_micros(2));
        started.failure = Some((RefreshFailure::Unavailable, Timestamp::from_micros(3)));
        let bytes = started.to_bytes().unwrap();
        let plain = tokens().to_bytes().unwrap();
        assert_eq!(
            &bytes[plain.len()..],
            b"\x06\x08\0\0\0\x01\0\0\0\0\0\0\0\x07\x08\0\0\0\x02\0\0\0\0\0\0\0\
              \x08\x09\0\0\0\x05\x03\0\0\0\0\0\0\0"
        );
    }

    #[test]
    fn a_field_of_a_newer_version_is_passed_over() {
        let mut bytes = tokens().to_bytes().unwrap();
        bytes.extend_from_slice(b"\xfe\x03\0\0\0new");
        assert_eq!(read(&bytes), Some(tokens()));
    }

    #[test]
    fn a_set_that_lacks_what_it_needs_is_refused() {
        let bytes = tokens().to_bytes().unwrap();
        for end in 0..HEADER + 6 + HEADER + 8 {
            assert_eq!(read(&bytes[..end]), None, "{end}");
        }
        assert_eq!(read(br#"{"access_token":"a"}"#), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&bytes);
        }
    }
}
