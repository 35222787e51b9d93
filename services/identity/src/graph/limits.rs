use smallvec::SmallVec;

use crate::rules::MAX_TYPES;
use crate::{OnConflict, Rules, Tier};

use super::conflict::ConflictRule;
use super::edges::EdgeClass;

/// The rules as the graph asks for them: by type number, types in sets as bits.
#[derive(Debug)]
pub(super) struct Limits {
    types: Vec<TypeLimits>,
    pub(super) accounts: u32,
    /// Types with a limit per customer.
    pub(super) limited: u32,
    pub(super) max_identifiers: u32,
}

#[derive(Debug)]
struct TypeLimits {
    tier: Tier,
    priority: u16,
    max_per_customer: u32,
    max_links: u32,
    on_conflict: OnConflict,
    links: bool,
}

/// One side of an edge: which identifiers it joins, closed generations left out.
pub(super) trait Side {
    /// The types present, as bits.
    fn types(&self) -> u32;
    /// How many of one type; asked only when that may decide.
    fn count(&self, kind: u8) -> u32;
    /// The nodes whose identifier is part of a vetoed pair.
    fn vetoed(&self) -> SmallVec<[u32; 4]>;
    /// Whether a node is among them; asked only about vetoed pairs.
    fn contains(&self, node: u32) -> bool;
}

/// The numbers of the bits set, ascending.
pub(super) fn bits(mut set: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (lowest < u32::BITS).then_some(lowest as u8)
    })
}

impl Limits {
    pub(super) fn new(rules: &Rules) -> Self {
        debug_assert!(rules.types.len() <= MAX_TYPES, "validated rules have no more types");
        let types: Vec<TypeLimits> = rules
            .types
            .iter()
            .map(|rule| TypeLimits {
                tier: rule.tier,
                priority: rule.priority,
                max_per_customer: rule.max_per_customer.unwrap_or(u32::MAX),
                max_links: rule.max_links,
                on_conflict: rule.on_conflict,
                links: rule.links,
            })
            .collect();
        let set = |wanted: &dyn Fn(&TypeLimits) -> bool| {
            types.iter().enumerate().filter(|(_, t)| wanted(t)).fold(0, |set, (kind, _)| set | 1 << kind)
        };
        Limits {
            accounts: set(&|t| t.tier == Tier::Account),
            limited: set(&|t| t.max_per_customer != u32::MAX),
            max_identifiers: rules.max_identifiers,
            types,
        }
    }

    pub(super) fn tier(&self, kind: u8) -> Tier {
        self.types[usize::from(kind)].tier
    }

    pub(super) fn priority(&self, kind: u8) -> u16 {
        self.types[usize::from(kind)].priority
    }

    pub(super) fn links(&self, kind: u8) -> bool {
        self.types[usize::from(kind)].links
    }

    pub(super) fn on_conflict(&self, kind: u8) -> OnConflict {
        self.types[usize::from(kind)].on_conflict
    }

    pub(super) fn max_per_customer(&self, kind: u8) -> u32 {
        self.types[usize::from(kind)].max_per_customer
    }

    pub(super) fn max_links(&self, kind: u8) -> u32 {
        self.types[usize::from(kind)].max_links
    }

    /// The class of a link between two types: the tier of the weaker one.
    pub(super) fn class(&self, a: u8, b: u8) -> EdgeClass {
        match self.tier(a).max(self.tier(b)) {
            Tier::Account => EdgeClass::Account,
            Tier::Contact => EdgeClass::Contact,
            Tier::Device => EdgeClass::Device,
        }
    }

    /// R2 (b), then (c): why accounts keep two sides apart, if they do.
    pub(super) fn refuses(&self, a: &impl Side, b: &impl Side, class: EdgeClass) -> Option<ConflictRule> {
        let both = a.types() & b.types() & self.accounts;
        if both == 0 || class <= EdgeClass::Forced || class == EdgeClass::Closed {
            return None;
        }
        let breaks = |kind: u8| a.count(kind).saturating_add(b.count(kind)) > self.max_per_customer(kind);
        if bits(both & self.limited).any(breaks) {
            return Some(ConflictRule::MaxPerCustomer);
        }
        (class != EdgeClass::Account).then_some(ConflictRule::AccountConflict)
    }
}
