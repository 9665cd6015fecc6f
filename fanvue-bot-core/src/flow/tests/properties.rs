//! What holds whatever happens: random days of a small world, in which it is known what was written, what
//! was really sent, and what each party was told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::conversation::{Clearance, FollowUpState, Purpose};
use crate::draft::MOST_REMEMBERED;
use crate::policy::Signal;
use crate::settings::TimeOfDay;

/// Something that happens in the world.
#[derive(Debug, Clone)]
enum Event {
    /// Time passes.
    Pass(u32),
    /// The fan writes; the event comes at once, later, or only by reading the chat.
    FanWrites { told: Told, fetched: bool },
    /// A human writes in the creator's name.
    HumanWrites { told: Told },
    /// The fan pays, or takes it back.
    Pay(u8),
    /// The oldest event that is under way arrives.
    Arrive,
    /// The oldest event that is under way arrives, and stays under way.
    ArriveTwice,
    /// The fan deletes one of their messages.
    Delete(u8),
    /// A worker takes the conversation and does up to so many of the things it asks for.
    Work { steps: u8, luck: Luck },
    /// The reply that was on its way reaches the chat although its worker is gone.
    Land,
    /// An outcome comes that nobody waits for.
    Stray { turn: u8, draft: u8, kind: u8 },
    /// What a worker tries cannot be done now.
    Fail(u8),
    /// A worker gives up.
    GiveUp,
    /// An operator acts.
    Operate(u8),
    /// The settings of the creator or of the deployment change.
    Set(u8),
}

/// How an event of the chat reaches us.
#[derive(Debug, Clone, Copy)]
enum Told {
    AtOnce,
    Later,
    LaterWithoutWords,
    Never,
}

/// How the next send ends.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Sent,
    /// It was sent, the echo comes first, and its words are changed or left out.
    EchoFirst {
        words: bool,
    },
    /// The answer was lost; the reply is in the chat.
    LostButSent,
    /// The answer was lost; the reply is not in the chat.
    LostNotSent,
    NotSent,
    Refused,
    /// The worker dies before the request leaves.
    CrashBefore,
    /// The worker dies when the request has left.
    CrashAfter,
    /// The model's text cannot be used.
    Unusable,
}

fn event() -> impl Strategy<Value = Event> {
    let told = prop_oneof![
        4 => Just(Told::AtOnce),
        2 => Just(Told::Later),
        2 => Just(Told::LaterWithoutWords),
        1 => Just(Told::Never),
    ];
    let luck = prop_oneof![
        4 => Just(Luck::Sent),
        2 => any::<bool>().prop_map(|words| Luck::EchoFirst { words }),
        2 => Just(Luck::LostButSent),
        1 => Just(Luck::LostNotSent),
        1 => Just(Luck::NotSent),
        1 => Just(Luck::Refused),
        1 => Just(Luck::CrashBefore),
        2 => Just(Luck::CrashAfter),
        1 => Just(Luck::Unusable),
    ];
    prop_oneof![
        6 => prop_oneof![
            2 => 0..3_u32,
            2 => 3..12_u32,
            2 => 20..60_u32,
            2 => 3_000..4_000_u32,
            1 => 20_000..100_000_u32,
        ]
        .prop_map(Event::Pass),
        5 => (told.clone(), any::<bool>())
            .prop_map(|(told, fetched)| Event::FanWrites { told, fetched }),
        2 => told.prop_map(|told| Event::HumanWrites { told }),
        1 => (0..6_u8).prop_map(Event::Pay),
        3 => Just(Event::Arrive),
        1 => Just(Event::ArriveTwice),
        1 => any::<u8>().prop_map(Event::Delete),
        10 => (1..9_u8, luck).prop_map(|(steps, luck)| Event::Work { steps, luck }),
        2 => Just(Event::Land),
        2 => (0..4_u8, 0..5_u8, 0..12_u8)
            .prop_map(|(turn, draft, kind)| Event::Stray { turn, draft, kind }),
        3 => (0..4_u8).prop_map(Event::Fail),
        1 => Just(Event::GiveUp),
        2 => (0..14_u8).prop_map(Event::Operate),
        1 => (0..16_u8).prop_map(Event::Set),
    ]
}

