//! Events that are kept in an inbox first: nothing that was acknowledged is passed over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fanvue_bot_core::backend::Backend;
use fanvue_bot_core::client::RemoteMessage;
use fanvue_bot_core::decision::{Outcome, WaitCause};
use fanvue_bot_core::engine::Engine;
use fanvue_bot_core::flow::{DraftId, OperatorAction};
use fanvue_bot_core::id::AccountId;
use fanvue_bot_core::inbox::{Inbox as _, KeptEvent};
use fanvue_bot_core::intake::Accepted;
use fanvue_bot_core::llm::{Completion, CompletionRequest, LlmCapabilities, LlmError, LlmProvider};
use fanvue_bot_core::memory::MemoryInbox;
use fanvue_bot_core::message::Content;
use fanvue_bot_core::queue::WorkerId;
use fanvue_bot_core::settings::Mode;
use fanvue_bot_core::store::Store as _;
use fanvue_bot_core::time::Clock as _;
use fanvue_bot_core::worker::{Batch, TakenIn, Worker, WorkerOptions, take_in_waiting};
use fanvue_bot_testkit::entropy::SeededEntropy;
use fanvue_bot_testkit::fault::{Fault, FaultPlan, Faulty};

use crate::fake::Fanvue;
use crate::ids::{chat, fan, message};
use crate::replied;
use crate::scene::{Scene, settings};

/// A scene whose webhooks are kept first.
async fn scene(mode: Mode) -> (Scene, Arc<MemoryInbox>) {
    let inbox = Arc::new(MemoryInbox::new());
    let keeping = Arc::clone(&inbox);
    let backend = |memory| Backend::shared(memory).inbox(keeping);
    (Scene::with([], settings().mode(mode), backend).await, inbox)
}

async fn is_stored(scene: &Scene, number: u32) -> bool {
    let stored = scene.memory.message(chat(), message(number)).await;
    stored.unwrap().is_some()
}

#[tokio::test]
async fn a_webhook_is_kept_and_taken_in_once_however_often_it_comes() {
    let (scene, inbox) = scene(Mode::Auto).await;
    for _ in 0..3 {
        assert_eq!(scene.receive(1, "hi").await, Accepted::Kept(chat()));
    }
    assert!(!is_stored(&scene, 1).await);
    assert_eq!(inbox.waiting_count(), 3);
    let taken = take_in_waiting(scene.engine.intake(), 100).await.unwrap();
    assert_eq!((taken.taken_in, taken.put_off), (3, 0));
    assert_eq!(inbox.waiting_count(), 0);
    assert_eq!(scene.receive(1, "hi").await, Accepted::Kept(chat()));
    take_in_waiting(scene.engine.intake(), 100).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent().len(), 1);
    assert_eq!(scene.outcome(1).await, replied());
    let nothing = take_in_waiting(scene.engine.intake(), 100).await.unwrap();
    assert_eq!(nothing, TakenIn::default());
}

#[tokio::test]
async fn what_cannot_be_taken_in_for_want_of_a_store_waits() {
    let plan = FaultPlan::none();
    let inbox = Arc::new(MemoryInbox::new());
    let (keeping, failing) = (Arc::clone(&inbox), plan.clone());
    let backend = |memory| Backend::shared(Arc::new(Faulty::new(memory, failing))).inbox(keeping);
    let scene = Scene::with([], settings(), backend).await;
    scene.receive(1, "hi").await;
    scene.receive(2, "hello?").await;
    for fault in [Fault::Before, Fault::After] {
        plan.fail_next("CommitAndEnqueue::commit_and_enqueue", fault);
        let failed = take_in_waiting(scene.engine.intake(), 100).await;
        failed.unwrap_err();
        assert_eq!(inbox.waiting_count(), 2);
    }
    let taken = take_in_waiting(scene.engine.intake(), 100).await.unwrap();
    assert_eq!(taken.taken_in, 2);
    assert!(is_stored(&scene, 1).await && is_stored(&scene, 2).await);
}

/// A fan who writes again while the model writes; nobody takes that in by itself.
#[derive(Debug)]
struct WritesMeanwhile {
    inbox: Arc<MemoryInbox>,
    fanvue: Arc<Fanvue>,
    writes: Mutex<Option<(RemoteMessage, KeptEvent)>>,
    asked: Mutex<Vec<CompletionRequest>>,
}

