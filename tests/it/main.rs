//! The library from outside, as one test binary.

use fanvue_bot::sqlx::PostgresBackend;

mod agency;
mod broadcast;
mod canary;
mod catch_up;
mod causes;
mod chaos;
mod conformance;
mod connect;
mod day;
mod given;
mod guides;
mod inbox;
mod kill;
mod ledger;
mod oversight;
mod person;
mod port;
#[path = "../../fanvue-bot-sqlx/tests/it/postgres/line.rs"]
mod postgres_line;
#[path = "../../fanvue-bot-sqlx/tests/it/postgres/server.rs"]
mod postgres_server;
mod rates;
mod reconnect;
mod retry_after;
mod scene;
mod self_test;
mod tick;
mod tokens;
mod week;
