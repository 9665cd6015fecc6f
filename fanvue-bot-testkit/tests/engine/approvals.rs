//! Drafts that wait for an operator, and what comes of what operators do.

use std::time::Duration;

use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::conversation::Reply;
use fanvue_bot_core::decision::{Outcome, Rule};
use fanvue_bot_core::draft::{DraftState, Note};
use fanvue_bot_core::engine::EngineError;
use fanvue_bot_core::flow::{Acted, DraftId, OperatorAction};
use fanvue_bot_core::id::{ConversationId, FanId, TurnId};
use fanvue_bot_core::llm::Role;
use fanvue_bot_core::policy::Violation;
use fanvue_bot_core::settings::Mode;
use fanvue_bot_testkit::llm::Step;

use crate::ids::{chat, creator};
use crate::replied;
use crate::scene::{Scene, settings};

const FIRST: DraftId = draft(1);

const fn draft(number: u32) -> DraftId {
    DraftId {
        turn: TurnId::new(1),
        draft: number,
    }
}

/// A scene in draft mode, in which the first draft waits.
async fn waiting(script: impl IntoIterator<Item = Step>) -> Scene {
    let scene = Scene::with(script, settings().mode(Mode::Draft), Backend::shared).await;
    scene.fan_writes(1, "hi").await;
    scene.run_after(8).await;
    scene
}

async fn act(scene: &Scene, action: OperatorAction) -> Acted {
    scene.engine.act(chat(), action).await.unwrap().acted
}

fn approve(edited: Option<&str>) -> OperatorAction {
    OperatorAction::Approve {
        draft: FIRST,
        edited: edited.map(Reply::new),
    }
}

#[tokio::test]
async fn an_edited_draft_goes_out_as_edited_and_both_texts_are_kept() {
    let scene = waiting([Step::reply("hey you")]).await;
    let text = Reply::new("hey you two");
    let edit = OperatorAction::Edit { draft: FIRST, text };
    assert_eq!(act(&scene, edit).await, Acted::Done);
    assert_eq!(act(&scene, approve(None)).await, Acted::Done);
    scene.run_after(0).await;
    assert_eq!(scene.fanvue.sent(), ["hey you two"]);
    assert_eq!(scene.outcome(1).await, replied());
    let conversation = scene.conversation().await;
    let [known] = &conversation.drafts[..] else {
        panic!("{conversation:?}");
    };
    assert_eq!(&**known.written.text(), "hey you");
    assert_eq!(&**known.text().text(), "hey you two");
    assert!(matches!(known.state, DraftState::Sent { .. }));
}

#[tokio::test]
async fn a_draft_expires_by_itself_and_the_message_says_so() {
    let scene = waiting([]).await;
    assert_eq!(scene.jobs_until(Duration::from_secs(86_399)).await, 0);
    scene.run_to_rest(3).await;
    let rule = Rule::DraftExpired;
    assert_eq!(scene.outcome(1).await, Outcome::Blocked { rule });
    assert_eq!(
        act(&scene, approve(None)).await,
        Acted::TooLate {
            state: DraftState::Expired
        }
    );
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn an_approval_that_the_fan_overtook_is_answered_and_sends_nothing() {
    let scene = waiting([]).await;
    scene.fan_writes(2, "never mind").await;
    assert_eq!(
        act(&scene, approve(None)).await,
        Acted::TooLate {
            state: DraftState::Superseded
        }
    );
    scene.run_after(0).await;
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_operator_wishes_reaches_the_model_as_theirs_and_once() {
    let scene = waiting([Step::reply("a long story"), Step::reply("hey")]).await;
    let instruction = Note::new("Answer in three words").ok();
    let regenerate = OperatorAction::Regenerate {
        draft: FIRST,
        instruction,
    };
    assert_eq!(act(&scene, regenerate).await, Acted::Done);
    scene.run_after(0).await;
    let requests = scene.llm.requests();
    let wished = |request: usize| {
        let of_system = requests[request].messages.iter();
        of_system
            .filter(|message| message.content.contains("Answer in three words"))
            .map(|message| message.role)
            .collect::<Vec<_>>()
    };
    assert_eq!(wished(0), []);
    assert_eq!(wished(1), [Role::System]);
    let drafts = scene.conversation().await.drafts;
    assert_eq!(drafts[1].id(), draft(2));
    assert_eq!(&**drafts[1].text().text(), "hey");
}

#[tokio::test]
async fn an_operators_text_is_held_to_the_policy_and_told_where_it_breaks_it() {
    let scene = waiting([]).await;
    for text in [
        "hey you! write me at mia@example.com",
        "hey you! pay me by paypal",
    ] {
        let refused = scene.engine.act(chat(), approve(Some(text))).await;
        let error = refused.unwrap_err();
        let EngineError::ForbiddenText { place, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(place.clone(), Some(9..text.len()));
        assert!(!error.to_string().contains("you"), "{error}");
        assert!(error.to_string().contains("(characters 10 to "), "{error}");
    }
    let text = Reply::new("mia@example.com");
    let edit = OperatorAction::Edit { draft: FIRST, text };
    assert!(matches!(
        scene.engine.act(chat(), edit).await.unwrap_err(),
        EngineError::ForbiddenText {
            violation: Violation::ContactDetails,
            ..
        }
    ));
    assert_eq!(
        scene.conversation().await.drafts[0].state,
        DraftState::Pending,
        "nothing is changed"
    );
}

#[tokio::test]
async fn of_drafts_approved_together_each_is_answered_and_a_failure_stops_none() {
    let scene = waiting([Step::reply("hey you")]).await;
    let nobody = ConversationId::new(creator(), FanId::from_uuid(uuid::Uuid::from_u128(9)));
    let drafts = [(nobody, FIRST), (chat(), draft(7)), (chat(), FIRST)];
    let answers = scene.engine.approve_each(&drafts).await;
    assert!(matches!(answers[0], Err(EngineError::UnknownConversation)));
    let acted = |index: usize| answers[index].as_ref().unwrap().acted.clone();
    assert_eq!(acted(1), Acted::NoSuchDraft);
    assert_eq!(acted(2), Acted::Done);
    scene.run_after(0).await;
    assert_eq!(scene.fanvue.sent(), ["hey you"]);
}
