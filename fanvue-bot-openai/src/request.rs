//! The request's bytes: a prompt and a profile in, JSON out.

use std::io::Write as _;

use fanvue_bot_core::llm::{CompletionRequest, PromptMessage, Role};
use serde_json::{Map, Value};

use crate::json;
use crate::learned::Quirks;
use crate::profile::{LateNotes, Profile, SystemRole, Temperature, TrailingAssistant, Turns};

/// Fields that the adapter writes itself, or that would change what an answer looks like.
pub(crate) const RESERVED: [&str; 11] = [
    "function_call",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "model",
    "n",
    "random_seed",
    "seed",
    "stream",
    "temperature",
    "tools",
];

/// Asks for a new message where a prompt ends with the creator's own.
const NEXT_MESSAGE: &str = "(Write your next message.)";
/// Stands for the silence before a chat that the creator began.
const SILENCE: &str = "...";
const BLANK_LINE: &str = "\n\n";

/// Appends the JSON body of `request` to `out`.
///
/// `extra` is what [`extra_fields`] made of the profile's.
pub(crate) fn write(
    out: &mut Vec<u8>,
    profile: &Profile,
    quirks: &Quirks,
    extra: &[u8],
    model: &str,
    request: &CompletionRequest,
) {
    let text: usize = request.messages.iter().map(|m| m.content.len() + 48).sum();
    out.reserve(text + text / 16 + extra.len() + 192);
    out.extend_from_slice(b"{\"model\":");
    json::string(out, model);
    out.extend_from_slice(b",\"messages\":[");
    write_messages(out, profile, quirks.system_role, &request.messages);
    out.extend_from_slice(b"],\"");
    out.extend_from_slice(quirks.token_field.as_str().as_bytes());
    out.extend_from_slice(b"\":");
    number(out, request.max_tokens);
    if let Some(temperature) = sent_temperature(quirks, request) {
        out.extend_from_slice(b",\"temperature\":");
        number(out, temperature);
    }
    if let (Some(field), Some(seed)) = (sent_seed_field(profile, quirks), request.seed) {
        out.push(b',');
        json::string(out, field);
        out.push(b':');
        number(out, seed);
    }
    out.extend_from_slice(b",\"stream\":false");
    out.extend_from_slice(extra);
    out.push(b'}');
}

/// The temperature that goes out. One that is no number counts as none: JSON cannot say it.
pub(crate) fn sent_temperature(quirks: &Quirks, request: &CompletionRequest) -> Option<f32> {
    match quirks.temperature {
        Temperature::Sent => request.temperature.filter(|t| t.is_finite()),
        Temperature::Omitted => None,
    }
}

/// The name under which a seed goes out.
pub(crate) fn sent_seed_field<'a>(profile: &'a Profile, quirks: &Quirks) -> Option<&'a str> {
    profile.seed_field.as_deref().filter(|_| !quirks.no_seed)
}

/// The profile's extra fields as JSON members, each led by a comma.
pub(crate) fn extra_fields(extra: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in extra {
        out.push(b',');
        json::string(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value.to_string().as_bytes());
    }
    out
}

fn number(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{value}");
}

/// Writes messages as they come, joining where the profile says so; nothing is copied twice.
struct Turn<'a> {
    out: &'a mut Vec<u8>,
    joining: bool,
    open: Option<&'static str>,
}

impl Turn<'_> {
    fn say(&mut self, role: &'static str, text: &str) {
        if self.joining && self.open == Some(role) {
            json::escaped(self.out, BLANK_LINE);
        } else {
            if self.open.is_some() {
                self.out.extend_from_slice(b"\"},");
            }
            self.out.extend_from_slice(b"{\"role\":\"");
            self.out.extend_from_slice(role.as_bytes());
            self.out.extend_from_slice(b"\",\"content\":\"");
            self.open = Some(role);
        }
        json::escaped(self.out, text);
    }

    /// Goes on in the open user turn, or begins one.
    fn say_joined(&mut self, role: &'static str, text: &str) {
        let joining = std::mem::replace(&mut self.joining, true);
        self.say(role, text);
        self.joining = joining;
    }
}

