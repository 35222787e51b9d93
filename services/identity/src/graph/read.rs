//! What others ask of the graph.

use rustc_hash::FxHashSet;
use schemas::{Command, Edge, IdentifiedEvent, Identifier, Key, LinkProvenance, Resolved};
use smallvec::SmallVec;
use std::ops::RangeInclusive;

use super::changes::component;
use super::nodes::{Flags, Seen, View};
use super::state::{Reading, Tables};
use super::{Component, Conflict, Graph, Stats};
use crate::{Hasher, KeyedEvent};

/// Without a lock.
impl Graph {
    /// The customer of an identifier as known now, by the identifier's own key.
    pub fn resolve(&self, key: Key) -> Resolved {
        let nodes = &self.tables.nodes;
        let Some(node) = nodes.find(key) else {
            return never_linked(key);
        };
        let seen = nodes.at_one_epoch(|view| view.seen(node));
        if seen.flags.has(Flags::CLOSED) { self.resolve_closed(node) } else { resolved(key, seen) }
    }

    /// The customer of a node's identifier, whose newest generation is another.
    #[cold]
    fn resolve_closed(&self, node: u32) -> Resolved {
        self.tables.nodes.at_one_epoch(|view| self.tables.resolve(view, node))
    }

    /// The same for many, one answer after the other.
    pub fn resolve_many(&self, keys: &[Key], answers: &mut Vec<Resolved>) {
        answers.reserve(keys.len());
        self.tables.nodes.see_many(keys, |place, found| {
            answers.push(match found {
                None => never_linked(keys[place]),
                Some((_, seen)) if !seen.flags.has(Flags::CLOSED) => resolved(keys[place], seen),
                Some(_) => self.resolve(keys[place]),
            });
        });
    }

    /// The customer that a stored record belongs to now, by the `identity_key` that it was stored with.
    pub fn resolve_identity(&self, identity_key: Key) -> Resolved {
        match self.tables.nodes.find(identity_key) {
            Some(node) => resolved(identity_key, self.tables.nodes.at_one_epoch(|view| view.seen(node))),
            None => never_linked(identity_key),
        }
    }

    /// Names each event's customer: that of its strongest identifier that one person uses.
    pub fn identify(&self, events: Vec<KeyedEvent>) -> Vec<IdentifiedEvent> {
        let strongest: Vec<Key> =
            events.iter().map(|keyed| keyed.identifiers.first().map_or(Key::NIL, |i| i.key)).collect();
        let mut plain: Vec<Option<Resolved>> = Vec::with_capacity(strongest.len());
        self.tables.nodes.see_many(&strongest, |place, found| {
            plain.push(match found {
                None => Some(never_linked(strongest[place])),
                Some((_, Seen { flags, .. })) if flags.has_any(&UNUSUAL) => None,
                Some((_, seen)) => Some(resolved(strongest[place], seen)),
            });
        });
        events.into_iter().zip(plain).map(|(keyed, plain)| self.identify_one(keyed, plain)).collect()
    }

    fn identify_one(&self, keyed: KeyedEvent, plain: Option<Resolved>) -> IdentifiedEvent {
        let KeyedEvent { event, identifiers, anonymous_key } = keyed;
        let resolved =
            plain.unwrap_or_else(|| self.tables.nodes.at_one_epoch(|view| self.tables.identity(view, &identifiers)));
        IdentifiedEvent {
            event,
            identifiers,
            identity_key: resolved.identity_key,
            generation: resolved.generation,
            customer_id: resolved.customer_id,
            customer_version: resolved.customer_version,
            anonymous_key,
        }
    }

    /// The links that the log does not hold yet: what these events name together and no kept edge says. Each is
    /// returned once, with the first event that names it.
    pub fn missing_links(&self, events: &[KeyedEvent]) -> Vec<Command> {
        let hasher = self.hasher();
        let naming_several = || events.iter().filter(|keyed| keyed.identifiers.len() > 1);
        let keys: Vec<Key> = naming_several().flat_map(|keyed| keyed.identifiers.iter().map(|i| i.key)).collect();
        let mut nodes = Vec::with_capacity(keys.len());
        self.tables.nodes.find_many(&keys, &mut nodes);
        let mut nodes = nodes.as_slice();
        let mut named = FxHashSet::default();
        let mut commands = Vec::new();
        for keyed in naming_several() {
            let (these, rest) = nodes.split_at(keyed.identifiers.len());
            nodes = rest;
            let ask = |view: View<'_>| self.tables.unknown_edges(view, &hasher, keyed, these);
            let mut edges = self.tables.nodes.at_one_epoch(ask);
            edges.retain(|edge| named.insert((edge.hub.key, edge.other.key)));
            if !edges.is_empty() {
                let event = &keyed.event;
                let provenance = LinkProvenance {
                    source: event.source.as_str().into(),
                    event_id: event.event_id.clone(),
                    event_time_ms: event.event_time_ms,
                };
                commands.push(Command::Link { edges: edges.into_vec(), provenance });
            }
        }
        commands
    }
}

/// Marks with which a node is not simply a record's identity.
const UNUSUAL: [Flags; 3] = [Flags::CLOSED, Flags::SHARED, Flags::SUPPRESSED];

/// What is said of a key without a node.
fn never_linked(key: Key) -> Resolved {
    Resolved { identity_key: key, generation: 0, customer_id: key, customer_version: 0, shared: false }
}

fn resolved(identity_key: Key, seen: Seen) -> Resolved {
    Resolved {
        identity_key,
        generation: seen.generation,
        customer_id: seen.customer_id,
        customer_version: seen.customer_version,
        shared: seen.flags.has(Flags::SHARED),
    }
}

