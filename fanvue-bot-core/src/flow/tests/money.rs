//! What follows from money: thanks, and a time without offers.

use super::*;
use crate::conversation::{NoSellCause, Skip};
use crate::money::Cents;

#[test]
fn a_tip_is_thanked_for_although_the_fan_wrote_nothing() {
    check(
        auto(),
        "
        0 paid tip -> nothing = 1.1 settling 8..25
        8 wake -> compose 1.1
        9 composed 1.1 thank you -> read 1.1
        10 read 1.1 -> send 1.1 thank you
        11 sent 1.1 100 -> sent 100 = idle
        99 wake -> nothing = idle
        ",
    );
}

#[test]
fn what_the_fan_wrote_with_it_is_answered_in_the_same_message() {
    let scene = check(
        auto(),
        "
        0 fan 1
        2 paid tip -> nothing = 1.1 settling 10..25, owed 1
        4 fan 2
        12 wake -> compose 1.1
        ",
    );
    let turn = scene.conversation.turn.unwrap();
    assert_eq!(turn.purpose, Purpose::Thanks { since: seconds(2) });
    check(
        auto(),
        "
        0 paid tip
        2 fan 1 -> 1 waits 10 settling
        10 wake -> compose 1.1
        11 composed 1.1 thanks, good!
        12 read 1.1 newest 2 -> send 1.1 thanks, good!
        13 sent 1.1 100 -> 1 replied 1, sent 100 = idle
        ",
    );
}

#[test]
fn what_is_written_already_is_written_anew() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 paid tip -> 1 waits 17 settling = 1.2 settling 17..25, owed 1
        10 composed 1.1 hi -> nothing
        17 wake -> compose 1.2
        ",
    );
    check(
        draft(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        20 paid tip -> 1 waits 25 settling = 1.2 settling 25..25, owed 1
        25 wake -> compose 1.2
        26 composed 1.2 thanks, hi -> 1 awaits approval 1
        ",
    );
}