/// A message as it stands in the chat.
#[derive(Debug, Clone)]
struct Line {
    id: MessageId,
    sent_at: Timestamp,
    author: Who,
    text: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Fan,
    Human,
    Bot,
}

/// A request that has left and of which nobody knows more.
#[derive(Debug, Clone)]
struct OnItsWay {
    reply: Reply,
    until: Timestamp,
    answers: Vec<MessageId>,
    purpose: Purpose,
    /// The tips that nobody was thanked for yet when it left.
    thanks_for: Vec<Timestamp>,
}

/// As short as they may be, so that most worlds meet some.
const NUDGED_AFTER: Duration = Duration::from_secs(3_600);
const NUDGES_APART: Duration = Duration::from_secs(24 * 3_600);

struct World {
    creator: Creator,
    ceiling: Ceiling,
    now: Timestamp,
    conversation: Conversation,
    next_id: u128,
    /// The chat as Fanvue has it, oldest first.
    chat: Vec<Line>,
    /// Events that have not arrived, oldest first, and whether they carry words.
    under_way: Vec<(Line, bool)>,
    /// Messages that have a row here: entering again is then no step.
    stored: BTreeSet<MessageId>,
    deleted: BTreeSet<MessageId>,
    decisions: BTreeMap<MessageId, Outcome>,
    /// The drafts for which a send was asked for.
    sends: BTreeSet<(TurnId, u32)>,
    /// What a reply of ours in the chat was meant to answer.
    answered: Vec<MessageId>,
    on_its_way: Option<OnItsWay>,
    /// The fan's message that was written last.
    last_written: Option<MessageId>,
    /// When tips were given that nobody was thanked for yet.
    tips: Vec<Timestamp>,
    /// When nudges reached the chat.
    nudges: Vec<Timestamp>,
}

/// What is open is the last draft and the reply of the turn; what is closed stays as it is.
fn assert_drafts(before: &Conversation, next: &Conversation) {
    assert!(next.drafts.len() <= MOST_REMEMBERED);
    let open: Vec<DraftId> = next
        .drafts
        .iter()
        .filter(|draft| draft.state.is_open())
        .map(Draft::id)
        .collect();
    assert!(open.len() <= 1, "{:?}", next.drafts);
    let current = next.turn.as_ref().map(|turn| DraftId {
        turn: turn.id,
        draft: turn.draft,
    });
    assert!(
        open.is_empty() || current == open.first().copied(),
        "{next:?}"
    );
    if let Some(Phase::AwaitingApproval { reply, .. }) = next.turn.as_ref().map(|turn| &turn.phase)
    {
        let draft = next.drafts.last().unwrap();
        assert!(draft.state.is_open() && draft.text() == reply, "{next:?}");
    }
    for closed in before.drafts.iter().filter(|draft| !draft.state.is_open()) {
        let after = next.drafts.iter().find(|draft| draft.id() == closed.id());
        let made_room = next.drafts.len() == MOST_REMEMBERED;
        assert!(
            after == Some(closed) || (after.is_none() && made_room),
            "{next:?}"
        );
    }
}

