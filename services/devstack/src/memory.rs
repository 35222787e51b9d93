//! What a stack remembers between commands, in `stack.json`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clickhouse::Engine;
use crate::error::Result;
use crate::part::Part;
use crate::{ports, process};

/// The ports and the engine of a stack's first start, so that a restart finds its data and its clients find it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) kafka_port: u16,
    pub(crate) clickhouse_port: u16,
    pub(crate) engine: Engine,
}

impl Memory {
    /// Free ports for a new stack.
    pub(crate) fn new(engine: Engine) -> Result<Self> {
        let free = ports::pick(2)?;
        Ok(Self { kafka_port: free[0], clickhouse_port: free[1], engine })
    }

    /// What the stack in this folder remembers; `None` when it was never up, or cannot say any more.
    pub(crate) fn of(state_dir: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(Self::file(state_dir)).ok()?).ok()
    }

    pub(crate) fn save(&self, state_dir: &Path) -> Result<()> {
        // Numbers and a name can always be written.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        process::write_atomically(&Self::file(state_dir), &text)
    }

    pub(crate) fn file(state_dir: &Path) -> PathBuf {
        state_dir.join("stack.json")
    }

    pub(crate) fn port(&self, part: Part) -> u16 {
        match part {
            Part::Kafka => self.kafka_port,
            Part::ClickHouse => self.clickhouse_port,
        }
    }
}
