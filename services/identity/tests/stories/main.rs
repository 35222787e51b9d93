//! The stories of `design/identity.md`, each a named test: in documented order, and in every order of its steps (200
//! seeded ones when there are more than six). Every run is compared with the naive oracle.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../oracle/mod.rs"]
mod oracle;
mod story;

mod segment;
mod posthog;
mod customer_data_platforms;
mod adobe;
mod families;
mod shops;
mod mistakes;
mod full_customers;
mod erasure;
mod rule_changes;
