//! What the flow does, as tables: one line for each thing that happens, and what must follow from it.

mod delivery;
mod drafts;
mod erasure;
mod follow_up;
mod held;
mod human;
mod modes;
mod money;
mod overrides;
mod policy;
mod properties;
mod quiet;
mod sending;
mod settling;
mod stale;
mod stop;
mod turns;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::conversation::Unattributed;
use crate::draft::{Draft, DraftState};
use crate::id::{ConversationId, CreatorId, FanId};
use crate::persona::Persona;
use crate::policy::Signal;
use crate::settings::{FollowUps, Overrides, QuietHours};

/// A creator whose replies go out as soon as they are written.
fn auto() -> Creator {
    with(|settings| settings.mode(Mode::Auto).pace(Pace::Immediate))
}

/// A creator whose replies wait for approval.
fn draft() -> Creator {
    with(|settings| settings.mode(Mode::Draft).pace(Pace::Immediate))
}

fn with(change: impl FnOnce(Settings) -> Settings) -> Creator {
    Creator::new(
        CreatorId::from_uuid(Uuid::from_u128(1)),
        Persona::named("Mia"),
    )
    .settings(change(Settings::default()))
}

fn message(number: u128) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(number))
}

fn seconds(number: i64) -> Timestamp {
    Timestamp::from_seconds(number)
}

fn nobody_wrote() -> Conversation {
    let fan = FanId::from_uuid(Uuid::from_u128(2));
    Conversation {
        history_read: true,
        ..Conversation::new(ConversationId::new(auto().id, fan), Seed::new(3))
    }
}

/// Plays `script` for `creator` from an empty conversation.
///
/// A line is `<second> <what happens> -> <what follows>`; without an arrow nothing is asserted. What
/// follows is the effect and then the decisions in their order, `nothing` if there are none; behind `=`
/// stands the state, which is compared only if it is given.
#[track_caller]
fn check(creator: Creator, script: &str) -> Scene {
    let mut scene = Scene {
        creator,
        ceiling: Ceiling::none(),
        conversation: nobody_wrote(),
    };
    for line in script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (happens, follows) = match line.split_once("->") {
            Some((happens, follows)) => (happens.trim(), Some(follows.trim())),
            None => (line, None),
        };
        let (now, happens) = happens.split_once(' ').unwrap();
        let now = seconds(now.parse().unwrap());
        if scene.set(happens) {
            assert_eq!(follows, None, "a setting is no step: {line}");
            continue;
        }
        let transition = scene.step(now, input(happens, now));
        if let Some(follows) = follows {
            let (follows, state) = match follows.split_once('=') {
                Some((follows, state)) => {
                    (follows.trim_end_matches([' ', ',']), Some(state.trim()))
                }
                None => (follows, None),
            };
            assert_eq!(shown(&transition), follows, "after: {line}");
            if let Some(state) = state {
                assert_eq!(shown_state(&transition.next), state, "after: {line}");
            }
        }
    }
    scene
}

struct Scene {
    creator: Creator,
    ceiling: Ceiling,
    conversation: Conversation,
}

impl Scene {
    fn step(&mut self, now: Timestamp, input: Input) -> Transition {
        let context = Context {
            now,
            seed: Seed::new(5),
            creator: &self.creator,
            timing: Timing::default(),
            ceiling: self.ceiling,
        };
        let transition = step(&self.conversation, input, &context);
        self.conversation = transition.next.clone();
        transition
    }