#[async_trait]
impl LlmProvider for WritesMeanwhile {
    async fn complete(&self, request: &CompletionRequest) -> Result<Completion, LlmError> {
        self.asked.lock().unwrap().push(request.clone());
        let writes = self.writes.lock().unwrap().take();
        if let Some((message, event)) = writes {
            self.fanvue.show(message);
            self.inbox.keep(event).await.unwrap();
        }
        Ok(Completion::new("hello to you"))
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities::text(32_000)
    }
}

#[tokio::test]
async fn a_message_that_is_kept_while_the_model_writes_is_answered_with_the_others() {
    let (mut scene, inbox) = scene(Mode::Auto).await;
    let text = "and another thing";
    scene.receive(2, text).await;
    // Until then nobody knows of it.
    scene.fanvue.remove(message(2));
    let author = AccountId::from_uuid(fan().as_uuid());
    let shown = RemoteMessage::new(message(2), author, Content::text(text), scene.clock.now());
    let later = inbox.waiting(scene.clock.now(), 8).await.unwrap().remove(0);
    inbox.settle(&[later.id]).await.unwrap();
    let model = Arc::new(WritesMeanwhile {
        inbox: Arc::clone(&inbox),
        fanvue: Arc::clone(&scene.fanvue),
        writes: Mutex::new(Some((shown, later.event))),
        asked: Mutex::default(),
    });
    let (backend, fanvue) = (scene.engine.backend().clone(), Arc::clone(&scene.fanvue));
    let writing = Arc::clone(&model) as _;
    scene.engine = Engine::builder(backend, writing, fanvue, scene.tokens.clone())
        .clock(Arc::new(scene.clock.clone()))
        .entropy(Arc::new(SeededEntropy::new(3)))
        .build();
    scene.receive(1, "hi").await;
    take_in_waiting(scene.engine.intake(), 8).await.unwrap();
    scene.run_to_rest(20).await;

    assert_eq!(scene.fanvue.sent().len(), 1, "one burst, one answer");
    let asked = model.asked.lock().unwrap().clone();
    let words = |request: &CompletionRequest| {
        let texts = request.messages.iter().map(|message| &*message.content);
        texts.collect::<String>()
    };
    assert!(!words(&asked[0]).contains(text));
    assert!(words(asked.last().unwrap()).contains(text));
    for number in [1, 2] {
        let outcome = scene.outcome(number).await;
        assert!(
            matches!(outcome, Outcome::Replied { .. } | Outcome::Merged { .. }),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_draft_is_not_approved_over_a_message_that_is_kept() {
    let (scene, inbox) = scene(Mode::Draft).await;
    scene.receive(1, "hi").await;
    take_in_waiting(scene.engine.intake(), 8).await.unwrap();
    scene.run_after(8).await;
    let turn = scene.conversation().await.turn.unwrap();
    let draft = DraftId {
        turn: turn.id,
        draft: turn.draft,
    };
    scene.receive(2, "never mind, something else").await;
    let approval = OperatorAction::Approve {
        draft,
        edited: None,
    };
    scene.engine.act(chat(), approval).await.unwrap();
    scene.run_to_rest(9).await;
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
    assert_eq!(inbox.waiting_count(), 0);
    assert!(is_stored(&scene, 2).await);
}

#[tokio::test]
async fn a_batch_takes_in_before_it_works() {
    let (scene, inbox) = scene(Mode::Auto).await;
    scene.receive(1, "hi").await;
    let worker = Worker::new(
        scene.engine.clone(),
        WorkerOptions::new(WorkerId::new("batch")),
    );
    let batch = Batch {
        lanes: 8,
        time: Duration::from_secs(10),
    };
    worker.run_batch(batch).await.unwrap();
    assert_eq!(inbox.waiting_count(), 0);
    let outcome = scene.outcome(1).await;
    assert!(
        matches!(
            outcome,
            Outcome::Waiting {
                cause: WaitCause::Settling,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn erasing_a_fan_reaches_what_is_kept_of_them() {
    let (scene, inbox) = scene(Mode::Auto).await;
    scene.receive(1, "hi").await;
    scene.engine.erase_fan(chat()).await.unwrap();
    assert_eq!(inbox.waiting_count(), 0);
    // As a webhook that is delivered again.
    scene.receive(1, "hi").await;
    scene.run_to_rest(9).await;
    take_in_waiting(scene.engine.intake(), 8).await.unwrap();
    assert_eq!(inbox.waiting_count(), 0);
    assert!(!is_stored(&scene, 1).await);
    assert_eq!(scene.fanvue.sent(), Vec::<String>::new());
}
