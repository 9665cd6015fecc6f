//! What follows from money: a message that thanks, and a time in which nothing is sold.

use std::time::Duration;

use super::Step;
use crate::conversation::{NoSell, NoSellCause, Purpose};
use crate::ledger::TransactionKind;
use crate::time::Timestamp;

/// Who paid longer ago is not thanked any more.
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Step<'_> {
    /// A transaction was recorded, for the first time.
    pub(super) fn paid(&mut self, kind: TransactionKind, at: Timestamp) {
        match kind {
            TransactionKind::Refund => self.sell_nothing(NoSellCause::Refund),
            TransactionKind::Dispute => self.sell_nothing(NoSellCause::Dispute),
            kind if self.settings.thanks.include(kind) && self.now().since(at) <= LATEST => {
                let first = self.next.thanks_due.map_or(at, |known| known.min(at));
                self.next.thanks_due = Some(first);
            }
            _ => {}
        }
    }

    /// Has the turn thank that answers the fan anyway, or begins one. What is written already is written anew. While a
    /// reply is on its way it waits for the outcome.
    pub(super) fn keep_thanks(&mut self) {
        let Some(mut since) = self.next.thanks_due.take() else {
            return;
        };
        if self.next.turn.is_none() {
            return self.begin_turn_for(Purpose::Thanks { since });
        }
        self.settle_again();
        if let Some(turn) = &mut self.next.turn {
            if let Purpose::Thanks { since: known } = turn.purpose {
                since = since.min(known);
            }
            turn.purpose = Purpose::Thanks { since };
        }
    }

    /// Nothing is offered to the fan for as long as the settings say, and what is written already is written anew.
    pub(super) fn sell_nothing(&mut self, cause: NoSellCause) {
        let since = self.now();
        let until = since + self.settings.no_sell.after(cause);
        if until <= since || self.next.no_sell.is_some_and(|known| known.until >= until) {
            return;
        }
        self.next.no_sell = Some(NoSell {
            cause,
            since,
            until,
        });
        if !self.next.pending.is_empty() && self.next.turn.is_some() {
            self.settle_again();
        }
    }
}
