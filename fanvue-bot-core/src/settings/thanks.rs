//! Which payments are thanked for.

use serde::{Deserialize, Serialize};

use crate::ledger::TransactionKind;

/// After which payments the fan gets a message that thanks them, whether they wrote or not.
///
/// A payment is thanked for once, however often it is told of; several, and what the fan wrote meanwhile, are answered
/// together. Whatever is set here, a reply that is written anyway knows what the fan paid lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Thanks {
    /// After a tip. Default: yes; it is a present, and one is thanked for.
    pub tip: bool,
    /// After a purchase. Default: no; what was bought is the answer.
    pub purchase: bool,
    /// After a new subscription. Default: no; many creators have a welcome of their own on Fanvue.
    pub subscription: bool,
    /// After a renewal. Default: no; it happens by itself, and a message reminds of it.
    pub renewal: bool,
}

impl Default for Thanks {
    fn default() -> Self {
        Self {
            tip: true,
            ..Self::none()
        }
    }
}

impl Thanks {
    /// For nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            tip: false,
            purchase: false,
            subscription: false,
            renewal: false,
        }
    }

    /// Whether a payment of this kind is thanked for.
    #[must_use]
    pub const fn include(&self, kind: TransactionKind) -> bool {
        match kind {
            TransactionKind::Tip => self.tip,
            TransactionKind::Purchase => self.purchase,
            TransactionKind::Subscription => self.subscription,
            TransactionKind::Renewal => self.renewal,
            _ => false,
        }
    }
}
