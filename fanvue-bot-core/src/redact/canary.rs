//! Whatever holds words, names or secrets shows none of them in `Debug`: each value is built with one word
//! in every such place.

use std::fmt::Debug;
use std::time::Duration;

use uuid::Uuid;

use crate::client::{
    AccessToken, AppCredentials, Auth, AuthorizationGrant, ChatSummary, ClientSecret, CodeVerifier,
    OutgoingMessage, Reach, RefreshToken, RemoteMessage, TokenSet, User,
};
use crate::conversation::{Conversation, Phase, Reply, SendIntent, Unattributed};
use crate::creator::Creator;
use crate::entropy::Seed;
use crate::fan::FanProfile;
use crate::flow::{DraftId, Effect, Input, OperatorAction};
use crate::id::{AccountId, ConversationId, CreatorId, FanId, MessageId, TurnId};
use crate::llm::{Completion, CompletionRequest, PromptMessage, Role};
use crate::message::{Author, Content, Message, MessageType};
use crate::persona::Persona;
use crate::prompt::check::CheckContext;
use crate::prompt::{BytesPerFour, Memory, RenderedPersona};
use crate::rate::Class;
use crate::secret::Secret;
use crate::store::{Change, ConversationChange};
use crate::time::Timestamp;
use crate::webhook::{Hints, Signer, Verifier};

const CANARY: &str = "canary";

#[track_caller]
fn check(value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}")] {
        // Bytes that are shown as numbers are shown, too.
        let numbers = format!("{:?}", CANARY.as_bytes());
        let numbers = numbers.trim_matches(['[', ']']);
        let flat: String = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            !shown.contains(CANARY) && !flat.contains(numbers),
            "{shown}"
        );
    }
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_000)
}

fn conversation() -> ConversationId {
    ConversationId::new(
        CreatorId::from_uuid(Uuid::from_u128(1)),
        FanId::from_uuid(Uuid::from_u128(2)),
    )
}

fn message_id() -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(3))
}

fn persona() -> Persona {
    let mut persona = Persona::named(CANARY)
        .biography(CANARY)
        .voice(CANARY)
        .example(CANARY, CANARY)
        .bot_answer(CANARY);
    for lines in [&mut persona.dos, &mut persona.donts, &mut persona.topics] {
        lines.push(CANARY.into());
    }
    persona.stages.insert("new".into(), CANARY.into());
    persona
}

fn fan() -> FanProfile {
    let mut fan = FanProfile::new(conversation().fan);
    fan.handle = Some(CANARY.into());
    fan.display_name = Some(CANARY.into());
    fan.nickname = Some(CANARY.into());
    fan
}

#[test]
fn what_is_sent_and_received_shows_no_words() {
    let account = AccountId::from_uuid(Uuid::from_u128(4));
    let mut user = User::new(account);
    user.handle = Some(CANARY.into());
    user.display_name = Some(CANARY.into());
    check(&user);
    check(&fan());
    check(&ChatSummary::new(fan()));
    check(&Content::text(CANARY));
    check(&RemoteMessage::new(
        message_id(),
        account,
        Content::text(CANARY),
        now(),
    ));
    check(&OutgoingMessage::text(CANARY));
}

#[test]
fn credentials_show_nothing() {
    let app = AppCredentials {
        client_id: "public".into(),
        client_secret: ClientSecret::new(CANARY),
    };
    check(&AuthorizationGrant {
        app,
        code: Secret::new(CANARY),
        redirect_uri: "https://bot.example/oauth/callback".into(),
        code_verifier: CodeVerifier::new(CANARY),
    });
    check(&TokenSet {
        access_token: AccessToken::new(CANARY),
        refresh_token: Some(RefreshToken::new(CANARY)),
        expires_in: Duration::from_secs(1),
        scopes: None,
    });
    check(&Auth {
        token: AccessToken::new(CANARY),
        reach: Reach::Own,
        grant: conversation().creator.into(),
        class: Class::default(),
    });
    let secret = Secret::new("canary, long enough to sign");
    check(&Signer::new(&secret).unwrap());
    check(&Verifier::new(&secret).unwrap());
    check(&secret);
}

