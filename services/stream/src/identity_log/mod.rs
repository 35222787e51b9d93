//! The identity log: one partition that gives identity commands their total order.

mod follower;
mod producer;
mod rules;

pub use follower::{Follower, LogApplier};
pub use producer::LogProducer;
pub use rules::RulesEntry;