impl World {
    fn new() -> Self {
        Self {
            creator: with(|settings| {
                settings
                    .mode(Mode::Auto)
                    .quiet_hours(every_other_hour())
                    .follow_ups(FollowUps::after(NUDGED_AFTER, NUDGES_APART))
            }),
            ceiling: Ceiling::none(),
            now: seconds(1_000_000),
            conversation: Conversation {
                history_read: false,
                ..nobody_wrote()
            },
            next_id: 1,
            chat: Vec::new(),
            under_way: Vec::new(),
            stored: BTreeSet::new(),
            deleted: BTreeSet::new(),
            decisions: BTreeMap::new(),
            sends: BTreeSet::new(),
            answered: Vec::new(),
            on_its_way: None,
            last_written: None,
            tips: Vec::new(),
            nudges: Vec::new(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            seed: Seed::new(11),
            creator: &self.creator,
            timing: Timing::default(),
            ceiling: self.ceiling,
        }
    }

    /// Steps, and asserts what must hold of every step.
    #[expect(clippy::needless_pass_by_value, reason = "callers build it in place")]
    fn step(&mut self, input: Input) -> Option<Effect> {
        let before = self.conversation.clone();
        let transition = step(&before, input.clone(), &self.context());
        assert_eq!(
            transition,
            step(&before, input.clone(), &self.context()),
            "the same inputs give the same transition"
        );
        let next = &transition.next;
        let bytes = serde_json::to_vec(next).unwrap();
        let read: Conversation = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(&read, next, "the state reads back");
        assert_eq!(serde_json::to_vec(&read).unwrap(), bytes);

        let again = step(next, Input::Wake, &self.context());
        assert_eq!(
            &again.next, next,
            "a wake-up right after {input:?} changes nothing"
        );
        assert!(again.decisions.is_empty() && again.sent.is_none() && again.by_human.is_empty());
        match &transition.effect {
            Some(Effect::Send { draft, .. }) => {
                assert_eq!(again.effect, None, "a send is given once");
                self.assert_may_send(&before, next, *draft);
            }
            effect => assert_eq!(
                &again.effect, effect,
                "the state yields the same effect again"
            ),
        }

        let owed = !next.pending.is_empty() || !next.unread.is_empty() || next.turn.is_some();
        let awaits_approval = next
            .turn
            .as_ref()
            .is_some_and(|turn| matches!(turn.phase, Phase::AwaitingApproval { .. }));
        assert!(
            !owed || next.wake_at().is_some() || awaits_approval,
            "somebody waits for ever after {input:?}: {next:?}"
        );
        if transition.effect.is_none() && !awaits_approval {
            assert!(
                next.wake_at().is_none_or(|at| at > self.now),
                "it rests although something is due after {input:?}: {next:?}"
            );
        }
        if let Some(hold) = next.hold.filter(|hold| hold.until > self.now) {
            assert_eq!(transition.effect, None, "nothing is tried before {hold:?}");
        }
        for (id, decision) in &transition.decisions {
            if let Outcome::Waiting { until, .. } = decision.outcome {
                assert!(
                    until >= self.now,
                    "{id:?} is said to wait for the past after {input:?}: {decision:?}"
                );
            }
        }
        let in_flight = next.turn.as_ref().is_some_and(|turn| {
            matches!(
                turn.phase,
                Phase::Sending { .. } | Phase::Reconciling { .. }
            )
        });
        assert!(in_flight || next.unattributed.is_empty(), "{next:?}");
        assert_drafts(&before, next);
        assert!(
            in_flight
                || !next.pending.is_empty()
                || next
                    .turn
                    .as_ref()
                    .is_none_or(|turn| turn.purpose != Purpose::Answer),
            "a turn answers something: {next:?}"
        );
        self.assert_follow_up(next);
        assert!(
            next.turn.is_none() || in_flight || next.paused_until.is_none(),
            "no turn while a human has the conversation: {next:?}"
        );

        for (id, decision) in &transition.decisions {
            let known = self.decisions.insert(*id, decision.outcome.clone());
            let asks_again = known == Some(Outcome::OptedOut)
                && matches!(&input, Input::Noticed { id: by, signals, .. }
                    if by == id && signals.contains(Signal::Resume));
            assert!(
                asks_again || known.as_ref().is_none_or(|known| !known.is_final()),
                "{known:?} of {id:?} was final and became {decision:?} by {input:?}"
            );
        }
        if let Some(sent) = &transition.sent {
            self.stored.insert(sent.message);
            let line = self.chat.iter().find(|line| line.id == sent.message);
            assert_eq!(
                line.map(|line| line.author),
                Some(Who::Bot),
                "only ours count as ours"
            );
        }
        for human in &transition.by_human {
            self.stored.insert(human.id);
        }
        self.conversation = transition.next;
        transition.effect
    }

    fn assert_may_send(&mut self, before: &Conversation, next: &Conversation, draft: DraftId) {
        let phase = |conversation: &Conversation| conversation.turn.clone().unwrap().phase;
        assert!(
            matches!(phase(before), Phase::Pacing { .. }),
            "no other reply's outcome is open"
        );
        let Phase::Sending { intent, .. } = phase(next) else {
            panic!("the intent is part of the state: {next:?}");
        };
        assert!(
            self.sends.insert((draft.turn, draft.draft)),
            "one send for each intent: {draft:?}"
        );
        assert_eq!(next.stopped, None);
        assert!(!next.opted_out && next.paused_until.is_none_or(|until| until <= self.now));
        assert_eq!(self.creator.status, CreatorStatus::Active);
        let settings = self
            .ceiling
            .over(self.creator.settings.with(&before.overrides));
        assert!(!self.ceiling.is_stopped());
        assert!(settings.mode != Mode::Off && !settings.dry_run);
        let cleared = before.turn.as_ref().unwrap().clearance == Clearance::Approved;
        assert!(
            settings.mode == Mode::Auto || cleared,
            "unapproved in draft mode"
        );
        let ends_by = intent.valid_until;
        assert!(
            cleared
                || !settings.quiet_hours.is_quiet(self.now)
                    && !settings.quiet_hours.is_quiet(ends_by),
            "a send may be under way in quiet hours"
        );
        assert!(
            next.pending.is_empty(),
            "no message is newer than the reply"
        );
        match before.turn.as_ref().unwrap().purpose {
            Purpose::FollowUp => {
                assert!(intent.answers.is_empty());
                assert!(settings.follow_ups.enabled || settings.mode == Mode::Draft || cleared);
                let last = self.chat.last().map(|line| line.author);
                assert_eq!(last, Some(Who::Bot), "nobody is talked over");
                let goodbye = self.last_written.is_some_and(|id| {
                    signs_of(id).contains(Signal::Farewell) && !self.deleted.contains(&id)
                });
                assert!(!goodbye, "who said goodbye is let go");
            }
            Purpose::Answer => {
                assert!(!intent.answers.is_empty(), "a reply answers something");
            }
            Purpose::Thanks { .. } => {}
        }
    }

    /// A nudge that is open is the running turn's, and one that is due has nobody waiting.
    fn assert_follow_up(&self, next: &Conversation) {
        let nudges = next
            .turn
            .as_ref()
            .filter(|turn| turn.purpose == Purpose::FollowUp);
        let state = next.follow_up.as_ref().map(|follow_up| &follow_up.state);
        match state {
            Some(FollowUpState::Open { turn }) => {
                assert_eq!(nudges.map(|nudges| nudges.id), Some(*turn), "{next:?}");
            }
            _ => assert_eq!(nudges, None, "{next:?}"),
        }
        if let Some(FollowUpState::Due { .. }) = state {
            assert!(next.pending.is_empty() && !next.opted_out && next.stopped.is_none());
        }
    }

    fn write(&mut self, author: Who, text: &str) -> Line {
        let line = Line {
            id: message(self.next_id),
            // Two lines never share a microsecond.
            sent_at: self.now + Duration::from_micros(u64::try_from(self.next_id).unwrap()),
            author,
            text: text.into(),
        };
        self.next_id += 1;
        if author == Who::Fan {
            self.last_written = Some(line.id);
        }
        self.chat.push(line.clone());
        line
    }

    /// A line of the chat enters, by an event or by reading the chat.
    fn enter(&mut self, line: &Line, words: bool) {
        if self.stored.contains(&line.id) {
            return;
        }
        match line.author {
            Who::Fan => {
                self.stored.insert(line.id);
                self.step(Input::FanMessage {
                    id: line.id,
                    sent_at: line.sent_at,
                    fetched: words,
                });
                let signals = signs_of(line.id);
                if !signals.is_empty() {
                    self.step(Input::Noticed {
                        id: line.id,
                        sent_at: line.sent_at,
                        signals,
                    });
                    let stops = [Signal::Minor, Signal::Crisis]
                        .iter()
                        .any(|signal| signals.contains(*signal));
                    assert!(!stops || self.conversation.stopped.is_some());
                }
                assert!(
                    self.decisions.contains_key(&line.id),
                    "every message has a decision"
                );
            }
            Who::Human | Who::Bot => {
                self.step(Input::CreatorMessage {
                    id: line.id,
                    sent_at: line.sent_at,
                    text: words.then(|| Reply::new(Arc::clone(&line.text))),
                });
                let open = self
                    .conversation
                    .unattributed
                    .iter()
                    .any(|m| m.id == line.id);
                if !open {
                    self.stored.insert(line.id);
                }
            }
        }
    }

    fn tell(&mut self, line: Line, told: Told) {
        match told {
            Told::AtOnce => self.enter(&line, true),
            Told::Later => self.under_way.push((line, true)),
            Told::LaterWithoutWords => self.under_way.push((line, false)),
            Told::Never => {}
        }
    }

    fn read_chat(&mut self) -> Option<Timestamp> {
        for line in self.chat.clone() {
            self.enter(&line, true);
        }
        self.chat.iter().map(|line| line.sent_at).max()
    }

    /// Does what the state asks for, as the engine does.
    fn work(&mut self, steps: u8, luck: Luck) {
        let mut effect = self.step(Input::Wake);
        for _ in 0..steps {
            let Some(next) = effect.take() else {
                return;
            };
            effect = match next {
                Effect::ReadHistory => {
                    self.read_chat();
                    self.step(Input::HistoryRead)
                }
                Effect::Fetch { messages } => {
                    match messages.iter().find(|id| self.deleted.contains(id)) {
                        Some(id) => self.step(Input::Deleted { id: *id }),
                        None => self.step(Input::Fetched { ids: messages }),
                    }
                }
                Effect::Compose { draft, .. } => self.step(match luck {
                    Luck::Unusable => Input::Unusable {
                        draft,
                        problem: "it was empty".into(),
                    },
                    _ => Input::Composed {
                        draft,
                        reply: Reply::new(format!("reply {}.{}", draft.turn, draft.draft)),
                    },
                }),
                Effect::ReadChat { draft } => {
                    let newest = self.read_chat();
                    self.step(Input::ChatRead { draft, newest })
                }
                Effect::Send {
                    draft,
                    reply,
                    begin_by,
                } => {
                    assert!(begin_by > self.now);
                    match self.send(draft, &reply, luck) {
                        Some(effect) => effect,
                        None => return,
                    }
                }
                Effect::FindSent { draft, .. } => {
                    self.read_chat();
                    self.step(Input::NotFound { draft })
                }
                Effect::Erase { through } => self.step(Input::Erased { through }),
            };
        }
    }

    fn intent(&self) -> SendIntent {
        match &self.conversation.turn.as_ref().unwrap().phase {
            Phase::Sending { intent, .. } => intent.clone(),
            phase => panic!("a send without an intent: {phase:?}"),
        }
    }

    /// `None` if the worker dies.
    fn send(&mut self, draft: DraftId, reply: &Reply, luck: Luck) -> Option<Option<Effect>> {
        let intent = self.intent();
        let leaves = OnItsWay {
            reply: reply.clone(),
            until: intent.valid_until,
            answers: intent.answers.iter().map(|m| m.id).collect(),
            purpose: self.conversation.turn.as_ref().unwrap().purpose,
            thanks_for: self.tips.clone(),
        };
        Some(match luck {
            Luck::Sent | Luck::Unusable => {
                let line = self.land(leaves);
                self.sent(draft, &line)
            }
            Luck::EchoFirst { words } => {
                let line = self.land(leaves);
                let changed = Line {
                    text: format!("{}!", line.text).into(),
                    ..line.clone()
                };
                self.enter(&changed, words);
                self.sent(draft, &line)
            }
            Luck::LostButSent => {
                self.land(leaves);
                self.step(Input::SendUnclear { draft })
            }
            Luck::LostNotSent => self.step(Input::SendUnclear { draft }),
            Luck::NotSent => {
                self.step(Input::NotSent { draft });
                return None;
            }
            Luck::Refused => self.step(Input::SendRefused {
                draft,
                outcome: Outcome::Blocked {
                    rule: Rule::NotContactable,
                },
            }),
            Luck::CrashBefore => return None,
            Luck::CrashAfter => {
                self.on_its_way = Some(leaves);
                return None;
            }
        })
    }

    fn sent(&mut self, draft: DraftId, line: &Line) -> Option<Effect> {
        self.step(Input::Sent {
            draft,
            message: line.id,
            sent_at: line.sent_at,
        })
    }

    /// The reply reaches the chat.
    fn land(&mut self, reply: OnItsWay) -> Line {
        if reply.purpose == Purpose::FollowUp {
            let before = self.nudges.last().copied();
            assert!(
                before.is_none_or(|before| self.now.since(before) >= NUDGES_APART),
                "the fan is nudged again after {before:?}"
            );
            self.nudges.push(self.now);
        }
        if let Purpose::Thanks { since } = reply.purpose {
            let mut tips = reply.thanks_for.clone();
            tips.retain(|at| *at >= since && self.tips.contains(at));
            assert!(!tips.is_empty(), "nobody is thanked twice for a tip");
            self.tips.retain(|at| !tips.contains(at));
        }
        for id in reply.answers {
            assert!(
                !self.answered.contains(&id),
                "the fan reads two answers to {id:?}"
            );
            self.answered.push(id);
        }
        let text = Arc::clone(reply.reply.text());
        self.write(Who::Bot, &text)
    }

    fn draft(&self) -> DraftId {
        self.conversation.turn.as_ref().map_or(
            DraftId {
                turn: TurnId::new(0),
                draft: 0,
            },
            |turn| DraftId {
                turn: turn.id,
                draft: turn.draft,
            },
        )
    }

    fn pass(&mut self, duration: Duration) {
        // A request that has left arrives within the time its intent is valid for, or never.
        if let Some(reply) = self
            .on_its_way
            .take_if(|reply| reply.until <= self.now + duration)
        {
            self.land(reply);
        }
        self.now = self.now + duration;
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Pass(duration) => self.pass(Duration::from_secs(duration.into())),
            Event::FanWrites { told, fetched } => {
                let line = self.write(Who::Fan, "hey");
                match told {
                    Told::AtOnce if !fetched => self.enter(&line, false),
                    told => self.tell(line, told),
                }
            }
            Event::HumanWrites { told } => {
                let line = self.write(Who::Human, "it's really me");
                self.tell(line, told);
            }
            Event::Arrive if !self.under_way.is_empty() => {
                let (line, words) = self.under_way.remove(0);
                self.enter(&line, words);
            }
            Event::ArriveTwice if !self.under_way.is_empty() => {
                let (line, words) = self.under_way[0].clone();
                self.enter(&line, words);
            }
            Event::Arrive | Event::ArriveTwice => {}
            Event::Pay(which) => {
                let kind = match which {
                    0..4 => TransactionKind::Tip,
                    4 => TransactionKind::Refund,
                    _ => TransactionKind::Renewal,
                };
                let at = self.now;
                if kind == TransactionKind::Tip {
                    self.tips.push(at);
                }
                let _ = self.step(Input::Paid { kind, at });
            }
            Event::Delete(which) => self.delete(which),
            Event::Work { steps, luck } => self.work(steps, luck),
            Event::Land => {
                if let Some(reply) = self.on_its_way.take() {
                    self.land(reply);
                }
            }
            Event::Stray { turn, draft, kind } => self.stray(turn, draft, kind),
            Event::Fail(which) => self.fail(which),
            Event::GiveUp => {
                let _ = self.step(Input::GiveUp {
                    cause: "no model".into(),
                });
            }
            Event::Operate(which) => self.operate(which),
            Event::Set(which) => self.set(which),
        }
    }

