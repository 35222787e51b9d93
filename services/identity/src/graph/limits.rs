use crate::rules::MAX_TYPES;
use crate::{OnConflict, Rules, Tier};

use super::conflict::ConflictRule;

/// The rules as the graph asks for them: by type number, types in sets as bits.
#[derive(Debug)]
pub(super) struct Limits {
    types: Vec<TypeLimits>,
    pub(super) accounts: u64,
    /// Types with a limit per customer.
    pub(super) limited: u64,
    pub(super) max_identifiers: u32,
}

#[derive(Debug)]
struct TypeLimits {
    tier: Tier,
    priority: u16,
    max_per_customer: u32,
    max_links: u32,
    shares: bool,
    links: bool,
}

/// One side of an edge, or a whole component: how many identifiers, and of which types.
pub(super) trait Side {
    /// The types present, as bits.
    fn types(&self) -> u64;
    fn size(&self) -> u32;
    /// How many of one type; asked only when that may decide.
    fn count(&self, kind: u8) -> u32;
}

/// The numbers of the bits set.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (lowest < u64::BITS).then_some(lowest as u8)
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
                shares: rule.on_conflict == OnConflict::Share,
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

    pub(super) fn shares(&self, kind: u8) -> bool {
        self.types[usize::from(kind)].shares
    }

    pub(super) fn max_per_customer(&self, kind: u8) -> u32 {
        self.types[usize::from(kind)].max_per_customer
    }

    pub(super) fn max_links(&self, kind: u8) -> u32 {
        self.types[usize::from(kind)].max_links
    }

    /// Why a union would be refused, if it would: R2 (b), then (c), then the limits that R7 is about.
    pub(super) fn refuses(&self, a: &impl Side, b: &impl Side, between_accounts: bool) -> Option<ConflictRule> {
        let both = a.types() & b.types();
        let breaks = |kind: u8| a.count(kind).saturating_add(b.count(kind)) > self.max_per_customer(kind);
        if bits(both & self.accounts & self.limited).any(breaks) {
            return Some(ConflictRule::MaxPerCustomer);
        }
        if both & self.accounts != 0 && !between_accounts {
            return Some(ConflictRule::AccountConflict);
        }
        if bits(both & self.limited & !self.accounts).any(breaks) {
            return Some(ConflictRule::MaxContacts);
        }
        (a.size().saturating_add(b.size()) > self.max_identifiers).then_some(ConflictRule::MaxIdentifiers)
    }

    /// Whether a union breaks nothing wherever in the order it stands, so that nothing needs to be replayed. Also between
    /// accounts the sides may have no account type in common: two cards may be joined directly, and yet weaker edges on
    /// either side lose their place.
    pub(super) fn harmless(&self, a: &impl Side, b: &impl Side) -> bool {
        self.refuses(a, b, false).is_none()
    }
}