    /// Changes a setting of the creator or of the deployment, if that is what happens.
    fn set(&mut self, happens: &str) -> bool {
        match happens {
            "mode off" => self.creator.settings.mode = Mode::Off,
            "mode draft" => self.creator.settings.mode = Mode::Draft,
            "mode auto" => self.creator.settings.mode = Mode::Auto,
            "dry run" => self.creator.settings.dry_run = true,
            "no nudges" => self.creator.settings.follow_ups.enabled = false,
            "quiet hours off" => self.creator.settings.quiet_hours = QuietHours::none(),
            "stop" => self.ceiling.stopped_at = Some(seconds(0)),
            "go on" => self.ceiling.stopped_at = None,
            "at most off" => self.ceiling.mode = Mode::Off,
            "at most draft" => self.ceiling.mode = Mode::Draft,
            "at most auto" => self.ceiling.mode = Mode::Auto,
            "at most dry run" => self.ceiling.dry_run = true,
            "inactive" => self.creator.status = CreatorStatus::Inactive,
            _ => return false,
        }
        true
    }
}

fn input(happens: &str, now: Timestamp) -> Input {
    let mut words = happens.split(' ');
    let verb = words.next().unwrap();
    let rest: Vec<&str> = words.collect();
    let number = |index: usize| message(rest[index].parse().unwrap());
    let after = |word: &str| {
        let index = rest.iter().position(|found| *found == word)?;
        Some(seconds(rest[index + 1].parse().unwrap()))
    };
    let text = |from: usize| rest[from..].join(" ");
    match verb {
        "fan" => Input::FanMessage {
            id: number(0),
            sent_at: after("at").unwrap_or(now),
            fetched: !rest.contains(&"bare"),
        },
        "creator" => Input::CreatorMessage {
            id: number(0),
            sent_at: after("at").unwrap_or(now),
            text: rest
                .iter()
                .position(|word| *word == "says")
                .map(|index| Reply::new(text(index + 1))),
        },
        "deleted" => Input::Deleted { id: number(0) },
        "fetched" => Input::Fetched {
            ids: (0..rest.len()).map(number).collect(),
        },
        "noticed" => Input::Noticed {
            id: number(0),
            sent_at: after("at").unwrap_or(now),
            signals: Signal::ALL
                .into_iter()
                .filter(|signal| rest.contains(&signal.as_str()))
                .collect(),
        },
        "wake" => Input::Wake,
        "composed" => Input::Composed {
            draft: draft_id(rest[0]),
            reply: Reply::new(text(1)),
        },
        "unusable" => Input::Unusable {
            draft: draft_id(rest[0]),
            problem: text(1).into(),
        },
        "read" => Input::ChatRead {
            draft: draft_id(rest[0]),
            newest: after("newest"),
        },
        "sent" => Input::Sent {
            draft: draft_id(rest[0]),
            message: number(1),
            sent_at: after("at").unwrap_or(now),
        },
        "not_sent" => Input::NotSent {
            draft: draft_id(rest[0]),
        },
        "refused" => Input::SendRefused {
            draft: draft_id(rest[0]),
            outcome: Outcome::Blocked {
                rule: Rule::NotContactable,
            },
        },
        "unclear" => Input::SendUnclear {
            draft: draft_id(rest[0]),
        },
        "not_found" => Input::NotFound {
            draft: draft_id(rest[0]),
        },
        "history" => Input::HistoryRead,
        "deliver" => Input::Deliver(Box::new(delivery::parcel(rest[0], &text(1)))),
        "withdraw" => Input::Withdraw {
            broadcast: delivery::broadcast(rest[0]),
        },
        "paid" => Input::Paid {
            kind: TransactionKind::from_name(rest[0]).unwrap(),
            at: after("at").unwrap_or(now),
        },
        "erase" => Input::Erase,
        "erased" => Input::Erased {
            through: seconds(rest[0].parse().unwrap()),
        },
        "put_off" => Input::PutOff {
            until: seconds(rest[0].parse().unwrap()),
            cause: match rest[1] {
                "retrying" => WaitCause::Retrying,
                other => panic!("no such cause: {other}"),
            },
        },
        "park" => Input::Park {
            cause: match rest[0] {
                "not_connected" => WaitCause::NotConnected,
                "deployment" => WaitCause::Deployment,
                other => panic!("no such cause: {other}"),
            },
        },
        "give_up" => Input::GiveUp {
            cause: text(0).into(),
        },
        _ => Input::Operator(operator(verb, &rest)),
    }
}

