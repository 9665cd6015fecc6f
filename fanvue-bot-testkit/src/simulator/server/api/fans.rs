//! Followers, subscribers, and what is known about a fan's money.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{ApiError, Payment, SmartList};

const FAN: &[&str] = &["read:insights", "read:fan"];
const PAGE: &[&str] = &["page", "size", "cursor"];

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/followers", &["read:fan"], followers)
        .twin()
        .query(PAGE),
    Route::new("GET", "/subscribers", &["read:fan"], subscribers)
        .twin()
        .query(PAGE),
    Route::new("GET", "/subscribers/{fan}", &["read:fan"], subscriber)
        .v1_only()
        .twin(),
    Route::new("GET", "/insights/fans", FAN, bulk)
        .v1_twin()
        .query(&["fanUuids"]),
    Route::new("GET", "/insights/fans/{fan}", FAN, insight).v1_twin(),
    Route::new("GET", "/insights/earnings", &["read:insights"], earnings)
        .twin()
        .query(&["startDate", "endDate", "source", "cursor", "size"]),
    Route::new("GET", "/insights/top-spenders", FAN, top_spenders)
        .twin()
        .query(PAGE),
    Route::new("GET", "/insights/subscribers", &["read:insights"], daily)
        .twin()
        .query(&["startDate", "endDate", "cursor", "size"]),
];

fn followers(call: &mut Call<'_>) -> Handled {
    let fans = call.world.smart_list(call.creator, SmartList::Followers);
    call.list(&fans, None, |fan| call.person_view(*fan))
}

fn subscribers(call: &mut Call<'_>) -> Handled {
    let fans = call.world.smart_list(call.creator, SmartList::Subscribers);
    call.list(&fans, None, |fan| {
        if call.is_v1() {
            call.subscriber_view(*fan)
        } else {
            call.person_view(*fan)
        }
    })
}

fn subscriber(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    if !call
        .world
        .is_in_smart_list(call.creator, fan, SmartList::Subscribers)
    {
        return Err(ApiError::not_found("Subscriber"));
    }
    Ok(Answer::json(200, &call.subscriber_view(fan)))
}

/// What is known about a fan; `None` for a person who is not a fan.
fn insight_view(call: &Call<'_>, fan: Uuid) -> Option<Value> {
    let relation = call.world.relation(call.creator, fan)?;
    let subscription = relation.subscription.as_ref();
    let status = if !relation.contactable {
        "not_contactable"
    } else if subscription.is_some_and(|s| s.active) {
        "subscriber"
    } else if subscription.is_some() {
        "expired"
    } else if relation.follower_since.is_some() {
        "follower"
    } else {
        return None;
    };
    let spending = call.world.spending(call.creator, fan);
    let both = |gross: u64, total: u64| json!({"gross": gross, "total": total});
    let sources: Map<String, Value> = spending
        .by_source
        .iter()
        .map(|(source, cents)| ((*source).to_owned(), both(*cents, *cents)))
        .collect();
    Some(json!({
        "status": status,
        "spending": {
            "lastPurchaseAt": spending.last_at.map(|at| at.to_string()),
            "total": both(spending.gross, spending.total),
            "maxSinglePayment": both(spending.largest, spending.largest),
            "sources": sources,
        },
        "subscription": subscription.map(|s| json!({
            "createdAt": s.created_at.to_string(),
            "renewsAt": s.auto_renewal.then(|| s.period_end.to_string()),
            "autoRenewalEnabled": s.auto_renewal,
        })),
    }))
}

fn insight(call: &mut Call<'_>) -> Handled {
    let fan = call.id("fan")?;
    insight_view(call, fan)
        .map(|view| Answer::json(200, &view))
        .ok_or_else(|| ApiError::not_found("Fan"))
}

fn bulk(call: &mut Call<'_>) -> Handled {
    let fans = call
        .query
        .uuids("fanUuids", 20)?
        .ok_or_else(|| ApiError::invalid("fanUuids must be given"))?;
    let mut results = Map::new();
    let mut errors = Vec::new();
    for fan in fans {
        match insight_view(call, fan) {
            Some(view) => {
                results.insert(fan.to_string(), view);
            }
            None => errors.push(json!({
                "fanUuid": fan,
                "code": "NOT_FOUND",
                "message": "Fan not found",
            })),
        }
    }
    // Fanvue may answer null here, so a simulator must.
    let results = if results.is_empty() {
        Value::Null
    } else {
        Value::Object(results)
    };
    Ok(Answer::json(
        200,
        &json!({"results": results, "errors": errors}),
    ))
}

fn earning_view(call: &Call<'_>, payment: &Payment) -> Value {
    let fan = call.world.fan(payment.fan).map(|fan| {
        json!({
            "uuid": fan.uuid,
            "handle": fan.handle,
            "displayName": fan.display_name,
            "nickname": null,
            "isTopSpender": false,
        })
    });
    let mut view = json!({
        "date": payment.paid_at.to_string(),
        "gross": payment.gross,
        "net": payment.net,
        "currency": "USD",
        "source": payment.source,
        "user": fan,
        "messageUuid": payment.message,
    });
    if call.is_v1() {
        view["transactionOrderId"] = json!(payment.id);
        view["transactionOrderStatus"] = json!("pendingBalance");
        view["reversedTransactionOrderId"] = Value::Null;
    }
    call.extend(view)
}

fn earnings(call: &mut Call<'_>) -> Handled {
    let from = call.query.moment("startDate")?;
    let to = call.query.moment("endDate")?;
    let sources: Vec<&str> = call.query.all("source").collect();
    let payments: Vec<&Payment> = call
        .world
        .payments_of(call.creator)
        .rev()
        .filter(|p| from.is_none_or(|from| p.paid_at >= from))
        .filter(|p| to.is_none_or(|to| p.paid_at <= to))
        .filter(|p| sources.is_empty() || sources.contains(&"all") || sources.contains(&p.source))
        .collect();
    call.cursor_list(&payments, None, |payment| earning_view(call, payment))
}

fn top_spenders(call: &mut Call<'_>) -> Handled {
    let mut spent: BTreeMap<Uuid, (u64, u64, u64)> = BTreeMap::new();
    for payment in call.world.payments_of(call.creator) {
        let entry = spent.entry(payment.fan).or_default();
        entry.0 += payment.gross;
        entry.1 += payment.net;
        entry.2 += u64::from(payment.message.is_some());
    }
    let mut spent: Vec<_> = spent.into_iter().collect();
    spent.sort_by_key(|(_, (gross, ..))| std::cmp::Reverse(*gross));
    call.page_list(&spent, |(fan, (gross, net, messages))| {
        json!({
            "gross": gross,
            "net": net,
            "messages": messages,
            "user": call.person_view(*fan),
        })
    })
}

fn daily(call: &mut Call<'_>) -> Handled {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let mut days: BTreeMap<u64, u64> = BTreeMap::new();
    for (_, relation) in call.world.relations_of(call.creator) {
        if let Some(first) = relation.first_subscribed_at {
            *days.entry(first.millis() / DAY).or_default() += 1;
        }
    }
    let mut total = 0;
    let rows: Vec<Value> = days
        .into_iter()
        .map(|(day, new)| {
            total += new;
            json!({
                "date": crate::simulator::world::Moment::from_millis(day * DAY).to_string(),
                "total": total,
                "newSubscribersCount": new,
                "cancelledSubscribersCount": 0,
            })
        })
        .collect();
    call.cursor_list(&rows, None, Value::clone)
}
