//! Which components changed: from the state, so that a reader that was away misses nothing.

use schemas::Identifier;

use super::nodes::Nodes;
use super::state::Reading;
use super::{Changes, Component, Graph};

/// Nodes looked at under one lock when the journal no longer reaches back far enough.
const SCAN_STEP: usize = 1 << 16;

/// The changes in (since, until] as found by looking at every node: kept while a reader that was away catches up.
#[derive(Debug)]
pub(super) struct Scan {
    since: u64,
    until: u64,
    /// (version, anchor), ascending.
    entries: Vec<(u64, u32)>,
}

impl Graph {
    /// Every component that changed after `version`, oldest change first, each as it is now; `limit` is exceeded only
    /// to finish one log message. Ask again with [`Changes::complete_to`].
    ///
    /// Both pieces of a split count as changed, down to an identifier that now stands alone.
    pub fn changed_since(&self, version: u64, limit: usize) -> Changes {
        let state = self.state.read();
        if let Some(entries) = state.journal.since(version) {
            let until = version_of(&self.tables.nodes);
            return changes(Reading::new(&self.tables, &state), entries, limit, until);
        }
        drop(state);
        let mut kept = self.scan.lock();
        let scan = match kept.take() {
            Some(scan) if (scan.since..scan.until).contains(&version) => scan,
            _ => self.scan_since(version),
        };
        let state = self.state.read();
        let start = scan.entries.partition_point(|(changed, _)| *changed <= version);
        let entries = scan.entries[start..].iter().copied();
        let mut found = changes(Reading::new(&self.tables, &state), entries, limit, scan.until);
        if found.caught_up {
            found.caught_up = version_of(&self.tables.nodes) == scan.until;
        } else {
            *kept = Some(scan);
        }
        found
    }

    /// Looks at every node, some at a time so that the applier gets its turns. What changes meanwhile has a version
    /// after `until`, and is found by a later question.
    fn scan_since(&self, since: u64) -> Scan {
        let state = self.state.read();
        let (until, nodes) = (version_of(&self.tables.nodes), self.tables.nodes.len() as usize);
        drop(state);
        let mut entries = Vec::new();
        for start in (0..nodes).step_by(SCAN_STEP) {
            let _state = self.state.read();
            let step = (start..nodes.min(start + SCAN_STEP)).map(|node| node as u32);
            let anchors = step.filter(|node| self.tables.nodes.anchor(*node) == *node);
            let changed = anchors.map(|anchor| (self.tables.nodes.version(anchor), anchor));
            entries.extend(changed.filter(|(changed, _)| (since + 1..=until).contains(changed)));
        }
        entries.sort_unstable();
        Scan { since, until, entries }
    }
}

fn version_of(nodes: &Nodes) -> u64 {
    (nodes.applied() + 1) as u64
}

/// A component by its anchor.
pub(super) fn component(reading: Reading<'_>, anchor: u32) -> Component {
    let mut keys: Vec<Identifier> = reading.members(anchor).map(|node| reading.identifier(node)).collect();
    keys.sort_unstable_by_key(|identifier| identifier.key);
    Component { customer_id: reading.nodes.key(anchor), version: reading.nodes.version(anchor), keys }
}

/// The components that these (version, anchor) entries still describe, whole versions at a time.
fn changes(reading: Reading<'_>, entries: impl Iterator<Item = (u64, u32)>, limit: usize, until: u64) -> Changes {
    let mut found = Changes { components: Vec::new(), complete_to: 0, caught_up: true };
    for (changed, anchor) in entries {
        if found.components.len() >= limit.max(1) && changed > found.complete_to {
            found.caught_up = false;
            return found;
        }
        found.complete_to = changed;
        let outdated = reading.nodes.anchor(anchor) != anchor || reading.nodes.version(anchor) != changed;
        if !outdated {
            found.components.push(component(reading, anchor));
        }
    }
    found.complete_to = until;
    found
}
