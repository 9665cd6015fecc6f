//! The machines of a test: a Postgres server of its own, and nodes that reach it through lines.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::node::{self, Role, Setup, Way};
use super::plan::{Fault, Restart};
use crate::postgres_line::{End, Line, Mode};

/// The role that nodes work as, and their database.
const ROLE: &str = "fanvue_bot_app";
const DATABASE: &str = "chaos";

/// A server that nobody else uses, so that it may be restarted.
#[derive(Debug)]
pub(crate) struct Server {
    directory: String,
    address: String,
    has_pooler: bool,
}

impl Server {
    /// Starts one with an empty database; `None` if there is no Postgres, which on CI is a failure.
    pub(crate) async fn start() -> Option<Self> {
        let mut said = String::new();
        let mut starting = script()
            .arg("start")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = starting.stdout.take().unwrap();
        output.read_to_string(&mut said).unwrap();
        if !starting.wait().unwrap().success() {
            assert!(std::env::var_os("CI").is_none(), "CI has no Postgres");
            eprintln!("SKIPPED: there is no Postgres; see above");
            return None;
        }
        let setting = |name: &str| {
            let line = said.lines().find_map(|line| {
                let value = line.strip_prefix("export ")?.strip_prefix(name)?;
                value.strip_prefix('=')
            });
            line.unwrap().trim_matches('\'').to_owned()
        };
        let server = Self {
            directory: setting("TEST_POSTGRES_DIR"),
            address: setting("TEST_DATABASE_URL"),
            has_pooler: said.contains("TEST_PGBOUNCER_URL"),
        };
        let mut admin = server.connect("postgres").await;
        for sql in [
            format!("CREATE ROLE {ROLE} LOGIN"),
            format!("CREATE DATABASE {DATABASE} OWNER {ROLE}"),
        ] {
            run(&mut admin, &sql).await;
        }
        Some(server)
    }

    /// A connection for which no row level security holds.
    pub(crate) async fn admin(&self) -> PgConnection {
        self.connect(DATABASE).await
    }

    async fn connect(&self, database: &str) -> PgConnection {
        let address = self.address.replace("/postgres?", &format!("/{database}?"));
        PgConnection::connect(&address).await.unwrap()
    }

    /// Where a node finds the database at the other end of a line.
    pub(crate) fn address_through(line: &Line) -> String {
        format!("postgres://{ROLE}@{}/{DATABASE}", line.address())
    }

    pub(crate) fn end(&self) -> End {
        self.socket(5432)
    }

    fn socket(&self, port: u16) -> End {
        End::Unix(Path::new(&self.directory).join(format!(".s.PGSQL.{port}")))
    }

    /// The way of a node to the server: straight, or through PgBouncer if there is one.
    fn way(&self, way: Way) -> (End, Way) {
        if way == Way::Pooled && self.has_pooler {
            (self.socket(6432), Way::Pooled)
        } else {
            (self.end(), Way::Straight)
        }
    }

    async fn restart(&self, mode: Restart) {
        let mut restart = script();
        restart
            .args(["restart", mode.as_str()])
            .env("TEST_POSTGRES_DIR", &self.directory);
        let restarted = tokio::task::spawn_blocking(move || restart.status()).await;
        assert!(restarted.unwrap().unwrap().success(), "{mode:?}");
    }

    async fn terminate(&self) {
        let mut admin = self.admin().await;
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'"
        );
        run(&mut admin, &sql).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _stopped = script()
            .arg("stop")
            .env("TEST_POSTGRES_DIR", &self.directory)
            .status();
    }
}

fn script() -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
    let mut command = Command::new(path);
    command.stdin(Stdio::null());
    command
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap();
}

/// A process of the bot, and its line to the database.
#[derive(Debug)]
pub(crate) struct Node {
    setup: Setup,
    line: Line,
    process: Process,
}

impl Node {
    pub(crate) async fn start(
        name: String,
        role: Role,
        way: Way,
        server: &Server,
        simulator: &str,
    ) -> Self {
        let (end, way) = server.way(way);
        let line = Line::to(vec![end]).await.unwrap();
        let setup = Setup {
            name,
            role,
            way,
            database: Server::address_through(&line),
            simulator: simulator.to_owned(),
        };
        Self {
            process: Process::start(&setup),
            setup,
            line,
        }
    }

    /// Lets it finish or hand back what it does, and end.
    pub(crate) fn drain(&mut self) {
        self.process.signal("-TERM");
        let status = tokio::task::block_in_place(|| self.process.child.wait()).unwrap();
        assert!(status.success(), "{} drained: {status}", self.setup.name);
    }

    fn start_again(&mut self) {
        self.process = Process::start(&self.setup);
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    /// Its end tells the node that this process is gone.
    _held_open: Option<ChildStdin>,
}

impl Process {
    fn start(setup: &Setup) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", node::TEST])
            .env(node::SETUP, serde_json::to_string(setup).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            _held_open: child.stdin.take(),
            child,
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([name, &id]).status().unwrap();
        assert!(sent.success(), "a node has ended by itself");
    }
}

impl Drop for Process {
    /// As `kill -9` does.
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Makes something go wrong, and returns when it is over.
pub(crate) async fn strike(fault: Fault, nodes: &mut [Node], server: &Server) {
    match fault {
        Fault::Kill { node } => nodes[node].start_again(),
        Fault::Drain { node } => {
            nodes[node].drain();
            nodes[node].start_again();
        }
        Fault::Freeze { node, time } => {
            nodes[node].process.signal("-STOP");
            tokio::time::sleep(time).await;
            nodes[node].process.signal("-CONT");
        }
        Fault::Reset { node } => nodes[node].line.reset(),
        Fault::Silence { node, time } => {
            nodes[node].line.set(Mode::Silent);
            tokio::time::sleep(time).await;
            nodes[node].line.reset();
            nodes[node].line.set(Mode::Open);
        }
        Fault::CutOff { node, time } => {
            nodes[node].line.set(Mode::Closed);
            nodes[node].line.reset();
            tokio::time::sleep(time).await;
            nodes[node].line.set(Mode::Open);
        }
        Fault::Terminate => server.terminate().await,
        Fault::Restart { mode } => server.restart(mode).await,
    }
}
