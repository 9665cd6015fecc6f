//! What the server did for each statement, also for those inside functions, as `auto_explain` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span;

use super::server::{Fresh, run};

/// What every connection that is made to this database from now on tells of each statement, as a notice.
pub(crate) async fn explain(database: &Fresh) {
    let mut admin = database.connect_as_admin().await;
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_analyze = on",
        "auto_explain.log_buffers = on",
        "auto_explain.log_timing = off",
        "auto_explain.log_format = json",
        "auto_explain.log_level = notice",
    ] {
        run(
            &mut admin,
            format!("ALTER DATABASE {} SET {setting}", database.name()),
        )
        .await;
    }
}

/// A statement as it was run, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Explained {
    pub(crate) text: String,
    pub(crate) plan: Value,
}

/// A way to the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) table: String,
    pub(crate) how: String,
}

impl Explained {
    /// How its tables are read, without how often.
    pub(crate) fn accesses(&self) -> BTreeSet<Access> {
        let mut accesses = BTreeSet::new();
        visit(&self.plan, &mut |node| {
            let text = |key: &str| node.get(key).and_then(Value::as_str);
            if let (Some(kind), Some(table)) = (text("Node Type"), text("Relation Name"))
                && kind != "ModifyTable"
            {
                let how = match text("Index Name") {
                    Some(index) => format!("{kind} {index}"),
                    None => kind.to_owned(),
                };
                let table = table.to_owned();
                accesses.insert(Access { table, how });
            }
        });
        accesses
    }

    /// Whether it came from the client rather than from a function.
    pub(crate) fn is_call(&self) -> bool {
        self.text.contains("($1") || self.text.contains("pg_notify")
    }

    /// How many pages were looked at, in memory or on disk; one that is looked at twice counts twice.
    pub(crate) fn pages(&self) -> u64 {
        ["Shared Hit Blocks", "Shared Read Blocks"]
            .iter()
            .filter_map(|key| self.plan.get(*key)?.as_u64())
            .sum()
    }

    /// How many rows came of it.
    pub(crate) fn rows(&self) -> u64 {
        // Newer servers write it with decimals.
        let rows = self.plan.get("Actual Rows").map(Value::to_string);
        let whole = rows.as_deref().and_then(|rows| rows.split('.').next());
        whole.and_then(|rows| rows.parse().ok()).unwrap_or(0)
    }
}

fn visit(node: &Value, see: &mut impl FnMut(&Value)) {
    see(node);
    for child in node
        .get("Plans")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        visit(child, see);
    }
}

/// Collects what connections that this thread polls are told, until the guard is dropped.
pub(crate) fn listen() -> (Plans, tracing::subscriber::DefaultGuard) {
    let plans = Plans::default();
    let guard = tracing::subscriber::set_default(Listener(plans.clone()));
    (plans, guard)
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Plans(Arc<Mutex<Vec<Explained>>>);

impl Plans {
    /// What was told since this was asked last.
    pub(crate) fn take(&self) -> Vec<Explained> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hear(&self, notice: &str) {
        let Some((_, plan)) = notice.split_once("plan:\n") else {
            return;
        };
        let mut told: BTreeMap<String, Value> = serde_json::from_str(plan).unwrap();
        let text = told["Query Text"].as_str().unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plan = told.remove("Plan").unwrap();
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.push(Explained { text, plan });
    }
}

/// Hears what the server tells beside its answers, and nothing else.
struct Listener(Plans);

impl tracing::Subscriber for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "sqlx::postgres::notice"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Hearing(&self.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Hearing<'p>(&'p Plans);

impl Visit for Hearing<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0.hear(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0.hear(&format!("{value:?}"));
        }
    }
}
