//! What a subcommand found, as a table or as one line of JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::Common;
use crate::samples::Samples;

/// Figures in the order in which they are to be read.
#[derive(Debug)]
pub(crate) struct Report {
    command: &'static str,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    key: String,
    label: String,
    value: Value,
    shown: String,
}

impl Report {
    /// An empty report that names the store and how busy the machine was before.
    pub(crate) fn new(command: &'static str, common: &Common) -> Self {
        let mut report = Self {
            command,
            lines: Vec::new(),
        };
        report.text("store", "store", common.store.name());
        let load = load_average().unwrap_or_else(|| "not known on this system".to_owned());
        report.text("load_average_before", "load average before", &load);
        report
    }

    pub(crate) fn text(&mut self, key: &str, label: &str, text: &str) {
        self.push(key, label, Value::from(text), text.to_owned());
    }

    pub(crate) fn count(&mut self, key: &str, label: &str, count: usize) {
        self.push(key, label, Value::from(count), grouped(count));
    }

    /// How many of `unit` a second.
    pub(crate) fn rate(&mut self, key: &str, label: &str, rate: f64, unit: &str) {
        self.push(
            key,
            label,
            Value::from((rate * 10.0).round() / 10.0),
            format!("{rate:.0} {unit}/s"),
        );
    }

    pub(crate) fn ratio(&mut self, key: &str, label: &str, ratio: f64) {
        self.push(
            key,
            label,
            Value::from((ratio * 1_000.0).round() / 1_000.0),
            format!("{ratio:.2}"),
        );
    }

    pub(crate) fn time(&mut self, key: &str, label: &str, time: Duration) {
        let millis = time.as_secs_f64() * 1_000.0;
        self.push(
            &format!("{key}_ms"),
            label,
            Value::from((millis * 1_000.0).round() / 1_000.0),
            format!("{millis:.2} ms"),
        );
    }

    /// Processor time for each of `count`.
    pub(crate) fn processor(
        &mut self,
        key: &str,
        label: &str,
        time: Option<Duration>,
        count: usize,
    ) {
        let Some(time) = time else {
            let none = "not available: this system has no /proc/self/stat";
            return self.text(key, label, none);
        };
        let micros = 1_000_000.0 / per_second(count, time).max(f64::EPSILON);
        self.push(
            &format!("{key}_us"),
            label,
            Value::from((micros * 10.0).round() / 10.0),
            format!("{micros:.0} us"),
        );
    }

    /// The 50th, 95th and 99th percentile and the longest.
    pub(crate) fn times(&mut self, key: &str, label: &str, samples: &mut Samples) {
        for (name, part) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
            self.time(
                &format!("{key}_{name}"),
                &format!("{label}, {name}"),
                samples.percentile(part),
            );
        }
    }

    fn push(&mut self, key: &str, label: &str, value: Value, shown: String) {
        self.lines.push(Line {
            key: key.to_owned(),
            label: label.to_owned(),
            value,
            shown,
        });
    }

    #[expect(clippy::print_stdout, reason = "this is what the program is run for")]
    pub(crate) fn print(&self, json: bool) {
        if json {
            let mut object = Map::new();
            object.insert("command".to_owned(), Value::from(self.command));
            for line in &self.lines {
                object.insert(line.key.clone(), line.value.clone());
            }
            println!("{}", Value::Object(object));
            return;
        }
        let width = |text: &dyn Fn(&Line) -> &str| {
            self.lines
                .iter()
                .map(|line| text(line).chars().count())
                .max()
                .unwrap_or_default()
        };
        let label = width(&|line| &line.label);
        let shown = width(&|line| &line.shown);
        println!("{}", self.command);
        for line in &self.lines {
            println!("  {:<label$}  {:>shown$}", line.label, line.shown);
        }
    }
}

/// How many a second.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count here comes near 2 to the 53rd"
)]
pub(crate) fn per_second(count: usize, spent: Duration) -> f64 {
    count as f64 / spent.as_secs_f64().max(f64::EPSILON)
}

/// Says on the error stream what goes on, so that a long run is not a silent one.
pub(crate) fn progress(text: &str) {
    eprintln!("load: {text}");
}

/// The run queue's length over 1, 5 and 15 minutes, as Linux tells it.
fn load_average() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// The processor time that this process has used, as Linux tells it: what other work on the machine moves
/// least.
pub(crate) fn processor_time() -> Option<Duration> {
    // The unit in which Linux tells it is a hundredth of a second on every architecture that it runs on.
    const TICK: Duration = Duration::from_millis(10);
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user.checked_add(system)?)
}

fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
