//! An authorization that was begun and not ended, as it lies in the vault: one for each creator.
//!
//! A byte for the stage, the time it ends, the hash of what the caller has to show, the hash of the session
//! that began it, and what the stage needs.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::time::Timestamp;

const HASH: usize = 32;
const HEADER: usize = 1 + 8 + 2 * HASH;

/// How far an authorization has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The browser is with Fanvue; `rest` is the code verifier.
    Begun,
    /// Tokens of another account than before wait for a yes; `rest` is the account's id, then the tokens.
    Confirm,
    /// A callback, or whoever said yes, is connecting the account, and nobody else can use it; `rest` is empty.
    Used,
}

pub(super) struct Pending {
    pub(super) stage: Stage,
    pub(super) ends_at: Timestamp,
    pub(super) proof: [u8; HASH],
    pub(super) session: [u8; HASH],
    pub(super) rest: Zeroizing<Vec<u8>>,
}

pub(super) fn hash(text: &str) -> [u8; HASH] {
    Sha256::digest(text.as_bytes()).into()
}

impl Pending {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER + self.rest.len()));
        bytes.push(match self.stage {
            Stage::Begun => 1,
            Stage::Confirm => 2,
            Stage::Used => 3,
        });
        bytes.extend_from_slice(&self.ends_at.as_micros().to_le_bytes());
        bytes.extend_from_slice(&self.proof);
        bytes.extend_from_slice(&self.session);
        bytes.extend_from_slice(&self.rest);
        bytes
    }

    /// `None` for what another version wrote: it is as good as expired.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stage, bytes) = bytes.split_first()?;
        let (ends_at, bytes) = bytes.split_first_chunk::<8>()?;
        let (proof, bytes) = bytes.split_first_chunk::<HASH>()?;
        let (session, rest) = bytes.split_first_chunk::<HASH>()?;
        Some(Self {
            stage: match stage {
                1 => Stage::Begun,
                2 => Stage::Confirm,
                3 => Stage::Used,
                _ => return None,
            },
            ends_at: Timestamp::from_micros(i64::from_le_bytes(*ends_at)),
            proof: *proof,
            session: *session,
            rest: Zeroizing::new(rest.to_vec()),
        })
    }

    /// Whether `text` is what the caller has to show. Takes the same time wherever it differs.
    pub(super) fn is_proved_by(&self, text: &str) -> bool {
        self.proof.ct_eq(&hash(text)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_what_is_cut_does_not() {
        for stage in [Stage::Begun, Stage::Confirm, Stage::Used] {
            let pending = Pending {
                stage,
                ends_at: Timestamp::from_seconds(7),
                proof: hash("state"),
                session: hash("session"),
                rest: Zeroizing::new(b"verifier".to_vec()),
            };
            let bytes = pending.to_bytes();
            let read = Pending::from_bytes(&bytes).unwrap();
            assert_eq!((read.stage, read.ends_at), (stage, pending.ends_at));
            assert_eq!(read.session, hash("session"));
            assert_eq!(*read.rest, b"verifier");
            assert!(read.is_proved_by("state") && !read.is_proved_by("State"));
            for end in 0..HEADER {
                assert!(Pending::from_bytes(&bytes[..end]).is_none(), "{end}");
            }
        }
        assert!(Pending::from_bytes(&[9; HEADER]).is_none());
    }
}