#[test]
fn creators_personas_and_prompts_show_no_words() {
    check(&persona());
    check(&Creator::new(conversation().creator, persona()));
    check(&Change::from(Creator::new(
        conversation().creator,
        persona(),
    )));
    check(&RenderedPersona::new(&persona(), &BytesPerFour));
    check(&Memory {
        name: Some(CANARY.into()),
        summary: Some(CANARY.into()),
        facts: vec![CANARY.into()],
    });
    check(&CheckContext {
        instructions: CANARY,
        last_replies: &[CANARY.into()],
        policy: &crate::policy::PhraseCheck,
    });
    let message = PromptMessage::new(Role::User, CANARY);
    check(&CompletionRequest::new(vec![message], 1));
    check(&Completion::new(CANARY));
}

#[test]
fn conversations_and_their_steps_show_no_words() {
    let draft = DraftId {
        turn: TurnId::new(1),
        draft: 1,
    };
    let reply = || Reply::new(CANARY);
    let intent = SendIntent {
        answers: Vec::new(),
        after: None,
        at: now(),
        valid_until: now(),
    };
    for input in [
        Input::CreatorMessage {
            id: message_id(),
            sent_at: now(),
            text: Some(reply()),
        },
        Input::Composed {
            draft,
            reply: reply(),
        },
        Input::Operator(OperatorAction::Approve {
            draft,
            edited: Some(reply()),
        }),
    ] {
        check(&input);
    }
    check(&Effect::Send {
        draft,
        reply: reply(),
        begin_by: now(),
    });
    check(&Effect::FindSent {
        draft,
        reply: reply(),
        intent: intent.clone(),
    });
    for phase in [
        Phase::AwaitingApproval {
            reply: reply(),
            until: now(),
        },
        Phase::Pacing {
            reply: reply(),
            until: now(),
        },
        Phase::Sending {
            reply: reply(),
            intent: intent.clone(),
        },
        Phase::Reconciling {
            reply: reply(),
            intent: intent.clone(),
            next_check: now(),
            misses: 0,
        },
    ] {
        check(&phase);
    }
    let mut state = Conversation::new(conversation(), Seed::new(1));
    state.unattributed.push(Unattributed {
        id: message_id(),
        sent_at: now(),
        text: Some(reply()),
    });
    let mut change = ConversationChange::new(state);
    change.messages.push(Message {
        id: message_id(),
        conversation: conversation(),
        author: Author::Fan,
        kind: MessageType::SingleRecipient,
        content: Content::text(CANARY),
        sent_at: now(),
        stored_at: now(),
        deleted_at: None,
        tokens: None,
        turn: None,
        decision: None,
    });
    change.fan = Some(fan());
    check(&Change::from(change));
}

#[test]
fn proved_bodies_and_their_events_show_no_words() {
    let secret = Secret::new("a secret that is long enough");
    let signer = Signer::new(&secret).unwrap();
    let verifier = Verifier::new(&secret).unwrap();
    let creator = r#""recipientUuid":"c0de0000-0000-4000-8000-000000000001""#;
    let sender = r#""sender":{"uuid":"fa000000-0000-4000-8000-000000000001",
        "handle":"canary","displayName":"canary","nickname":"canary","email":"canary@mail.example"}"#;
    let uuid = r#""messageUuid":"3e550000-0000-4000-8000-000000000009""#;
    for rest in [
        format!(r#"{uuid},"message":{{"text":"canary","hasMedia":true}}"#),
        format!(r#"{uuid},"reaction":"canary","emoji":"canary""#),
        r#""price":5,"source":"tip""#.to_owned(),
    ] {
        let body = format!("{{{creator},{sender},{rest}}}");
        let header = signer.header(now(), body.as_bytes());
        let proved = verifier
            .verify(header.as_bytes(), body.as_bytes(), now())
            .unwrap();
        check(&proved);
        let event = proved.parse(&Hints::default()).unwrap();
        check(&event);
    }
    let reaction = crate::webhook::event::Reaction {
        message: None,
        fan: Some(fan()),
        emoji: Some(CANARY.into()),
    };
    check(&reaction);
}