    fn delete(&mut self, which: u8) {
        let lines: Vec<MessageId> = self
            .chat
            .iter()
            .filter(|line| line.author == Who::Fan)
            .map(|line| line.id)
            .collect();
        if let Some(id) = lines.get(usize::from(which) % lines.len().max(1)) {
            self.chat.retain(|line| line.id != *id);
            self.deleted.insert(*id);
            if self.stored.contains(id) {
                let _ = self.step(Input::Deleted { id: *id });
            }
        }
    }

    /// An outcome that nobody waits for changes no more than a wake-up does.
    fn stray(&mut self, turn: u8, draft: u8, kind: u8) {
        let _ = self.step(Input::Wake);
        let draft = DraftId {
            turn: TurnId::new(u64::from(turn)),
            draft: u32::from(draft),
        };
        if draft == self.draft() {
            return;
        }
        let before = self.conversation.clone();
        let _ = self.step(match kind {
            0 => Input::Composed {
                draft,
                reply: Reply::new("stray"),
            },
            1 => Input::Unusable {
                draft,
                problem: "stray".into(),
            },
            2 => Input::ChatRead {
                draft,
                newest: None,
            },
            3 => Input::Sent {
                draft,
                message: message(1 << 100),
                sent_at: self.now,
            },
            4 => Input::NotSent { draft },
            5 => Input::SendRefused {
                draft,
                outcome: Outcome::OverBudget,
            },
            6 => Input::SendUnclear { draft },
            7 => Input::NotFound { draft },
            8 => Input::Operator(OperatorAction::Approve {
                draft,
                edited: None,
            }),
            9 => Input::Operator(OperatorAction::Edit {
                draft,
                text: Reply::new("stray"),
            }),
            10 => Input::Operator(OperatorAction::Regenerate {
                draft,
                instruction: None,
            }),
            _ => Input::Operator(OperatorAction::Reject {
                draft,
                reason: None,
            }),
        });
        assert_eq!(self.conversation, before, "stray");
    }

