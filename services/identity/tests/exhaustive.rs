//! Every order of every set of links between up to five identifiers: the graph equals the naive oracle after each.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod oracle;

use identity::{Graph, Hasher, OnConflict, Rules, Tier, TypeRule};
use oracle::model::Oracle;
use oracle::{DAY_MS, FIRST_DAY, SECRET, check, link};
use schemas::{Command, Identifier, Key};
use std::sync::Arc;

/// Limits so small that five identifiers break them all.
fn rules(device: OnConflict, contact: OnConflict) -> Rules {
    let types = vec![
        TypeRule::new("user_id", Tier::Account, 10).limited(1),
        TypeRule { max_links: 2, ..TypeRule::new("loyalty_id", Tier::Account, 40).limited(2) },
        TypeRule { max_links: 2, on_conflict: contact, ..TypeRule::new("email", Tier::Contact, 50).limited(2) },
        TypeRule { max_links: 2, on_conflict: device, ..TypeRule::new("anonymous_id", Tier::Device, 90) },
    ];
    Rules { types, max_identifiers: 4, ..Rules::default() }
}

const USER: u8 = 0;
const CARD: u8 = 1;
const EMAIL: u8 = 2;
const DEVICE: u8 = 3;

/// All orders of up to so many links between some identifiers.
struct Search {
    hasher: Arc<Hasher>,
    /// Every pair, as the command that links it.
    links: Vec<Command>,
    longest: usize,
    orders: u64,
}

impl Search {
    fn new(rules: Rules, kinds: &[u8], longest: usize) -> Self {
        // Keys in no relation to the types.
        let scattered = |i: usize| Key((i as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835));
        let identifiers: Vec<Identifier> =
            kinds.iter().enumerate().map(|(i, kind)| Identifier { kind: *kind, key: scattered(i) }).collect();
        let mut links = Vec::new();
        for (index, a) in identifiers.iter().enumerate() {
            links.extend(identifiers[index + 1..].iter().map(|b| link(&[(*a, *b)], FIRST_DAY * DAY_MS)));
        }
        let hasher = Arc::new(Hasher::new(SECRET, rules).unwrap());
        Search { hasher, links, longest, orders: 0 }
    }

    /// Every order that begins like this. The oracle is carried on from link to link; the graph starts anew.
    fn explore(&mut self, order: &mut Vec<usize>, oracle: &Oracle) {
        for next in 0..self.links.len() {
            if order.contains(&next) {
                continue;
            }
            let mut oracle = oracle.clone();
            let rows = oracle.apply(order.len() as i64, FIRST_DAY * DAY_MS, &self.links[next..=next]);
            order.push(next);
            self.orders += 1;
            let graph = Graph::new(self.hasher.clone());
            let mut conflicts = Vec::new();
            for (offset, link) in order.iter().enumerate() {
                conflicts = graph.apply(offset as i64, FIRST_DAY * DAY_MS, &self.links[*link..=*link]).unwrap();
            }
            let compared = check::rows(&graph, &rows, &conflicts).and_then(|()| check::everything(&graph, &oracle));
            if let Err(difference) = compared {
                panic!("{difference}\nafter {:#?}", order.iter().map(|link| &self.links[*link]).collect::<Vec<_>>());
            }
            if order.len() < self.longest {
                self.explore(order, &oracle);
            }
            order.pop();
        }
    }
}

fn search(device: OnConflict, contact: OnConflict, kinds: &[u8], longest: usize) {
    let mut search = Search::new(rules(device, contact), kinds, longest);
    let oracle = Oracle::new(search.hasher.clone());
    search.explore(&mut Vec::new(), &oracle);
    println!("{} orders of up to {longest} links between {kinds:?}", search.orders);
}

#[test]
fn two_users_two_emails_and_a_device() {
    search(OnConflict::Share, OnConflict::KeepFirst, &[USER, USER, EMAIL, EMAIL, DEVICE], 5);
}

#[test]
fn two_users_an_email_and_two_devices_that_move() {
    search(OnConflict::Move, OnConflict::KeepFirst, &[USER, USER, EMAIL, DEVICE, DEVICE], 4);
}

#[test]
fn three_cards_an_email_and_a_device() {
    search(OnConflict::Share, OnConflict::Share, &[CARD, CARD, CARD, EMAIL, DEVICE], 4);
}

#[test]
fn a_user_a_card_and_three_emails() {
    search(OnConflict::KeepFirst, OnConflict::Move, &[USER, CARD, EMAIL, EMAIL, EMAIL], 4);
}

#[test]
fn a_user_and_four_devices() {
    search(OnConflict::Share, OnConflict::KeepFirst, &[USER, DEVICE, DEVICE, DEVICE, DEVICE], 4);
}

#[test]
fn four_identifiers_of_four_types_in_every_order_of_all_links() {
    for device in [OnConflict::Share, OnConflict::KeepFirst, OnConflict::Move] {
        search(device, OnConflict::KeepFirst, &[USER, CARD, EMAIL, DEVICE], 6);
    }
}
