//! Random logs against the naive oracle. `PROPTEST_CASES` says how many (default 256 each); a failure prints its seed and
//! the smallest log that fails.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../oracle/mod.rs"]
mod oracle;
mod knobs;
mod logs;
mod invariants;
mod regressions;

use identity::{OnConflict, Rules};
use invariants::{check_log, partition, views};
use knobs::Knobs;
use logs::{Message, Mix, log};
use oracle::World;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_crowd_equals_the_oracle(log in log(Mix::Links, 4, 25)) {
        check_log(Knobs::crowded().rules(), &log)?;
    }

    #[test]
    fn sparser_logs_equal_the_oracle(log in log(Mix::Links, 12, 35)) {
        check_log(Knobs::crowded().rules(), &log)?;
    }

    #[test]
    fn the_default_rules_equal_the_oracle(log in log(Mix::Operators, 5, 30)) {
        check_log(Rules::default(), &log)?;
    }

    #[test]
    fn other_rules_equal_the_oracle(knobs in knobs::any(), log in log(Mix::Links, 5, 25)) {
        check_log(knobs.rules(), &log)?;
    }

    #[test]
    fn operators_equal_the_oracle(log in log(Mix::Operators, 4, 25)) {
        check_log(Knobs::crowded().rules(), &log)?;
    }

    #[test]
    fn the_last_known_user_equals_the_oracle(links in 1u32..4, log in log(Mix::Operators, 4, 25)) {
        let knobs = Knobs { device: OnConflict::Move, device_links: links, size: 30, ..Knobs::crowded() };
        check_log(knobs.rules(), &log)?;
    }

    #[test]
    fn full_customers_equal_the_oracle(size in 2u32..5, contacts in 1u32..3, log in log(Mix::Operators, 4, 25)) {
        let knobs = Knobs { size, contacts, device_links: 9, contact_links: 9, ..Knobs::crowded() };
        check_log(knobs.rules(), &log)?;
    }

    #[test]
    fn erasure_equals_the_oracle(knobs in knobs::any(), log in log(Mix::Erasure, 4, 25)) {
        check_log(knobs.rules(), &log)?;
    }

    #[test]
    fn changing_rules_equal_the_oracle(knobs in knobs::any(), log in log(Mix::Rules, 4, 25)) {
        check_log(knobs.rules(), &log)?;
    }

    /// The way of the events pipeline: what is missing is logged, once, and every record gets its customer.
    #[test]
    fn records_equal_the_oracle(knobs in knobs::any(), turns in vec((logs::records(4), logs::message(Mix::Rules, 4)), 1..8)) {
        let mut world = World::new(knobs.rules());
        for (records, message) in &turns {
            invariants::check_records(&mut world, records)?;
            let commands = message.commands(&mut world);
            world.log(&commands);
        }
    }

    /// ID-1: the state is a function of the log alone.
    #[test]
    fn two_graphs_of_one_log_agree_at_every_offset(knobs in knobs::any(), log in log(Mix::Rules, 5, 15)) {
        let (mut one, mut other) = (World::new(knobs.rules()), World::new(knobs.rules()));
        for message in &log {
            let commands = message.commands(&mut one);
            other.pass_days(message.days);
            prop_assert_eq!(one.log(&commands), other.log(&commands), "ID-1");
            prop_assert_eq!(one.graph.fingerprint(), other.graph.fingerprint(), "ID-1");
        }
        prop_assert_eq!(views(&one), views(&other), "ID-1");
    }

    /// ID-1: a graph that goes on from its snapshot, however often, is the graph that never stopped.
    #[test]
    fn restarts_equal_the_oracle(
        knobs in knobs::any(), log in log(Mix::Rules, 4, 20), restarts in vec(any::<bool>(), 20),
    ) {
        let mut world = World::new(knobs.rules());
        for (message, restarts) in log.iter().zip(restarts) {
            let commands = message.commands(&mut world);
            world.log(&commands);
            if restarts {
                world.restart();
            }
            world.check().map_err(TestCaseError::fail)?;
        }
    }

    /// PR-1: neither the graph nor the log holds a value that was given to the hasher.
    #[test]
    fn no_raw_value_is_kept(
        records in vec((0u8..4, 0u8..4, 0u8..4, 0u8..4), 1..12),
        messages in vec(logs::message(Mix::Operators, 4), 0..4),
    ) {
        invariants::check_that_no_raw_value_is_kept(&records, &messages)?;
    }

    /// People who share nothing and whose limits hold are found whatever the order of the log.
    #[test]
    fn the_order_of_order_free_links_says_nothing(
        people in vec((0usize..2, 0usize..3, 0usize..3, 1usize..4), 1..6),
        seed in vec(any::<u64>(), 64),
    ) {
        let mut edges = Vec::new();
        for (person, (users, emails, phones, devices)) in people.iter().enumerate() {
            let counts = [("user_id", users), ("email", emails), ("phone", phones), ("anonymous_id", devices)];
            let mut names: Vec<String> = Vec::new();
            for (kind, count) in counts {
                names.extend((0..*count).map(|i| format!("{kind}:{person}-{i}")));
            }
            edges.extend(names.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())));
            edges.extend(names.iter().skip(2).map(|name| (names[0].clone(), name.clone())));
        }
        let rules = Rules::default();
        let (mut straight, mut shuffled) = (World::new(rules.clone()), World::new(rules));
        let mut order: Vec<usize> = (0..edges.len()).collect();
        order.sort_by_key(|i| seed[*i % seed.len()].rotate_left(*i as u32));
        for (i, shuffled_i) in order.into_iter().enumerate() {
            for (world, index) in [(&mut straight, i), (&mut shuffled, shuffled_i)] {
                let (a, b) = &edges[index];
                let edge = (world.id(a), world.id(b));
                world.apply(&[edge]);
            }
        }
        prop_assert_eq!(partition(&straight), partition(&shuffled));
        prop_assert_eq!(straight.graph.stats().conflicts, 0);
        straight.check().map_err(TestCaseError::fail)?;
        shuffled.check().map_err(TestCaseError::fail)?;
    }
}

/// The generation is one byte: after 255 closings an identifier's node stays the same, and nothing else changes.
#[test]
fn generations_end_and_everything_else_goes_on() {
    let knobs = Knobs { device: OnConflict::Move, size: 1000, ..Knobs::crowded() };
    let mut world = World::new(knobs.rules());
    for turn in 0..300 {
        let user = ["user_id:a", "user_id:b"][turn % 2];
        world.apply(&[(world.id(user), world.id("anonymous_id:pad"))]);
        if turn % 60 == 0 || turn > 250 && turn < 262 {
            world.check().unwrap();
        }
    }
    assert_eq!(world.graph.resolve(world.id("anonymous_id:pad").key).generation, 255);
    world.erase("anonymous_id:pad", false);
    world.check().unwrap();
    let message = Message { days: 0, steps: Vec::new() };
    assert!(message.commands(&mut world).is_empty());
}
