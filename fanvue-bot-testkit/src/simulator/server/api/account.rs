//! Who calls, and whom an agency may act for.

use serde_json::json;

use crate::simulator::server::answer::Answer;
use crate::simulator::server::call::Call;
use crate::simulator::server::route::{Handled, Route};
use crate::simulator::world::{ApiError, SmartList};

pub(super) const ROUTES: &[Route] = &[
    Route::new("GET", "/users/me", &["read:self"], me),
    Route::new("GET", "/users/account", &["read:self"], account).v1_only(),
    Route::new("GET", "/creators", &["read:creator"], creators).query(&["page", "size"]),
    Route::new("GET", "/agencies/team-members", &["read:agency"], team).query(&["page", "size"]),
];

fn me(call: &mut Call<'_>) -> Handled {
    let user = call
        .world
        .creator(call.access.user)
        .ok_or_else(|| ApiError::not_found("User"))?;
    let mut view = json!({
        "uuid": user.uuid,
        "email": user.email,
        "handle": user.handle,
        "bio": user.bio.as_deref().unwrap_or_default(),
        "displayName": user.display_name,
        "isCreator": !user.is_agency(),
        "createdAt": user.created_at.to_string(),
        "updatedAt": user.updated_at.map(|at| at.to_string()),
        "avatarUrl": user.avatar_url,
        "bannerUrl": user.banner_url,
    });
    if !user.is_agency() {
        let fans = |list| call.world.smart_list(user.uuid, list).len();
        view["likesCount"] = json!(12);
        view["fanCounts"] = json!({
            "followersCount": fans(SmartList::Followers),
            "subscribersCount": fans(SmartList::Subscribers),
        });
        view["contentCounts"] = json!({
            "imageCount": call.world.media_of(user.uuid).count(),
            "videoCount": 0,
            "audioCount": 0,
            "postCount": 0,
            "payToViewPostCount": 0,
        });
    }
    if call.is_v1() {
        view["roles"] = json!([if user.is_agency() {
            "agency"
        } else {
            "creator"
        }]);
        view["isDiscoverable"] = json!(true);
        view["isInCuratedSection"] = json!(false);
    }
    Ok(Answer::json(200, &call.extend(view)))
}

fn account(call: &mut Call<'_>) -> Handled {
    let total: u64 = call.world.payments_of(call.creator).map(|p| p.net).sum();
    let fans = |list| call.world.smart_list(call.creator, list).len();
    let view = json!({"account": {
        "status": "active",
        "earnings": {"total": total},
        "balance": total,
        "subscriptionPrice": 999,
        "lastPayoutAt": null,
        "fans": {
            "followers": fans(SmartList::Followers),
            "subscribers": fans(SmartList::Subscribers),
        },
    }});
    Ok(Answer::json(200, &view))
}

fn creators(call: &mut Call<'_>) -> Handled {
    let managed: Vec<_> = call
        .world
        .creator(call.access.user)
        .map(|agency| agency.manages.iter().copied().collect())
        .unwrap_or_default();
    call.list(&managed, Some(Some(managed.len())), |uuid| {
        call.world
            .creator(*uuid)
            .map_or_else(|| json!({"uuid": uuid}), |c| call.creator_view(c))
    })
}

fn team(call: &mut Call<'_>) -> Handled {
    let members: Vec<_> = call.world.creator(call.access.user).into_iter().collect();
    call.list(
        &members,
        None,
        |member| json!({"uuid": member.uuid, "displayName": member.display_name, "role": "owner"}),
    )
}
