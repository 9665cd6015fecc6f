//! The lines about a creator's grant.

use super::{Cause, Finding, Line, Topic};
use crate::oauth::{Connection, GrantStatus, RefreshFailure, TokenError};
use crate::secret::VaultError;
use crate::time::Timestamp;

pub(super) fn lines(status: Result<GrantStatus, TokenError>, now: Timestamp) -> Vec<Line> {
    match status {
        Ok(status) => vec![
            Line::new(Topic::Token, status.issued_at).finding(connection(&status)),
            Line::new(Topic::Expiry, status.expires_at).finding(expiry(&status, now)),
            Line::new(Topic::Refresh, status.issued_at).finding(refresh(&status)),
        ],
        Err(error) => {
            let cause = match &error {
                TokenError::Vault(error) if !matches!(**error, VaultError::Sealed { .. }) => {
                    Cause::VaultDown
                }
                _ => Cause::TokenUnreadable,
            };
            let finding = Finding { cause, since: None };
            vec![Line::new(Topic::Token, None).finding(Some(finding))]
        }
    }
}

fn connection(status: &GrantStatus) -> Option<Finding> {
    let cause = match (status.connection, status.last_failure) {
        (Connection::Connected, _) => return None,
        (Connection::NotConnected, _) => Cause::NotConnected,
        (_, Some(RefreshFailure::NoRefreshToken)) => Cause::NoRefreshToken,
        _ => Cause::NeedsReconnect,
    };
    Some(Finding {
        cause,
        since: status.last_failure_at,
    })
}

/// An access token that nobody has needed since it expired is replaced when somebody does.
fn expiry(status: &GrantStatus, now: Timestamp) -> Option<Finding> {
    let expired = status.expires_at.filter(|expires_at| *expires_at <= now);
    let failed = status.last_failure.is_some() && status.connection == Connection::Connected;
    expired.filter(|_| failed).map(|since| Finding {
        cause: Cause::AccessExpired,
        since: Some(since),
    })
}

fn refresh(status: &GrantStatus) -> Option<Finding> {
    let cause = match (status.connection, status.last_failure?) {
        (Connection::Connected, RefreshFailure::InvalidClient) => Cause::WrongAppSecret,
        (Connection::Connected, _) => Cause::RefreshFailing,
        _ => return None,
    };
    Some(Finding {
        cause,
        since: status.last_failure_at,
    })
}