    fn fail(&mut self, which: u8) {
        let cause = WaitCause::Retrying;
        let _ = self.step(match which {
            0 => Input::PutOff {
                until: self.now + Duration::from_secs(2),
                cause,
            },
            1 => Input::PutOff {
                until: self.now + Duration::from_secs(600),
                cause,
            },
            2 => Input::Park {
                cause: WaitCause::NotConnected,
            },
            _ => Input::Park {
                cause: WaitCause::Deployment,
            },
        });
    }

    fn operate(&mut self, which: u8) {
        let draft = self.draft();
        let _ = self.step(Input::Operator(match which {
            0 => OperatorAction::Approve {
                draft,
                edited: None,
            },
            1 => OperatorAction::Approve {
                draft,
                edited: Some(Reply::new(format!("edited {}.{}", draft.turn, draft.draft))),
            },
            2 => OperatorAction::Reject {
                draft,
                reason: None,
            },
            3 => OperatorAction::Pause {
                until: self.now + Duration::from_secs(100),
            },
            4 => OperatorAction::Resume,
            5 => OperatorAction::OptOut,
            6 => OperatorAction::OptIn,
            7..=10 => {
                let mut overrides = Overrides::none();
                match which {
                    7 => overrides.mode = Some(Mode::Off),
                    8 => overrides.mode = Some(Mode::Auto),
                    9 => overrides.quiet_hours = Some(QuietHours::none()),
                    _ => {}
                }
                OperatorAction::Override(Box::new(overrides))
            }
            11 => OperatorAction::Edit {
                draft,
                text: Reply::new(format!("edited {}.{}", draft.turn, draft.draft)),
            },
            12 => OperatorAction::Regenerate {
                draft,
                instruction: Note::new("shorter").ok(),
            },
            _ => OperatorAction::TryNow,
        }));
    }

