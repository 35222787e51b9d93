//! The ClickHouse front over the real engine, asked by real clients.
//!
//! `TRIBUTARY_TEST_CHDB_LIB` names the engine's library; `make test` sets it.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

mod running;

mod statements;

mod bodies;

mod results;

mod clients;

mod lifecycle;
