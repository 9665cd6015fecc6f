//! Recorded exchanges: each file holds what the client must send, to the last parameter, and what Fanvue
//! answers. `v1` and `legacy` are the path families, `agency` is v1 below `/creators/{uuid}`.

use std::sync::atomic::{AtomicUsize, Ordering};

use fanvue_bot_core::client::{
    ChatFilter, ClientError, FanList, FanvueClient, MarkAsRead, MessageQuery, OutgoingMessage,
    SmartList, Typing,
};
use fanvue_bot_core::money::Cents;
use fanvue_bot_core::page::PageRequest;
use fanvue_bot_rest::{PathFamily, RestClient};
use serde::Deserialize;
use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{
    TOKEN, account, agency, builder, fan, list_id, message_id, other_fan, own, variant,
};

#[derive(Deserialize)]
struct Exchange {
    request: Expected,
    answer: Answer,
}

#[derive(Deserialize)]
struct Expected {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
}

#[derive(Clone, Deserialize)]
struct Answer {
    status: u16,
    body: Option<Value>,
}

/// Gives the recorded answers in their order.
struct Tape {
    answers: Vec<Answer>,
    position: AtomicUsize,
}

impl Respond for Tape {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let position = self.position.fetch_add(1, Ordering::SeqCst);
        let Some(answer) = self.answers.get(position) else {
            return ResponseTemplate::new(599);
        };
        let template = ResponseTemplate::new(answer.status);
        match &answer.body {
            Some(body) => template.set_body_json(body),
            None => template,
        }
    }
}

struct Recording {
    server: MockServer,
    exchanges: Vec<Exchange>,
    client: RestClient,
}

impl Recording {
    async fn play(family: PathFamily, text: &str) -> Self {
        let exchanges: Vec<Exchange> = serde_json::from_str(text).unwrap();
        let server = MockServer::start().await;
        let answers = exchanges.iter().map(|exchange| exchange.answer.clone());
        let tape = Tape {
            answers: answers.collect(),
            position: AtomicUsize::new(0),
        };
        Mock::given(any()).respond_with(tape).mount(&server).await;
        let client = builder(&server.uri()).path_family(family).build().unwrap();
        Self {
            server,
            exchanges,
            client,
        }
    }

    /// Checks that exactly the recorded requests were made.
    async fn assert_requests(self) {
        let requests = self.server.received_requests().await.unwrap();
        assert_eq!(requests.len(), self.exchanges.len());
        for (
            request,
            Exchange {
                request: expected, ..
            },
        ) in requests.iter().zip(&self.exchanges)
        {
            assert_eq!(request.method.as_str(), expected.method);
            assert_eq!(request.url.path(), expected.path);
            let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
            assert_eq!(query, expected.query, "{}", expected.path);
            let header = |name: &str| {
                request
                    .headers
                    .get(name)
                    .map(|value| value.to_str().unwrap())
            };
            assert_eq!(
                header("authorization"),
                Some(format!("Bearer {TOKEN}").as_str())
            );
            assert_eq!(header("x-fanvue-api-version"), Some("2025-06-26"));
            assert!(
                header("user-agent")
                    .unwrap()
                    .starts_with("fanvue-bot-rest/")
            );
            match &expected.body {
                Some(body) => {
                    assert_eq!(header("content-type"), Some("application/json"));
                    assert_eq!(&request.body_json::<Value>().unwrap(), body);
                }
                None => assert!(request.body.is_empty()),
            }
        }
    }
}

macro_rules! v1 {
    ($name:literal) => {
        Recording::play(
            PathFamily::V1,
            include_str!(concat!("exchanges/v1/", $name, ".json")),
        )
        .await
    };
}

macro_rules! legacy {
    ($name:literal) => {
        Recording::play(
            PathFamily::Legacy,
            include_str!(concat!("exchanges/legacy/", $name, ".json")),
        )
        .await
    };
}

macro_rules! agency {
    ($name:literal) => {
        Recording::play(
            PathFamily::V1,
            include_str!(concat!("exchanges/agency/", $name, ".json")),
        )
        .await
    };
}

