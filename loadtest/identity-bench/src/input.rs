//! The graph that is measured: customers of 2 to 6 identifiers whose links come in random order. A function of its size
//! alone; an edge is computed when it is asked for, so that the input takes no memory.

use schemas::{Command, Edge, Identifier, Key, LinkProvenance};

/// Sizes of the customers of one group, over and over. The fifth comes in two halves, joined at the end: a merge.
const SIZES: [u64; 6] = [2, 3, 4, 5, 6, 4];
/// Identifiers of a group.
pub(crate) const IDENTIFIERS: u64 = 24;
/// Edges of a group, merges aside.
const EDGES: u64 = 17;
/// Edges of one log message.
pub(crate) const MESSAGE_EDGES: u64 = 500;

/// Indexes of the types in the default rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds {
    pub(crate) user: u8,
    pub(crate) email: u8,
    pub(crate) phone: u8,
    pub(crate) anonymous: u8,
    pub(crate) device: u8,
}

impl Kinds {
    pub(crate) fn of(rules: &identity::Rules) -> Self {
        let index = |name: &str| rules.type_index(name).expect("the default rules have this type");
        Kinds {
            user: index("user_id"),
            email: index("email"),
            phone: index("phone"),
            anonymous: index("anonymous_id"),
            device: index("device_id"),
        }
    }
}

/// Scatters a number over 64 bits (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The key of an identifier by its number; looks hashed, as real ones are.
pub(crate) fn key(number: u64) -> Key {
    let high = mix(number);
    Key(u128::from(high) << 64 | u128::from(mix(high ^ 0x5851_F42D_4C95_7F2D)))
}

/// A key that no input holds.
pub(crate) fn absent_key(number: u64) -> Key {
    key(number | 1 << 62)
}

/// A random order of `0..length` that needs no memory: a Feistel network over the next power of four, walked until it
/// falls into the range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shuffle {
    length: u64,
    half_bits: u32,
}

impl Shuffle {
    pub(crate) fn new(length: u64) -> Self {
        let bits = u64::BITS - length.max(2).saturating_sub(1).leading_zeros();
        Shuffle { length, half_bits: bits.div_ceil(2) }
    }

    pub(crate) fn at(self, place: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let mut number = place;
        loop {
            let (mut left, mut right) = (number >> self.half_bits, number & mask);
            for round in 0..3 {
                (left, right) = (right, left ^ (mix(right << 2 | round) & mask));
            }
            number = left << self.half_bits | right;
            if number < self.length {
                return number;
            }
        }
    }
}

/// An edge by the numbers of its ends and the types of both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) hub: u64,
    pub(crate) other: u64,
    kinds: (u8, u8),
}

impl Pair {
    pub(crate) fn edge(self) -> Edge {
        Edge {
            hub: Identifier { kind: self.kinds.0, key: key(self.hub) },
            other: Identifier { kind: self.kinds.1, key: key(self.other) },
        }
    }
}

/// The input of one size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input {
    pub(crate) groups: u64,
    pub(crate) kinds: Kinds,
    order: Shuffle,
    merge_order: Shuffle,
}

impl Input {
    pub(crate) fn new(identifiers: u64, kinds: Kinds) -> Self {
        let groups = (identifiers / IDENTIFIERS).max(1);
        Input { groups, kinds, order: Shuffle::new(groups * EDGES), merge_order: Shuffle::new(groups) }
    }

    /// Numbers of identifiers end here. About 1 in 1,000 is never linked: somebody else's stands in its place.
    pub(crate) fn identifiers(&self) -> u64 {
        self.groups * IDENTIFIERS
    }

    /// Edges, merges aside.
    pub(crate) fn edges(&self) -> u64 {
        self.groups * EDGES
    }

    pub(crate) fn merges(&self) -> u64 {
        self.groups
    }

    /// An edge by its place in the random order.
    pub(crate) fn pair(&self, place: u64) -> Pair {
        let number = self.order.at(place);
        self.pair_of(number / EDGES, number % EDGES)
    }

    /// An edge that joins the halves of a customer, by its place in the random order.
    pub(crate) fn merge(&self, place: u64) -> Pair {
        let first = self.merge_order.at(place) * IDENTIFIERS + 14;
        Pair { hub: first, other: first + 3, kinds: (self.kinds.user, self.kinds.email) }
    }

    /// The identifier that stands for any number below [`Self::identifiers`] and is linked for sure.
    pub(crate) fn linked(&self, number: u64) -> u64 {
        let (group, place) = (number / IDENTIFIERS, number % IDENTIFIERS);
        // A device of two customers becomes shared.
        let shared = place == 8 && group % 40 == 0;
        group * IDENTIFIERS + if shared || self.others_stand_in(group, place).is_some() { 0 } else { place }
    }

