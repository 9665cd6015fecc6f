use async_trait::async_trait;

use super::*;
use crate::backend::Backend;
use crate::id::CreatorId;
use crate::memory::MemoryBackend;
use crate::webhook::{Hints, Verifier};

const SECRET: &str = "webhook-secret";

/// A door in this process, on a store that may be another than the test's, and what it answers instead if told to.
#[derive(Debug)]
struct Door {
    intake: Intake,
    secret: &'static str,
    instead: Option<u16>,
}

#[async_trait]
impl Courier for Door {
    async fn deliver(&self, event: &TestEvent) -> Result<u16, NotDelivered> {
        if let Some(status) = self.instead {
            return Ok(status);
        }
        let verifier = Verifier::new(&Secret::new(self.secret)).unwrap();
        let now = self.intake.now();
        let Ok(verified) = verifier.verify(event.signature.as_bytes(), &event.body, now) else {
            return Ok(401);
        };
        let event = verified.parse(&Hints::default()).unwrap();
        self.intake.accept(&event).await.unwrap();
        Ok(200)
    }
}

fn intake() -> Intake {
    Intake::new(Backend::shared(Arc::new(MemoryBackend::new())))
}

fn door(intake: &Intake) -> Door {
    Door {
        intake: intake.clone(),
        secret: SECRET,
        instead: None,
    }
}

/// How a test ends that nobody works on.
async fn ends(intake: &Intake, door: Door) -> (StepName, &'static str) {
    let test = SelfTest::new(intake.clone(), Arc::new(door), &Secret::new(SECRET)).unwrap();
    let report = test.run(Duration::from_secs(2)).await;
    assert!(!report.is_ok());
    let last = report.steps.last().unwrap();
    let problem = last.problem.as_ref().unwrap();
    assert!(report.to_string().contains(problem.action()), "{report}");
    (last.name, problem.as_str())
}

#[tokio::test(start_paused = true)]
async fn a_test_tells_which_step_went_wrong_and_what_to_do() {
    let here = intake();
    let answers = |status| Door {
        instead: Some(status),
        ..door(&here)
    };
    let delivered = StepName::Delivered;
    assert_eq!(ends(&here, answers(401)).await, (delivered, "not_proved"));
    assert_eq!(ends(&here, answers(404)).await, (delivered, "no_door"));
    assert_eq!(ends(&here, answers(301)).await, (delivered, "no_door"));
    assert_eq!(
        ends(&here, answers(503)).await,
        (delivered, "door_unavailable")
    );
    // Another secret.
    let other = Door {
        secret: "other",
        ..door(&here)
    };
    assert_eq!(ends(&here, other).await, (delivered, "not_proved"));
    // Another store.
    let elsewhere = door(&intake());
    assert_eq!(
        ends(&here, elsewhere).await,
        (StepName::Stored, "other_store")
    );
    let alone = door(&here);
    assert_eq!(ends(&here, alone).await, (StepName::Worked, "no_worker"));
}

#[tokio::test(start_paused = true)]
async fn a_door_that_never_answers_is_waited_for_no_longer_than_the_test_may_take() {
    #[derive(Debug)]
    struct Silent;
    #[async_trait]
    impl Courier for Silent {
        async fn deliver(&self, _event: &TestEvent) -> Result<u16, NotDelivered> {
            std::future::pending().await
        }
    }
    let test = SelfTest::new(intake(), Arc::new(Silent), &Secret::new(SECRET)).unwrap();
    let report = test.run(Duration::from_secs(3)).await;
    assert_eq!(report.problem().map(Problem::as_str), Some("no_answer"));
    assert_eq!(report.steps[1].took, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_taken_is_told() {
    let here = intake();
    let other = Creator::new(
        CreatorId::from_uuid(Uuid::from_u128(1)),
        Persona::named("Other"),
    )
    .account(ACCOUNT);
    let store = here.backend().store();
    store.commit(&other.into(), None).await.unwrap();
    let (step, problem) = ends(&here, door(&here)).await;
    assert_eq!((step, problem), (StepName::Prepared, "creator_taken"));
}

#[test]
fn an_event_shows_nothing_when_debugged() {
    let event = TestEvent {
        signature: "t=1,v0=5ec4e7".to_owned(),
        body: b"words".to_vec(),
    };
    assert_eq!(format!("{event:?}"), "TestEvent { .. }");
}
