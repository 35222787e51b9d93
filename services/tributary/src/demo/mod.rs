//! `tributary demo`: from nothing to answers, on a stack of its own.
//!
//! [`generated`] and [`real`] are the two stories, each a list of steps; the other files are what the steps are made of.
//! The tests that kill parts of the stack are made of them, too.

mod generated;
mod real;
mod frame;
mod steps;
mod site;
mod space;
mod produce;
mod settle;
mod offsets;
mod account;
mod report;
mod questions;
mod replay;
mod digest;

pub use account::{Account, compare, lines, number};
pub use digest::content_digest;
pub use generated::generated;
pub use offsets::{TopicCount, offsets};
pub use produce::Feed;
pub use real::real;
pub use replay::{compare_identity_map, replay};
pub use settle::{Waiting, until_settled};
pub use site::{Resolver, Site};
pub use space::Space;

use std::path::PathBuf;

/// What the demo should do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Where its stack lives. What an earlier demo left there is deleted.
    pub state_dir: PathBuf,
    /// The `tributary` executable, run as the resolver.
    pub binary: PathBuf,
    /// Whether Kafka and ClickHouse stay up at the end.
    pub keep: bool,
}