fn operator(verb: &str, rest: &[&str]) -> OperatorAction {
    match verb {
        "approve" => OperatorAction::Approve {
            draft: draft_id(rest[0]),
            edited: (rest.len() > 1).then(|| Reply::new(rest[1..].join(" "))),
        },
        "edit" => OperatorAction::Edit {
            draft: draft_id(rest[0]),
            text: Reply::new(rest[1..].join(" ")),
        },
        "reject" => OperatorAction::Reject {
            draft: draft_id(rest[0]),
            reason: Note::new(&rest[1..].join(" ")).ok(),
        },
        "regenerate" => OperatorAction::Regenerate {
            draft: draft_id(rest[0]),
            instruction: Note::new(&rest[1..].join(" ")).ok(),
        },
        "pause" => OperatorAction::Pause {
            until: seconds(rest[0].parse().unwrap()),
        },
        "resume" => OperatorAction::Resume,
        "try_now" => OperatorAction::TryNow,
        "for_fan" => OperatorAction::Override(Box::new(overrides(rest))),
        "opt_out" => OperatorAction::OptOut,
        "opt_in" => OperatorAction::OptIn,
        _ => panic!("no such verb: {verb}"),
    }
}

fn overrides(rest: &[&str]) -> Overrides {
    let mut overrides = Overrides::none();
    match rest {
        ["nothing"] => {}
        ["mode", "off"] => overrides.mode = Some(Mode::Off),
        ["mode", "draft"] => overrides.mode = Some(Mode::Draft),
        ["mode", "auto"] => overrides.mode = Some(Mode::Auto),
        ["pace", "immediate"] => overrides.pace = Some(Pace::Immediate),
        ["no", "nudges"] => overrides.follow_ups = Some(FollowUps::default()),
        ["awake"] => overrides.quiet_hours = Some(QuietHours::none()),
        ["pause", time] => {
            overrides.human_pause = Some(Duration::from_secs(time.parse().unwrap()));
        }
        _ => panic!("no such override: {rest:?}"),
    }
    overrides
}

/// `2.1` is the first draft of the second turn.
fn draft_id(text: &str) -> DraftId {
    let (turn, draft) = text.split_once('.').unwrap();
    DraftId {
        turn: TurnId::new(turn.parse().unwrap()),
        draft: draft.parse().unwrap(),
    }
}

fn shown(transition: &Transition) -> String {
    let mut parts = Vec::new();
    parts.extend(transition.effect.as_ref().map(shown_effect));
    for (id, decision) in &transition.decisions {
        parts.push(format!(
            "{} {}",
            shown_id(*id),
            shown_outcome(&decision.outcome)
        ));
    }
    if let Some(sent) = &transition.sent {
        parts.push(format!("sent {}", shown_id(sent.message)));
    }
    for Unattributed { id, text, .. } in &transition.by_human {
        let text = text.as_ref().map_or("", |text| text.text());
        parts.push(
            format!("human {} {text}", shown_id(*id))
                .trim_end()
                .to_owned(),
        );
    }
    match &transition.acted {
        None | Some(Acted::Done | Acted::Unchanged) => {}
        Some(acted) => parts.push(acted.to_string()),
    }
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.join(", ")
}

fn shown_id(id: MessageId) -> u128 {
    id.as_uuid().as_u128()
}

fn shown_draft(draft: DraftId) -> String {
    format!("{}.{}", draft.turn, draft.draft)
}