fn write_messages(
    out: &mut Vec<u8>,
    profile: &Profile,
    system_role: SystemRole,
    messages: &[PromptMessage],
) {
    let system = match system_role {
        SystemRole::System => "system",
        SystemRole::Developer => "developer",
        SystemRole::User => "user",
    };
    let mut turn = Turn {
        out,
        joining: profile.turns == Turns::Alternating,
        open: None,
    };
    let mut talking = false;
    let mut note_open = false;
    for message in messages {
        let text = &*message.content;
        match message.role {
            Role::Assistant => {
                if !talking && profile.turns == Turns::Alternating {
                    turn.say("user", SILENCE);
                }
                turn.say("assistant", text);
                (talking, note_open) = (true, false);
            }
            Role::System if talking && profile.late_notes == LateNotes::IntoUser => {
                if note_open {
                    turn.say_joined("user", text);
                } else {
                    turn.say("user", text);
                }
                note_open = true;
            }
            Role::System => {
                turn.say(system, text);
                note_open = false;
            }
            // A user's message, and whatever role core may add.
            _ => {
                if note_open {
                    turn.say_joined("user", text);
                } else {
                    turn.say("user", text);
                }
                (talking, note_open) = (true, false);
            }
        }
    }
    if turn.open == Some("assistant")
        && profile.trailing_assistant == TrailingAssistant::AddUserTurn
    {
        turn.say("user", NEXT_MESSAGE);
    }
    if turn.open.is_some() {
        turn.out.extend_from_slice(b"\"}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const S: Role = Role::System;
    const U: Role = Role::User;
    const A: Role = Role::Assistant;

    fn body(profile: &Profile, request: &CompletionRequest) -> Value {
        let mut out = Vec::new();
        let extra = extra_fields(&profile.extra);
        write(
            &mut out,
            profile,
            &Quirks::of(profile),
            &extra,
            "m\"1",
            request,
        );
        serde_json::from_slice(&out).unwrap()
    }

    fn check(profile: &Profile, messages: &[(Role, &str)], expected: &[(&str, &str)]) {
        let messages = messages
            .iter()
            .map(|(role, text)| PromptMessage::new(*role, *text));
        let body = body(profile, &CompletionRequest::new(messages.collect(), 9));
        let expected: Vec<_> = expected
            .iter()
            .map(|(role, content)| json!({ "role": role, "content": content }))
            .collect();
        assert_eq!(body["messages"], Value::Array(expected), "{}", profile.name);
    }

    #[test]
    fn openai_gets_the_prompt_as_it_is() {
        check(
            &Profile::openai(),
            &[
                (S, "a"),
                (S, "b"),
                (U, "c"),
                (U, "d"),
                (A, "e"),
                (S, "f"),
                (U, "g"),
                (A, "h"),
            ],
            &[
                ("system", "a"),
                ("system", "b"),
                ("user", "c"),
                ("user", "d"),
                ("assistant", "e"),
                ("system", "f"),
                ("user", "g"),
                ("assistant", "h"),
            ],
        );
    }

    #[test]
    fn a_late_note_rides_in_the_next_user_turn_only() {
        check(
            &Profile::generic(),
            &[
                (S, "a"),
                (U, "b"),
                (U, "b2"),
                (A, "c"),
                (S, "note"),
                (S, "more"),
                (U, "d"),
                (U, "d2"),
            ],
            &[
                ("system", "a"),
                ("user", "b"),
                ("user", "b2"),
                ("assistant", "c"),
                ("user", "note\n\nmore\n\nd"),
                ("user", "d2"),
            ],
        );
    }

    #[test]
    fn a_late_note_at_the_end_is_a_user_turn() {
        check(
            &Profile::generic(),
            &[(S, "a"), (U, "b"), (A, "c"), (S, "nudge")],
            &[
                ("system", "a"),
                ("user", "b"),
                ("assistant", "c"),
                ("user", "nudge"),
            ],
        );
    }

    #[test]
    fn strict_templates_get_alternating_turns() {
        check(
            &Profile::vllm(),
            &[
                (S, "a"),
                (S, "b"),
                (A, "c"),
                (U, "d"),
                (U, "\"e\""),
                (A, "f"),
                (A, "g"),
            ],
            &[
                ("system", "a\n\nb"),
                ("user", "..."),
                ("assistant", "c"),
                ("user", "d\n\n\"e\""),
                ("assistant", "f\n\ng"),
                ("user", NEXT_MESSAGE),
            ],
        );
    }

    #[test]
    fn instructions_become_a_user_turn_where_there_is_no_role_for_them() {
        let mut profile = Profile::vllm();
        profile.system_role = SystemRole::User;
        check(&profile, &[(S, "a"), (U, "b")], &[("user", "a\n\nb")]);
        let mut profile = Profile::openai();
        profile.system_role = SystemRole::Developer;
        check(
            &profile,
            &[(S, "a"), (U, "b")],
            &[("developer", "a"), ("user", "b")],
        );
    }

    #[test]
    fn an_empty_prompt_is_an_empty_list() {
        check(&Profile::vllm(), &[], &[]);
    }

    #[test]
    fn parameters_travel_under_the_profiles_names() {
        let mut request = CompletionRequest::new(vec![PromptMessage::new(U, "hi")], 300);
        request.temperature = Some(0.7);
        request.seed = Some(u64::MAX);
        let messages = json!([{ "role": "user", "content": "hi" }]);
        assert_eq!(
            body(&Profile::openai(), &request).to_string(),
            json!({ "model": "m\"1", "messages": messages, "max_completion_tokens": 300,
                    "temperature": 0.7, "seed": u64::MAX, "stream": false })
            .to_string()
        );
        assert_eq!(
            body(&Profile::mistral(), &request).to_string(),
            json!({ "model": "m\"1", "messages": messages, "max_tokens": 300,
                    "temperature": 0.7, "random_seed": u64::MAX, "stream": false })
            .to_string()
        );
        assert_eq!(
            body(&Profile::llama_cpp(), &request)["cache_prompt"],
            json!(true)
        );
        request.temperature = Some(f32::NAN);
        assert!(
            body(&Profile::openai(), &request)
                .get("temperature")
                .is_none()
        );
        assert!(body(&Profile::generic(), &request).get("seed").is_none());
    }
}