    fn set(&mut self, which: u8) {
        let settings = &mut self.creator.settings;
        match which {
            0 => settings.mode = Mode::Off,
            1 => settings.mode = Mode::Draft,
            2 | 3 => settings.mode = Mode::Auto,
            4 => settings.dry_run = !settings.dry_run,
            5 => self.creator.status = CreatorStatus::Inactive,
            6 => settings.pace = Pace::Immediate,
            7 => settings.quiet_hours = QuietHours::none(),
            8 => settings.quiet_hours = every_other_hour(),
            9 => self.ceiling.stopped_at = Some(self.now),
            10 => self.ceiling.stopped_at = None,
            11 => self.ceiling.mode = Mode::Draft,
            12 => self.ceiling = Ceiling::none(),
            13 => settings.follow_ups.enabled = false,
            14 => settings.follow_ups.enabled = true,
            _ => self.creator.status = CreatorStatus::Active,
        }
    }

    /// Lets everything that is under way arrive, and works whenever something is due, until nothing is.
    fn come_to_rest(&mut self) {
        self.ceiling.stopped_at = None;
        while !self.under_way.is_empty() {
            self.happen(&Event::Arrive);
        }
        for _ in 0..200 {
            self.work(u8::MAX, Luck::Sent);
            match self.conversation.wake_at() {
                Some(at) => self.pass(at.since(self.now)),
                None => return,
            }
        }
        panic!("it does not come to rest: {:?}", self.conversation);
    }