#[tokio::test]
async fn the_account_behind_a_token_is_read() {
    for recording in [v1!("current_user"), legacy!("current_user")] {
        let user = recording.client.current_user(&own()).await.unwrap();
        assert_eq!(user.id, account());
        assert_eq!(user.handle.as_deref(), Some("luna-example"));
        assert_eq!(user.display_name.as_deref(), Some("Luna"));
        assert_eq!(user.is_creator, Some(true));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn an_agency_asks_for_its_own_account_without_a_prefix() {
    let recording = agency!("current_user");
    recording.client.current_user(&agency()).await.unwrap();
    recording.assert_requests().await;
}

#[tokio::test]
async fn unread_chats_are_walked_by_cursor() {
    let recording = v1!("chats_unread");
    let client = &recording.client;
    let first = client
        .chats(&own(), ChatFilter::Unread, &PageRequest::first(1))
        .await
        .unwrap();
    assert_eq!(first.items[0].fan.id, fan());
    assert_eq!(first.items[0].unread_messages, 2);
    let request = PageRequest::after(1, first.next.unwrap());
    let second = client
        .chats(&own(), ChatFilter::Unread, &request)
        .await
        .unwrap();
    assert_eq!(second.items[0].fan.id, other_fan());
    assert_eq!(second.next, None);
    recording.assert_requests().await;
}

#[tokio::test]
async fn legacy_chats_are_walked_by_number() {
    let recording = legacy!("chats");
    let client = &recording.client;
    let first = client
        .chats(&own(), ChatFilter::All, &PageRequest::first(1))
        .await
        .unwrap();
    assert!(!first.items[0].is_read);
    let request = PageRequest::after(1, first.next.unwrap());
    let second = client
        .chats(&own(), ChatFilter::All, &request)
        .await
        .unwrap();
    assert!(second.items[0].is_read);
    assert_eq!(second.items[0].last_message_at, None);
    assert_eq!(second.next, None);
    recording.assert_requests().await;
}

#[tokio::test]
async fn unread_chats_of_an_agency_are_picked_here() {
    let recording = agency!("chats_unread");
    let client = &recording.client;
    let first = client
        .chats(&agency(), ChatFilter::Unread, &PageRequest::first(15))
        .await
        .unwrap();
    let fans: Vec<_> = first.items.iter().map(|chat| chat.fan.id).collect();
    assert_eq!(fans, [fan()]);
    let request = PageRequest::after(15, first.next.unwrap());
    let second = client
        .chats(&agency(), ChatFilter::Unread, &request)
        .await
        .unwrap();
    assert_eq!((second.items.len(), second.next), (0, None));
    recording.assert_requests().await;
}

#[tokio::test]
async fn messages_are_walked_by_date_and_never_marked_as_read() {
    let recording = v1!("messages");
    let client = &recording.client;
    let first = client
        .messages(&own(), fan(), &MessageQuery::newest(2))
        .await
        .unwrap();
    let ids: Vec<_> = first.items.iter().map(|message| message.id).collect();
    assert_eq!(ids, [message_id(9), message_id(8)]);
    let query = MessageQuery::page(PageRequest::after(2, first.next.unwrap()));
    let second = client.messages(&own(), fan(), &query).await.unwrap();
    let [picture] = second.items.as_slice() else {
        panic!("one message, not {}", second.items.len());
    };
    assert_eq!(picture.content.text, None);
    assert_eq!(picture.content.price, Some(Cents::new(500)));
    assert_eq!(picture.kind.as_wire(), "HOLOGRAM");
    assert_eq!(second.next, None);
    recording.assert_requests().await;
}

#[tokio::test]
async fn messages_are_marked_as_read_when_asked() {
    let recording = v1!("messages_mark_read");
    let mut query = MessageQuery::newest(50);
    query.mark_as_read = MarkAsRead::Yes;
    recording
        .client
        .messages(&own(), fan(), &query)
        .await
        .unwrap();
    recording.assert_requests().await;
}

#[tokio::test]
async fn legacy_messages_are_walked_by_number_and_never_marked_as_read() {
    let recording = legacy!("messages");
    let client = &recording.client;
    let first = client
        .messages(&own(), fan(), &MessageQuery::newest(2))
        .await
        .unwrap();
    assert_eq!(first.items.len(), 2);
    let query = MessageQuery::page(PageRequest::after(2, first.next.unwrap()));
    let second = client.messages(&own(), fan(), &query).await.unwrap();
    assert_eq!(second.items[0].id, message_id(7));
    assert_eq!(second.next, None);
    recording.assert_requests().await;
}

#[tokio::test]
async fn messages_of_an_agency_lie_below_the_creator() {
    let recording = agency!("messages");
    let page = recording
        .client
        .messages(&agency(), fan(), &MessageQuery::newest(15))
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    recording.assert_requests().await;
}

#[tokio::test]
async fn one_message_is_asked_for_where_that_is_possible_and_searched_elsewhere() {
    for (recording, auth) in [
        (v1!("message"), own()),
        (legacy!("message"), own()),
        (agency!("message"), agency()),
    ] {
        let client = &recording.client;
        let message = client.message(&auth, fan(), message_id(9)).await.unwrap();
        assert_eq!(message.id, message_id(9));
        assert_eq!(message.content.text.as_deref(), Some("message 9"));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn a_message_that_is_gone_is_not_found() {
    for recording in [v1!("message_missing"), legacy!("message_missing")] {
        let found = recording.client.message(&own(), fan(), message_id(9)).await;
        assert_eq!(variant(found), "NotFound");
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn a_message_is_sent_to_the_singular_path() {
    for (recording, auth) in [
        (v1!("send_message"), own()),
        (legacy!("send_message"), own()),
        (agency!("send_message"), agency()),
    ] {
        let sent = recording
            .client
            .send_message(&auth, fan(), &OutgoingMessage::text("hey you"))
            .await
            .unwrap();
        assert_eq!(sent, message_id(42));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn paid_media_goes_out_without_an_empty_text() {
    for recording in [v1!("send_media"), legacy!("send_media")] {
        let mut message = OutgoingMessage::text("");
        message.text = None;
        message.media = vec!["3ed10000-0000-4000-8000-000000000001".parse().unwrap()];
        message.price = Some(Cents::new(500));
        let client = &recording.client;
        let sent = client.send_message(&own(), fan(), &message).await.unwrap();
        assert_eq!(sent, message_id(43));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn a_chat_is_created_and_one_that_exists_is_fine() {
    for (recording, auth) in [
        (v1!("create_chat"), own()),
        (v1!("create_chat_that_exists"), own()),
        (legacy!("create_chat"), own()),
        (legacy!("create_chat_that_exists"), own()),
        (agency!("create_chat"), agency()),
    ] {
        recording.client.create_chat(&auth, fan()).await.unwrap();
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn a_chat_is_marked_as_read() {
    for (recording, auth) in [
        (v1!("mark_read"), own()),
        (legacy!("mark_read"), own()),
        (agency!("mark_read"), agency()),
    ] {
        recording.client.mark_read(&auth, fan()).await.unwrap();
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn typing_starts_and_stops() {
    for recording in [v1!("typing"), legacy!("typing")] {
        for typing in [Typing::Started, Typing::Stopped] {
            let client = &recording.client;
            client.set_typing(&own(), fan(), typing).await.unwrap();
        }
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn unread_is_counted() {
    for recording in [v1!("unread_counts"), legacy!("unread_counts")] {
        let counts = recording.client.unread_counts(&own()).await.unwrap();
        assert_eq!((counts.chats, counts.messages), (3, 9));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn presence_leaves_out_whom_fanvue_leaves_out() {
    for recording in [v1!("presence"), legacy!("presence")] {
        let client = &recording.client;
        let fans = [other_fan(), fan()];
        let known = client.presence(&own(), &fans).await.unwrap();
        assert_eq!(known.len(), 1);
        assert!(known[0].fan == fan() && known[0].online);
        assert!(known[0].last_seen_at.is_some());
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_without_a_request() {
    let recording = Recording::play(PathFamily::V1, "[]").await;
    let client = &recording.client;
    let rejected = |result: Result<(), ClientError>, part: &str| {
        let error = result.unwrap_err();
        assert!(matches!(&error, ClientError::Rejected { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let agency = agency();
    let typing = client.set_typing(&agency, fan(), Typing::Started).await;
    rejected(typing, "typing");
    rejected(client.unread_counts(&agency).await.map(drop), "agencies");
    rejected(
        client.presence(&agency, &[fan()]).await.map(drop),
        "presence",
    );
    let many = vec![fan(); 101];
    rejected(
        client.presence(&own(), &many).await.map(drop),
        "at most 100",
    );
    let silent = OutgoingMessage::text("");
    rejected(
        client.send_message(&own(), fan(), &silent).await.map(drop),
        "needs text",
    );
    let none = PageRequest::first(0);
    rejected(
        client.chats(&own(), ChatFilter::All, &none).await.map(drop),
        "at least 1",
    );
    assert_eq!(client.presence(&own(), &[]).await.unwrap(), []);
    recording.assert_requests().await;
}

#[tokio::test]
async fn the_creators_own_lists_are_walked_to_the_end() {
    for recording in [v1!("custom_lists"), legacy!("custom_lists")] {
        let client = &recording.client;
        let request = PageRequest::first(1);
        let first = client.custom_lists(&own(), &request).await.unwrap();
        let [list] = &first.items[..] else {
            panic!("one list, not {}", first.items.len());
        };
        assert_eq!((list.id, &*list.name), (list_id(1), "no bot"));
        assert_eq!(list.members, Some(2));
        let request = PageRequest::after(1, first.next.unwrap());
        let second = client.custom_lists(&own(), &request).await.unwrap();
        // Fanvue leaves out more than it says.
        assert_eq!(
            (second.items[0].id, second.items[0].members),
            (list_id(2), None)
        );
        assert_eq!(second.next, None);
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn who_is_in_a_smart_list_is_walked_by_its_word() {
    for recording in [v1!("smart_list_members"), legacy!("smart_list_members")] {
        let client = &recording.client;
        let list = FanList::Smart(SmartList::Followers);
        let request = PageRequest::first(1);
        let first = client.list_members(&own(), list, &request).await.unwrap();
        assert_eq!(first.items[0].id, fan());
        assert_eq!(first.items[0].display_name.as_deref(), Some("Fan"));
        let request = PageRequest::after(1, first.next.unwrap());
        let second = client.list_members(&own(), list, &request).await.unwrap();
        assert_eq!(second.items[0].id, other_fan());
        assert_eq!(second.items[0].handle.as_deref(), Some("other-fan"));
        assert_eq!(second.next, None);
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn who_is_in_a_custom_list_is_asked_by_its_id() {
    for recording in [v1!("custom_list_members"), legacy!("custom_list_members")] {
        let list = FanList::Custom(list_id(1));
        let page = recording
            .client
            .list_members(&own(), list, &PageRequest::first(50))
            .await
            .unwrap();
        let fans: Vec<_> = page.items.iter().map(|member| member.id).collect();
        assert_eq!((fans, page.next), (vec![fan(), other_fan()], None));
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn a_list_that_is_gone_is_not_found() {
    for recording in [v1!("custom_list_missing"), legacy!("custom_list_missing")] {
        let list = FanList::Custom(list_id(1));
        let found = recording
            .client
            .list_members(&own(), list, &PageRequest::first(50))
            .await;
        assert_eq!(variant(found), "NotFound");
        recording.assert_requests().await;
    }
}

#[tokio::test]
async fn lists_of_an_agency_lie_below_the_creator() {
    let recording = agency!("custom_lists");
    let request = PageRequest::first(50);
    let lists = recording.client.custom_lists(&agency(), &request).await;
    assert_eq!(lists.unwrap().items[0].id, list_id(1));
    recording.assert_requests().await;

    let recording = agency!("smart_list_members");
    let list = FanList::Smart(SmartList::Subscribers);
    let members = recording
        .client
        .list_members(&agency(), list, &request)
        .await;
    assert_eq!(members.unwrap().items[0].id, fan());
    recording.assert_requests().await;
}
