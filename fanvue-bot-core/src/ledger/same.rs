//! Which records tell of the same payment.

use std::time::Duration;

use super::Transaction;
use crate::id::TransactionId;

/// By how much the times may differ that two events give for one payment.
///
/// Long enough for a payment that is told of when it is settled, and short enough that a fan who buys the same thing
/// twice in an hour is known to have done so.
pub const SAME_WITHIN: Duration = Duration::from_secs(600);

/// The first record of a payment that is told of again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FirstTelling {
    /// Which.
    pub id: TransactionId,
    /// Whether it, or another record of the same payment, says how much was paid.
    pub amount_known: bool,
}

/// The first record of the payment that `new` tells of, among `near`: those of the conversation from twice
/// [`SAME_WITHIN`] before `new` to as long after. `None` if `new` is the first.
///
/// One payment is told of once by each [`Telling`](super::Telling) at most, so two payments alike that both families
/// tell of stay two, in whatever order the four events come.
#[must_use]
pub fn first_telling(new: &Transaction, near: &[Transaction]) -> Option<FirstTelling> {
    if !new.kind.is_payment() {
        return None;
    }
    let mut best: Option<(Duration, FirstTelling)> = None;
    for first in near.iter().filter(|known| known.same_as.is_none()) {
        let group = || {
            near.iter()
                .filter(|known| known.id == first.id || known.same_as == Some(first.id))
        };
        let apart = apart(new, first);
        if apart > SAME_WITHIN
            || !group().all(|known| known.telling != new.telling && may_be_one(known, new))
        {
            continue;
        }
        let found = FirstTelling {
            id: first.id,
            amount_known: group().any(|known| known.amount.is_some()),
        };
        if best.is_none_or(|(least, known)| (apart, found.id) < (least, known.id)) {
            best = Some((apart, found));
        }
    }
    best.map(|(_, found)| found)
}

fn apart(a: &Transaction, b: &Transaction) -> Duration {
    a.at.max(b.at).since(a.at.min(b.at))
}

fn may_be_one(a: &Transaction, b: &Transaction) -> bool {
    fn fits<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
    a.kind == b.kind
        && fits(a.amount, b.amount)
        && fits(a.currency, b.currency)
        && fits(a.message, b.message)
        && fits(a.post, b.post)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::{ConversationId, CreatorId, FanId, MessageId};
    use crate::ledger::{Telling, TransactionKind};
    use crate::money::{Cents, Currency};
    use crate::time::Timestamp;

    fn told(number: u128, telling: Telling, seconds: i64) -> Transaction {
        let at = Timestamp::from_seconds(1_767_605_400 + seconds);
        Transaction {
            id: TransactionId::from_uuid(Uuid::from_u128(number)),
            conversation: ConversationId::new(
                CreatorId::from_uuid(Uuid::from_u128(1)),
                FanId::from_uuid(Uuid::from_u128(2)),
            ),
            kind: TransactionKind::Tip,
            telling,
            amount: Some(Cents::new(500)),
            net: None,
            currency: None,
            at,
            stored_at: at,
            message: None,
            post: None,
            reference: None,
            reverses: None,
            same_as: None,
        }
    }

    fn record(ledger: &mut Vec<Transaction>, mut new: Transaction) {
        new.same_as = first_telling(&new, ledger).map(|first| first.id);
        ledger.push(new);
    }

    fn firsts(ledger: &[Transaction]) -> usize {
        ledger.iter().filter(|row| row.same_as.is_none()).count()
    }

    #[test]
    fn what_differs_in_anything_that_is_told_is_another_payment() {
        let named = told(1, Telling::Payment, 0);
        let same = told(2, Telling::Unnamed, 30);
        let known = Some(named.id);
        let first = |new: &Transaction| first_telling(new, std::slice::from_ref(&named));
        assert_eq!(first(&same).map(|first| first.id), known);
        let message = |number| Some(MessageId::from_uuid(Uuid::from_u128(number)));
        for other in [
            Transaction {
                kind: TransactionKind::Purchase,
                ..same.clone()
            },
            Transaction {
                amount: Some(Cents::new(501)),
                ..same.clone()
            },
            Transaction {
                telling: Telling::Payment,
                ..same.clone()
            },
            told(2, Telling::Unnamed, 601),
            told(2, Telling::Unnamed, -601),
        ] {
            assert_eq!(first(&other), None, "{other:?}");
        }
        for same in [
            Transaction {
                amount: None,
                ..same.clone()
            },
            Transaction {
                message: message(3),
                ..same.clone()
            },
            Transaction {
                currency: Some(Currency::from_wire("EUR")),
                ..same
            },
        ] {
            assert_eq!(first(&same).map(|first| first.id), known, "{same:?}");
        }
    }

    #[test]
    fn a_subscription_that_is_told_of_three_times_is_one() {
        let subscription = |number, telling, amount| Transaction {
            kind: TransactionKind::Subscription,
            amount,
            ..told(number, telling, 0)
        };
        let mut ledger = Vec::new();
        record(&mut ledger, subscription(1, Telling::Subscription, None));
        let paid = subscription(2, Telling::Payment, Some(Cents::new(999)));
        let first = first_telling(&paid, &ledger).unwrap();
        assert!(!first.amount_known);
        record(&mut ledger, paid);
        let flat = subscription(3, Telling::Unnamed, Some(Cents::new(999)));
        assert!(first_telling(&flat, &ledger).unwrap().amount_known);
        record(&mut ledger, flat);
        assert_eq!(firsts(&ledger), 1);
        // One of another price is another one, though the first record says no price.
        let dearer = subscription(4, Telling::Unnamed, Some(Cents::new(1_000)));
        assert_eq!(first_telling(&dearer, &ledger), None);
    }

    #[test]
    fn refunds_are_known_by_their_ids_alone() {
        let refund = Transaction {
            kind: TransactionKind::Refund,
            ..told(1, Telling::Reversal, 0)
        };
        let other = Transaction {
            telling: Telling::Unnamed,
            ..refund.clone()
        };
        assert_eq!(first_telling(&other, &[refund]), None);
    }

    proptest! {
        #[test]
        fn payments_that_both_families_tell_of_are_counted_once_in_any_order(
            order in Just((0..8).collect::<Vec<_>>()).prop_shuffle(),
            gaps in prop::collection::vec(0_i64..120, 4),
        ) {
            let events: Vec<Transaction> = gaps
                .iter()
                .scan(0, |at, gap| { *at += gap; Some(*at) })
                .zip([1_u128, 3, 5, 7])
                .flat_map(|(at, number)| {
                    [told(number, Telling::Payment, at), told(number + 1, Telling::Unnamed, at + 1)]
                })
                .collect();
            let mut ledger = Vec::new();
            for index in order {
                record(&mut ledger, events[index].clone());
            }
            prop_assert_eq!(firsts(&ledger), 4);
        }
    }
}
