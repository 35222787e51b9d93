//! The engine and the three pipelines that run on it: [`run`] is a resolver process.
//!
//! `pipelines` is the table of contents: one file per pipeline, its stages from top to bottom.

mod pipelines;
mod engine;
mod window;
mod dictionary;
mod squash;
pub mod snapshots;
mod run;
mod config;
mod shutdown;
mod metrics;
mod health;
mod http;
mod backoff;
mod failpoint;
mod error;

pub use config::{HttpConfig, ResolverConfig, SquashConfig};
pub use error::{ResolverError, Result};
pub use health::StatusReport;
pub use run::{Settings, run};
pub use shutdown::{Shutdown, Stopper};
pub use snapshots::SnapshotConfig;

use backoff::Backoff;
use failpoint::failpoint;
