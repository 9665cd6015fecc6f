//! The guide about settings says what the code does: each name, default, bound and field per fan.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use fanvue_bot_core::catch_up::CatchUpOptions;
use fanvue_bot_core::ceiling::Ceiling;
use fanvue_bot_core::flow::Timing;
use fanvue_bot_core::queue::WorkerId;
use fanvue_bot_core::retry::Backoff;
use fanvue_bot_core::settings::{Nearest, Overrides, Settings};
use fanvue_bot_core::worker::WorkerOptions;
use serde_json::{Value, json};

const GUIDE: &str = include_str!("../../../docs/guides/settings.md");

/// The cells of each row of the table whose head begins with `head`.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let from = GUIDE.find(&format!("\n| {head} |")).unwrap();
    let lines = GUIDE[from + 1..].lines().skip(2);
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let inner = line.trim_matches('|');
            inner.split('|').map(|cell| cell.trim()).collect()
        })
        .collect()
}

fn code(cell: &'static str) -> &'static str {
    cell.trim_matches('`')
}

/// Every number and switch by its path, such as `pace.longest`.
fn flat(settings: &Value) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (name, value) in settings.as_object().unwrap() {
        match value {
            Value::Object(inner) => {
                for (inner, value) in inner {
                    all.insert(format!("{name}.{inner}"), value.clone());
                }
            }
            value => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    all
}

fn defaults() -> Value {
    serde_json::to_value(Settings::default()).unwrap()
}

/// The default settings with this value at `path`.
fn with(path: &str, value: u64) -> Settings {
    let mut settings = defaults();
    let pointer = format!("/{}", path.replace('.', "/"));
    *settings.pointer_mut(&pointer).unwrap() = json!(value);
    serde_json::from_value(settings).unwrap()
}

/// What `settings` are told to have at `path` instead.
fn nearest(settings: &Settings, path: &str) -> Option<u64> {
    let refused = settings.validate().err()?;
    let fault = refused
        .faults()
        .iter()
        .find(|fault| &*fault.field == path)?;
    match fault.nearest.as_ref()? {
        Nearest::Millis(duration) => u64::try_from(duration.as_millis()).ok(),
        Nearest::Count(count) => Some(*count),
        _ => None,
    }
}

#[test]
fn the_guide_names_each_setting_with_its_default() {
    let told: BTreeMap<String, Value> = table("Setting")
        .iter()
        .map(|row| {
            let default = serde_json::from_str(code(row[1])).unwrap();
            (code(row[0]).to_owned(), default)
        })
        .collect();
    assert_eq!(told, flat(&defaults()));
    for row in table("Setting") {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(!row[5].is_empty(), "{row:?}");
    }
}

#[test]
fn the_guide_states_the_bounds_that_hold() {
    let defaults = flat(&defaults());
    let mut checked = 0;
    for row in table("Setting") {
        let (path, Some((low, high))) = (code(row[0]), row[3].split_once(" to ")) else {
            continue;
        };
        let Ok(low) = low.parse::<u64>() else {
            continue;
        };
        // An end may be another setting.
        let high = high
            .parse()
            .unwrap_or_else(|_| defaults[code(high)].as_u64().unwrap());
        for within in [low, high] {
            assert_eq!(nearest(&with(path, within), path), None, "{path}: {within}");
        }
        assert_eq!(nearest(&with(path, high + 1), path), Some(high), "{path}");
        if let Some(below) = low.checked_sub(1) {
            assert_eq!(nearest(&with(path, below), path), Some(low), "{path}");
        }
        checked += 1;
    }
    assert_eq!(
        checked,
        defaults.values().filter(|value| value.is_u64()).count()
    );
}

#[test]
fn the_guide_tells_which_settings_a_fan_may_have_of_their_own() {
    let defaults = defaults();
    for row in table("Setting") {
        let (path, per_fan) = (code(row[0]), code(row[4]));
        let top = path.split('.').next().unwrap();
        let (name, value) = match per_fan {
            "settle" => ("settle", json!({"window": 1, "longest": 2})),
            "no" => (top, defaults[top].clone()),
            name => (name, defaults[name].clone()),
        };
        let written = json!({ name: value });
        let overrides: Overrides = serde_json::from_value(written).unwrap();
        assert_eq!(overrides.is_none(), per_fan == "no", "{path}");
    }
}

#[test]
fn the_guide_shows_what_is_said_to_settings_that_cannot_be_and_what_is_nearest_can() {
    let rows = table("Set");
    assert!(rows.len() >= 8, "{rows:?}");
    for row in rows {
        let mut written = defaults();
        let set: BTreeMap<String, Value> = serde_json::from_str(code(row[0])).unwrap();
        for (name, value) in set {
            written[name] = value;
        }
        let settings: Settings = serde_json::from_value(written.clone()).unwrap();
        let refused = settings.validate().unwrap_err();
        assert_eq!(refused.to_string(), row[1]);

        for fault in refused.faults() {
            let path = fault.field.replace(['.', '['], "/").replace(']', "");
            let nearest = serde_json::to_value(fault.nearest.as_ref().unwrap()).unwrap();
            *written.pointer_mut(&format!("/{path}")).unwrap() = nearest;
        }
        let mended: Settings = serde_json::from_value(written).unwrap();
        assert_eq!(mended.validate(), Ok(()), "{}", row[0]);
    }
}

/// The fields of plain options, as `Debug` shows them.
fn fields(options: &impl Debug) -> BTreeMap<String, String> {
    let shown = format!("{options:?}");
    let (_, fields) = shown.split_once(" { ").unwrap();
    let fields = fields.strip_suffix(" }").unwrap().split(", ");
    let fields = fields.map(|field| field.split_once(": ").unwrap());
    fields
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_guide_names_each_setting_of_the_deployment_with_its_default() {
    let mut worker = fields(&WorkerOptions::new(WorkerId::new("w")));
    assert!(worker.remove("id").is_some());
    for (of, expected) in [
        ("Ceiling", fields(&Ceiling::default())),
        ("flow::Timing", fields(&Timing::default())),
        (
            "catch_up::CatchUpOptions",
            fields(&CatchUpOptions::default()),
        ),
        ("worker::WorkerOptions", worker),
        ("retry::Backoff", fields(&Backoff::default())),
    ] {
        let told: BTreeMap<String, String> = table(&format!("Setting of `{of}`"))
            .iter()
            .map(|row| (code(row[0]).to_owned(), code(row[1]).to_owned()))
            .collect();
        assert_eq!(told, expected, "{of}");
    }
}
