use std::collections::VecDeque;

/// Entries kept; what changed before that is found by looking at every node.
pub(super) const CAPACITY: usize = 1 << 20;

/// Which components changed lately: (version, anchor's number), ascending by version.
///
/// An entry is outdated when its anchor has changed again or anchors no longer; the later change has its own entry.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<(u64, u32)>,
    /// Every change with a version greater than this is in `entries`.
    complete_since: u64,
}

impl Journal {
    /// One that knows of no change up to a version: those are found by looking at every node.
    pub(super) fn empty_since(version: u64) -> Self {
        Journal { entries: VecDeque::new(), complete_since: version }
    }

    pub(super) fn push(&mut self, version: u64, anchor: u32, capacity: usize) {
        if self.entries.len() >= capacity
            && let Some((dropped, _)) = self.entries.pop_front()
        {
            self.complete_since = dropped;
        }
        self.entries.push_back((version, anchor));
    }

    /// The changes after a version; `None` when some of them are no longer here.
    pub(super) fn since(&self, version: u64) -> Option<impl Iterator<Item = (u64, u32)> + '_> {
        if version < self.complete_since {
            return None;
        }
        let start = self.entries.partition_point(|(changed, _)| *changed <= version);
        Some(self.entries.range(start..).copied())
    }

    pub(super) fn bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(u64, u32)>()
    }
}
