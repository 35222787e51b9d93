//! The identity commands and what ClickHouse shows of the graph, on a real stack.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../program/support.rs"]
mod support;

mod commands;
mod people;
mod squash;
