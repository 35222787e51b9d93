//! Campaign, channel, agent, session: what an event means for marketing. Pure: no I/O, no clock, no randomness.
//!
//! [`Enricher`] holds the tables (see `data/README.md`) and is shared by all partitions; [`SessionState`] belongs to one
//! partition of the web topic and is a function of what is stored (`restore`).

mod agent;
mod campaign;
mod channel;
mod click;
mod config;
mod enricher;
mod error;
mod host;
mod session;
mod sources;
mod traffic;
mod url;

pub use channel::{ChannelTable, Pattern, Rule};
pub use click::ClickIdRule;
pub use config::{EnrichConfig, SessionConfig};
pub use enricher::Enricher;
pub use error::EnrichError;
pub use session::{SessionRow, SessionState};
pub use sources::{Category, SourceTable};

/// A built-in table could not be read: a test reads every one of them, so this cannot happen in a build that passed.
const BUILT_IN: &str = "built-in tables are checked by tests";

/// Keeps a name of a table for as long as the process runs, so that events can carry it without a copy each. Called
/// when the tables are built, never per event.
fn intern(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}