impl Tables {
    /// The generation of a node's identifier that was the present one at an epoch.
    pub(super) fn present(&self, view: View<'_>, node: u32) -> u32 {
        if !view.flags(node).has(Flags::CLOSED) {
            return node;
        }
        let generations = self.nodes.generations(self.nodes.first_generation(node));
        generations.into_iter().find(|node| !view.flags(*node).has(Flags::CLOSED)).unwrap_or(node)
    }

    fn resolve(&self, view: View<'_>, node: u32) -> Resolved {
        let present = self.present(view, node);
        resolved(self.nodes.key(present), view.seen(present))
    }

    /// R3: an identifier that several people use is the identity of a record that has nothing else.
    fn identity(&self, view: View<'_>, identifiers: &[Identifier]) -> Resolved {
        let mut last_resort = None;
        for Identifier { key, .. } in identifiers {
            let Some(node) = self.nodes.find(*key) else {
                return never_linked(*key);
            };
            let present = self.present(view, node);
            let seen = view.seen(present);
            let resolved = resolved(self.nodes.key(present), seen);
            if !seen.flags.has_any(&UNUSUAL) {
                return resolved;
            }
            last_resort.get_or_insert(resolved);
        }
        last_resort.unwrap_or_else(|| never_linked(Key::NIL))
    }

    /// R1: the star around the strongest usable identifier, without what is known and what was erased since.
    fn unknown_edges(
        &self,
        view: View<'_>,
        hasher: &Hasher,
        keyed: &KeyedEvent,
        nodes: &[Option<u32>],
    ) -> SmallVec<[Edge; 4]> {
        let present = nodes.iter().map(|node| node.map(|node| self.present(view, node)));
        let mut usable = keyed
            .identifiers
            .iter()
            .zip(present)
            .filter(|(identifier, _)| hasher.type_rule(identifier.kind).links)
            .filter(|(_, node)| !node.is_some_and(|node| view.flags(node).has_any(&UNUSUAL)));
        let too_late = |node: Option<u32>| {
            node.is_some_and(|node| view.flags(node).has(Flags::ERASED))
                && node.is_some_and(|node| self.is_erased_after(node, keyed.event.event_time_ms))
        };
        let Some((hub, hub_node)) = usable.next().filter(|(_, node)| !too_late(*node)) else {
            return SmallVec::new();
        };
        usable
            .filter(|(_, node)| !too_late(*node))
            .filter(|(_, node)| match (hub_node, node) {
                (Some(hub), Some(other)) => !self.connects(hub, *other),
                _ => true,
            })
            .map(|(other, _)| Edge { hub: *hub, other: *other })
            .collect()
    }

    fn is_erased_after(&self, node: u32, event_time_ms: i64) -> bool {
        let first = self.nodes.first_generation(node);
        self.tombstones.read().get(&first).is_some_and(|erased_ms| event_time_ms < *erased_ms)
    }

    /// Whether an edge is kept and visible.
    fn connects(&self, a: u32, b: u32) -> bool {
        let applied = self.nodes.applied();
        self.edges.connects(&self.nodes, a, b).is_some_and(|edge| self.edges.get(edge).offset as i64 <= applied)
    }
}

/// Beside the applier: these wait for the message in flight, and it for them.
impl Graph {
    /// The customer that an identity key or a customer id belongs to, with all its keys.
    pub fn members(&self, key: Key) -> Component {
        let state = self.state.read();
        let reading = Reading::new(&self.tables, &state);
        match self.tables.nodes.find(key) {
            Some(node) => component(reading, self.tables.nodes.anchor(node)),
            None => Component { customer_id: key, version: 0, keys: vec![Identifier { kind: u8::MAX, key }] },
        }
    }

    /// The conflicts of a range of log offsets, the same in every process and at every time, as long as they are not
    /// forgotten.
    pub fn conflicts_in(&self, offsets: RangeInclusive<i64>) -> Vec<Conflict> {
        let state = self.state.read();
        let start = state.conflicts.partition_point(|kept| kept.offset < *offsets.start());
        let end = state.conflicts.partition_point(|kept| kept.offset <= *offsets.end());
        Reading::new(&self.tables, &state).conflict_rows(start..end.max(start))
    }

    /// The conflicts of one log message.
    pub fn conflicts_of(&self, offset: i64) -> Vec<Conflict> {
        self.conflicts_in(offset..=offset)
    }

    /// Lets go of the conflicts of earlier messages: they have been written elsewhere.
    pub fn forget_conflicts(&self, before_offset: i64) {
        let state = &mut *self.state.write();
        let forgotten = state.conflicts.partition_point(|kept| kept.offset < before_offset);
        state.conflicts.drain(..forgotten);
        state.conflicts.shrink_to_fit();
        state.conflicts_from = state.conflicts_from.max(before_offset);
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        let state = self.state.read();
        let Tables { nodes, edges, tombstones } = &self.tables;
        let side = tombstones.read().capacity() * 16 + state.vetoes.capacity() * 32;
        Stats {
            identifiers: u64::from(nodes.len()) - state.counts.closed,
            edges_active: state.counts.active,
            edges_dormant: state.counts.dormant,
            components: state.counts.components,
            merges: state.counts.merges,
            conflicts: state.counts.conflicts,
            closed: state.counts.closed,
            shared: state.counts.shared,
            bytes: (state.bytes() + nodes.bytes() + edges.bytes() + side) as u64,
        }
    }

    /// A number that is equal in two processes when every key has the same customer in both (ID-1).
    pub fn fingerprint(&self) -> u128 {
        self.state.read().fingerprint
    }

    /// The fingerprint and the offset it belongs to, for comparing processes.
    pub fn fingerprint_at(&self) -> (u128, i64) {
        let state = self.state.read();
        (state.fingerprint, self.tables.nodes.applied())
    }
}
