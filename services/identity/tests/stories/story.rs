//! How stories are told.

use super::oracle::{DAY_MS, FIRST_DAY, World};
use identity::{ConflictKind, ConflictRule, OnConflict, Rules};
use schemas::RawIdentifier;
use std::collections::BTreeSet;

pub(crate) type Said = (ConflictKind, ConflictRule);

pub(crate) const TOO_MANY: Said = (ConflictKind::Refused, ConflictRule::MaxPerCustomer);
pub(crate) const OTHER_CARD: Said = (ConflictKind::Refused, ConflictRule::AccountConflict);
pub(crate) const SHARED_BY_USERS: Said = (ConflictKind::Shared, ConflictRule::MaxPerCustomer);
pub(crate) const SHARED_BY_CARDS: Said = (ConflictKind::Shared, ConflictRule::AccountConflict);
pub(crate) const SHARED_BY_LINKS: Said = (ConflictKind::Shared, ConflictRule::MaxLinks);
pub(crate) const VETOED: Said = (ConflictKind::Refused, ConflictRule::Veto);

/// Up to this many steps every order is tried.
const MOST_STEPS: usize = 6;

/// Beyond, this many, seeded.
const SAMPLED_ORDERS: u64 = 200;

/// Steps that can happen in any order: records (names of identifiers, `@3` in front: what happened on day 3, however
/// late it comes), or what an operator does (`merge a b`, `unlink a b`, `allow a b`, `split a`, `share a`, `unshare a`,
/// `erase a`).
pub(crate) struct Story<'a> {
    rules: Rules,
    steps: &'a [&'a str],
}

pub(crate) fn story<'a>(steps: &'a [&'a str]) -> Story<'a> {
    Story { rules: Rules::default(), steps }
}

pub(crate) fn story_under<'a>(rules: Rules, steps: &'a [&'a str]) -> Story<'a> {
    Story { rules, steps }
}

impl<'a> Story<'a> {
    /// The world after the steps as documented; the graph equals the oracle after each.
    pub(crate) fn as_documented(&self) -> World {
        let mut world = World::new(self.rules.clone());
        for step in self.steps {
            happen(&mut world, step);
            world.check().unwrap();
        }
        world
    }

    /// What `observe` sees after the steps in every order, each answer once.
    pub(crate) fn in_all_orders<T: Ord>(&self, observe: impl Fn(&World) -> T) -> BTreeSet<T> {
        let mut seen = BTreeSet::new();
        for order in orders(self.steps.len()) {
            let mut world = World::new(self.rules.clone());
            order.iter().for_each(|step| happen(&mut world, self.steps[*step]));
            world.check().unwrap_or_else(|e| panic!("in the order {order:?}: {e}"));
            seen.insert(observe(&world));
        }
        seen
    }

    /// The customers after the steps in every order, as `a b | c`.
    pub(crate) fn customers_in_all_orders(&self) -> BTreeSet<String> {
        let names = self.names();
        self.in_all_orders(|world| customers(world, &names))
    }

    /// Asserts that documented order ends in the first of these, and all orders together in exactly these.
    pub(crate) fn ends_in(&self, outcomes: &[&str]) -> World {
        let world = self.as_documented();
        let sorted = |outcome: &str| {
            let mut parts: Vec<Vec<&str>> = outcome.split('|').map(|part| part.split_whitespace().collect()).collect();
            parts.iter_mut().for_each(|part| part.sort_unstable());
            parts.sort();
            joined(&parts)
        };
        assert_eq!(customers(&world, &self.names()), sorted(outcomes[0]), "in documented order");
        let expected: BTreeSet<String> = outcomes.iter().map(|outcome| sorted(outcome)).collect();
        assert_eq!(self.customers_in_all_orders(), expected, "in all orders");
        world
    }

    fn names(&self) -> Vec<&'a str> {
        let words = self.steps.iter().flat_map(|step| step.split_whitespace());
        words.filter(|word| word.contains(':')).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn joined(parts: &[Vec<&str>]) -> String {
    parts.iter().map(|part| part.join(" ")).collect::<Vec<_>>().join(" | ")
}

pub(crate) fn customers(world: &World, names: &[&str]) -> String {
    joined(&world.partition(names).into_iter().collect::<Vec<_>>())
}

/// One step.
pub(crate) fn happen(world: &mut World, step: &str) {
    let words: Vec<&str> = step.split_whitespace().collect();
    match words[..] {
        ["merge", a, b] => drop(world.merge(a, b)),
        ["unlink", a, b] => drop(world.unlink(a, b)),
        ["allow", a, b] => drop(world.allow(a, b)),
        ["split", of] => drop(world.split(of)),
        ["share", of] => drop(world.share(of)),
        ["unshare", of] => drop(world.unshare(of)),
        ["erase", of] => drop(world.erase(of, false)),
        ["suppress", of] => drop(world.erase(of, true)),
        _ => match step.strip_prefix('@').and_then(|dated| dated.split_once(' ')) {
            Some((day, names)) => drop(world.record_at(names, (FIRST_DAY + day.parse::<i64>().unwrap()) * DAY_MS)),
            None => drop(world.record(step)),
        },
    }
}

/// All orders of so many steps, or some.
fn orders(steps: usize) -> Vec<Vec<usize>> {
    if steps > MOST_STEPS {
        return (0..SAMPLED_ORDERS).map(|seed| shuffled(steps, seed)).collect();
    }
    let mut orders = vec![Vec::new()];
    for step in 0..steps {
        orders = orders.iter().flat_map(|order| (0..=step).map(move |place| with(order, step, place))).collect();
    }
    orders
}

fn with(order: &[usize], step: usize, place: usize) -> Vec<usize> {
    let mut order = order.to_vec();
    order.insert(place, step);
    order
}

fn shuffled(steps: usize, seed: u64) -> Vec<usize> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut order: Vec<usize> = (0..steps).collect();
    for end in (1..steps).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(end, (state >> 33) as usize % (end + 1));
    }
    order
}

/// The conflict rows of a world's whole log.
pub(crate) fn conflicts(world: &World) -> Vec<Said> {
    let rows = world.graph.conflicts_in(0..=world.graph.applied());
    rows.iter().map(|row| (row.kind, row.rule)).collect()
}

/// The default rules, where one type does otherwise.
pub(crate) fn rules_where(kind: &str, on_conflict: OnConflict) -> Rules {
    let mut rules = Rules::default();
    rules.types.iter_mut().filter(|rule| rule.name == kind).for_each(|rule| rule.on_conflict = on_conflict);
    rules
}

pub(crate) fn raw(kind: &str, value: &str) -> RawIdentifier {
    RawIdentifier { kind: kind.into(), value: value.into() }
}