#[test]
fn while_a_reply_is_on_its_way_it_waits_for_the_outcome() {
    check(
        auto(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 read 1.1 newest 0 -> send 1.1 hi
        11 paid tip -> nothing = 1.1 sending 55
        12 sent 1.1 100 -> 1 replied 1, sent 100 = 2.1 settling 20..37
        20 wake -> compose 2.1
        ",
    );
    check(
        auto(),
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 read 1.1 newest 0 -> send 1.1 hi
        11 paid tip
        12 not_sent 1.1 -> 1 waits 20 settling = 1.3 settling 20..25, owed 1
        ",
    );
}

#[test]
fn two_tips_are_thanked_for_together_or_one_after_the_other() {
    let scene = check(
        auto(),
        "
        0 paid tip
        8 wake -> compose 1.1
        9 paid tip at 7 -> nothing = 1.2 settling 17..34
        ",
    );
    let turn = scene.conversation.turn.unwrap();
    assert_eq!(turn.purpose, Purpose::Thanks { since: seconds(0) });
}

#[test]
fn a_message_that_was_taken_back_leaves_the_thanks() {
    check(
        auto(),
        "
        0 paid tip
        2 fan 1
        10 wake -> compose 1.1
        11 deleted 1 -> compose 1.2, 1 blocked deleted = 1.2 composing
        ",
    );
}

#[test]
fn nobody_is_thanked_for_what_is_no_payment_or_not_set_or_long_ago() {
    for paid in [
        "renewal",
        "purchase",
        "subscription",
        "refund",
        "dispute",
        "cancellation",
        "tip at 0",
    ] {
        check(auto(), &format!("100000 paid {paid} -> nothing = idle"));
    }
    let mut all = auto();
    all.settings.thanks.renewal = true;
    check(all, "0 paid renewal -> nothing = 1.1 settling 8..25");
}

#[test]
fn who_may_not_be_written_to_is_not_thanked() {
    for state in ["opt_out", "mode off", "inactive", "pause 500"] {
        let scene = check(
            auto(),
            &format!(
                "
                0 {state}
                1 paid tip -> nothing
                600 opt_in
                601 wake -> nothing
                "
            ),
        );
        assert_eq!(scene.conversation.turn, None, "{state}");
        assert_eq!(scene.conversation.thanks_due, None, "{state}");
    }
    // A human who writes meanwhile thanks themselves.
    check(
        auto(),
        "
        0 paid tip
        3 creator 50 says wow, thanks! -> nothing = paused 3603
        ",
    );
}

#[test]
fn a_nudge_becomes_thanks() {
    let attentive = with(|settings| {
        settings
            .mode(Mode::Auto)
            .pace(Pace::Immediate)
            .follow_ups(FollowUps::after(
                Duration::from_secs(3_600),
                Duration::from_secs(86_400),
            ))
    });
    let scene = check(
        attentive,
        "
        0 fan 1
        8 wake
        9 composed 1.1 hi
        10 read 1.1 newest 0
        11 sent 1.1 100
        3611 wake -> compose 2.1
        3612 paid tip -> nothing = 2.2 settling 3620..3637
        3620 wake -> compose 2.2
        3621 composed 2.2 thank you
        3622 read 2.2 newest 11
        3623 sent 2.2 101 -> sent 101 = idle
        ",
    );
    let state = scene.conversation.follow_up.unwrap().state;
    assert_eq!(state.to_string(), "none: the fan wrote or paid");
}

/// Until when nothing is sold, and why.
#[track_caller]
fn no_sell(script: &str) -> Option<(NoSellCause, i64)> {
    let no_sell = check(auto(), script).conversation.no_sell;
    no_sell.map(|no_sell| (no_sell.cause, no_sell.until.as_seconds()))
}

#[test]
fn nothing_is_sold_for_a_while_after_what_makes_an_offer_out_of_place() {
    const DAY: i64 = 86_400;
    let noticed = |sign: &str| no_sell(&format!("0 fan 1\n0 noticed 1 {sign}"));
    assert_eq!(noticed("upset"), Some((NoSellCause::Upset, 3 * DAY)));
    assert_eq!(noticed("farewell"), Some((NoSellCause::Goodbye, DAY)));
    assert_eq!(noticed("crisis"), Some((NoSellCause::Crisis, 30 * DAY)));
    assert_eq!(noticed("bot_question"), None);
    assert_eq!(
        no_sell("5 paid refund"),
        Some((NoSellCause::Refund, 14 * DAY + 5))
    );
    assert_eq!(
        no_sell("5 paid dispute"),
        Some((NoSellCause::Dispute, 14 * DAY + 5))
    );
    // Of two the one that lasts longer.
    let two = "5 paid refund\n 6 fan 1\n 6 noticed 1 farewell";
    assert_eq!(no_sell(two), Some((NoSellCause::Refund, 14 * DAY + 5)));
    // None where the setting says so.
    let mut none = auto();
    none.settings.no_sell.after_refund = Duration::ZERO;
    assert_eq!(check(none, "5 paid refund").conversation.no_sell, None);
}

#[test]
fn a_refund_has_a_reply_written_anew_that_may_sell() {
    check(
        auto(),
        "
        0 fan 1
        8 wake -> compose 1.1
        9 paid refund -> 1 waits 17 settling = 1.2 settling 17..25, owed 1
        ",
    );
}

#[test]
fn a_broadcast_with_a_price_skips_who_is_sold_nothing() {
    let scene = |script: &str| Scene {
        creator: auto(),
        ceiling: Ceiling::none(),
        conversation: check(auto(), script).conversation,
    };
    let parcel = |price: Option<i64>| {
        Input::Deliver(Box::new(Parcel {
            price: price.map(Cents::new),
            ..delivery::parcel("7", "look")
        }))
    };
    let becomes = |scene: &Scene| match &scene.conversation.deliveries[0].state {
        DeliveryState::Skipped { why } => Some(*why),
        _ => None,
    };
    let refunded = "0 paid refund";
    let mut priced = scene(refunded);
    priced.step(seconds(1_000), parcel(Some(500)));
    assert_eq!(becomes(&priced), Some(Skip::NoSell));
    let mut free = scene(refunded);
    free.step(seconds(1_000), parcel(None));
    assert_eq!(becomes(&free), None);
    let mut later = scene(refunded);
    later.step(seconds(15 * 86_400), parcel(Some(500)));
    assert_eq!(becomes(&later), None);

    // It comes up between the beginning and the last look.
    let mut begun = scene("");
    begun.step(seconds(1_000), parcel(Some(500)));
    begun.step(seconds(1_001), input("paid refund", seconds(1_001)));
    let sent = begun.step(seconds(1_002), input("read 1.1", seconds(1_002)));
    assert_eq!(sent.effect, None);
    assert_eq!(becomes(&begun), Some(Skip::NoSell));
}