    /// Every 50th group writes the e-mail of a neighbour, every 40th uses a neighbour's device: conflicts to be found.
    fn others_stand_in(&self, group: u64, place: u64) -> Option<u64> {
        match place {
            6 if group % 50 == 1 => Some((group - 1) * IDENTIFIERS + 6),
            8 if group % 40 == 1 => Some((group - 1) * IDENTIFIERS + 8),
            _ => None,
        }
    }

    fn pair_of(&self, group: u64, mut edge: u64) -> Pair {
        let kinds = self.kinds;
        let mut first = 0;
        for (customer, size) in SIZES.into_iter().enumerate() {
            let split = customer == 4;
            let edges = if split { size - 2 } else { size - 1 };
            if edge >= edges {
                (edge, first) = (edge - edges, first + size);
                continue;
            }
            // The halves of the fifth: {user, two devices} and {e-mail, two devices}.
            let (hub, member) = match (split, edge) {
                (true, 2..) => (3, edge + 2),
                _ => (0, edge + 1),
            };
            let kind = match (size, member) {
                (2, _) => kinds.anonymous,
                _ if split => kinds.device,
                (_, 1) => kinds.email,
                (5, 2) => kinds.phone,
                (_, member) if member % 2 == 0 => kinds.device,
                _ => kinds.anonymous,
            };
            let place = first + member;
            return Pair {
                hub: group * IDENTIFIERS + first + hub,
                other: self.others_stand_in(group, place).unwrap_or(group * IDENTIFIERS + place),
                kinds: (if hub == 3 { kinds.email } else { kinds.user }, kind),
            };
        }
        unreachable!("a group has {EDGES} edges")
    }
}

/// The customers of which bytes are counted: pairs (half an edge an identifier), or fours with all six edges (one and a
/// half), so that what an identifier and what an edge take can be told apart.
pub(crate) fn pairs_of_four(kinds: Kinds, four: u64, all_edges: bool) -> impl Iterator<Item = Pair> {
    const STAR: [(u64, u64); 6] = [(0, 1), (2, 3), (0, 2), (0, 3), (1, 2), (1, 3)];
    const APART: [(u64, u64); 2] = [(0, 1), (2, 3)];
    let of_customer = [kinds.user, kinds.email, kinds.device, kinds.device];
    let edges: &'static [(u64, u64)] = if all_edges { &STAR } else { &APART };
    let of_pairs = [kinds.user, kinds.email, kinds.user, kinds.email];
    let types = if all_edges { of_customer } else { of_pairs };
    edges.iter().map(move |(a, b)| Pair {
        hub: four * 4 + a,
        other: four * 4 + b,
        kinds: (types[*a as usize], types[*b as usize]),
    })
}

/// Messages as the log holds them, a link each command: a record brings one new edge at a time.
pub(crate) fn messages(pairs: impl Iterator<Item = Pair>) -> Vec<Vec<Command>> {
    let mut messages = Vec::new();
    let mut commands = Vec::with_capacity(MESSAGE_EDGES as usize);
    for pair in pairs {
        commands.push(Command::Link {
            edges: vec![pair.edge()],
            provenance: LinkProvenance {
                source: "web".into(),
                event_id: "e-1".into(),
                event_time_ms: 1_700_000_000_000,
            },
        });
        if commands.len() as u64 == MESSAGE_EDGES {
            messages.push(std::mem::replace(&mut commands, Vec::with_capacity(MESSAGE_EDGES as usize)));
        }
    }
    if !commands.is_empty() {
        messages.push(commands);
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_shuffle_is_an_order_of_all() {
        for length in [1, 2, 3, 1000, 4097] {
            let seen: HashSet<u64> = (0..length).map(|place| Shuffle::new(length).at(place)).collect();
            assert!(seen.len() as u64 == length && seen.iter().all(|number| *number < length), "{length}");
        }
    }

    #[test]
    fn what_counts_as_linked_is_an_end_of_an_edge() {
        let input = Input::new(24 * 200, Kinds::of(&identity::Rules::default()));
        let ends: HashSet<u64> =
            (0..input.edges()).map(|place| input.pair(place)).flat_map(|pair| [pair.hub, pair.other]).collect();
        assert!((0..input.identifiers()).all(|number| ends.contains(&input.linked(number))));
        assert!(ends.len() as u64 > input.identifiers() * 99 / 100);
        assert!((0..input.merges()).map(|place| input.merge(place)).all(|pair| ends.contains(&pair.other)));
    }
}