fn shown_effect(effect: &Effect) -> String {
    match effect {
        Effect::ReadHistory => "history".to_owned(),
        Effect::Erase { through } => format!("erase through {}", through.as_seconds()),
        Effect::Fetch { messages } => {
            let ids: Vec<String> = messages
                .iter()
                .map(|id| shown_id(*id).to_string())
                .collect();
            format!("fetch {}", ids.join(" "))
        }
        Effect::Compose {
            draft,
            repair: Some(problem),
            ..
        } => format!("compose {} anew: {problem}", shown_draft(*draft)),
        Effect::Compose {
            draft,
            instruction: Some(wish),
            ..
        } => format!(
            "compose {} as wished: {}",
            shown_draft(*draft),
            wish.as_str()
        ),
        Effect::Compose { draft, .. } => format!("compose {}", shown_draft(*draft)),
        Effect::ReadChat { draft } => format!("read {}", shown_draft(*draft)),
        Effect::Send { draft, reply, .. } => {
            format!("send {} {}", shown_draft(*draft), reply.text())
        }
        Effect::FindSent { draft, .. } => format!("find {}", shown_draft(*draft)),
    }
}

fn shown_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Replied { turn } => format!("replied {turn}"),
        Outcome::Merged { turn } => format!("merged {turn}"),
        Outcome::Waiting { until, cause } => {
            format!("waits {} {cause:?}", until.as_seconds()).to_lowercase()
        }
        Outcome::AwaitingApproval { turn } => format!("awaits approval {turn}"),
        Outcome::PausedByHuman { until } => format!("paused {}", until.as_seconds()),
        Outcome::OptedOut => "opted out".to_owned(),
        Outcome::Blocked { rule } => format!("blocked {rule:?}").to_lowercase(),
        Outcome::NoSafeReply { problem } => format!("no safe reply: {problem}"),
        Outcome::OverBudget => "over budget".to_owned(),
        Outcome::Failed { cause } => format!("failed {cause}"),
    }
}

fn shown_state(conversation: &Conversation) -> String {
    let mut parts = Vec::new();
    if let Some(turn) = &conversation.turn {
        let draft = shown_draft(DraftId {
            turn: turn.id,
            draft: turn.draft,
        });
        let phase = match &turn.phase {
            Phase::Settling { until, latest } => {
                format!("settling {}..{}", until.as_seconds(), latest.as_seconds())
            }
            Phase::Composing { .. } => "composing".to_owned(),
            Phase::AwaitingApproval { until, .. } => {
                format!("awaiting approval {}", until.as_seconds())
            }
            Phase::Pacing { until, .. } => format!("pacing {}", until.as_seconds()),
            Phase::Sending { intent, .. } => format!("sending {}", intent.valid_until.as_seconds()),
            Phase::Reconciling {
                next_check, misses, ..
            } => format!("reconciling {} x{misses}", next_check.as_seconds()),
        };
        parts.push(format!("{draft} {phase}"));
    }
    if !conversation.pending.is_empty() {
        let ids: Vec<String> = conversation
            .pending
            .iter()
            .map(|message| shown_id(message.id).to_string())
            .collect();
        parts.push(format!("owed {}", ids.join(" ")));
    }
    if let Some(hold) = conversation.hold {
        let (since, until) = (hold.since.as_seconds(), hold.until.as_seconds());
        parts.push(format!("held {since}..{until} {:?}", hold.cause).to_lowercase());
    }
    if let Some(until) = conversation.paused_until {
        parts.push(format!("paused {}", until.as_seconds()));
    }
    if parts.is_empty() {
        return "idle".to_owned();
    }
    parts.join(", ")
}

/// The waits in full, as the lines show them in seconds.
#[test]
fn the_tables_start_from_the_default_settings() {
    let settings = auto().settings;
    assert_eq!(settings.settle_window, Duration::from_secs(8));
    assert_eq!(settings.longest_settle, Duration::from_secs(25));
    assert_eq!(settings.human_pause, Duration::from_secs(3_600));
    let timing = Timing::default();
    assert_eq!(timing.settled_within, Duration::from_secs(45));
    assert_eq!(
        (timing.first_check, timing.recheck),
        (Duration::from_secs(1), Duration::from_secs(8))
    );
}
