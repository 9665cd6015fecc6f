//! The other side of a node: starts it, tells it what to do, hears what it says, and kills it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};

use tokio::sync::mpsc;

use super::node::{Ask, MARK, SETUP, Said, Setup, TEST};

/// A process of a bot, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    said: mpsc::UnboundedReceiver<Said>,
}

impl Process {
    pub(crate) fn start(setup: &Setup) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", TEST])
            .env(SETUP, serde_json::to_string(setup).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (heard, said) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines() {
                let line = line.unwrap();
                if let Some(said) = line.strip_prefix(MARK) {
                    let _nobody_listens = heard.send(serde_json::from_str(said).unwrap());
                }
            }
        });
        Self {
            orders: child.stdin.take().unwrap(),
            child,
            said,
        }
    }

    pub(crate) fn tell(&mut self, ask: &Ask) {
        let line = format!("{}\n", serde_json::to_string(ask).unwrap());
        self.orders.write_all(line.as_bytes()).unwrap();
    }

    /// The next that it says.
    pub(crate) async fn hear(&mut self) -> Said {
        self.said.recv().await.expect("the process is alive")
    }
}

impl Drop for Process {
    /// As `kill -9` does.
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}
