//! The program from outside: what a user types, and what comes out at the other end of a real stack.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;
mod command_line;
mod import_shop;