    fn assert_nobody_is_forgotten(&self) {
        let waiting: Vec<MessageId> = self.conversation.pending.iter().map(|m| m.id).collect();
        if self.conversation.turn.is_none() {
            assert!(waiting.is_empty(), "{:?}", self.conversation);
        }
        for (id, outcome) in &self.decisions {
            match outcome {
                Outcome::AwaitingApproval { .. } => assert!(waiting.contains(id), "{id:?}"),
                Outcome::Waiting { .. } => panic!("{id:?} is forgotten: {outcome:?}"),
                Outcome::PausedByHuman { .. } => {
                    let heard = self.chat.iter().filter(|line| line.author == Who::Human);
                    let sent_at = |id| {
                        self.chat
                            .iter()
                            .find(|line| line.id == id)
                            .map(|line| line.sent_at)
                    };
                    let answered = heard
                        .map(|line| Some(line.sent_at))
                        .any(|at| at > sent_at(*id));
                    assert!(
                        answered,
                        "{id:?} was left to a human who wrote nothing after it"
                    );
                }
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nobody_is_answered_twice_or_forgotten(
        events in prop::collection::vec(event(), 1..60),
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
        }
        world.come_to_rest();
        world.assert_nobody_is_forgotten();
    }
}

/// It is quiet so often that most days of this world meet it.
fn every_other_hour() -> QuietHours {
    let time = |hour: u16| TimeOfDay::from_minutes(hour * 60).unwrap();
    (0..12).fold(QuietHours::in_zone("UTC"), |quiet, hour| {
        quiet.daily(time(2 * hour), time(2 * hour + 1))
    })
}

/// Some of the fan's messages say what the policy layer listens to.
fn signs_of(id: MessageId) -> Signals {
    match id.as_uuid().as_u128() % 48 {
        7 | 19 | 31 => Signal::OptOut.into(),
        8 | 21 | 34 => Signal::Resume.into(),
        10 => Signal::Minor.into(),
        12 => Signal::Crisis.into(),
        14 => Signal::Upset.into(),
        11 | 27 => Signal::Farewell.into(),
        _ => Signals::NONE,
    }
}
