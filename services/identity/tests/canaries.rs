//! Whether the checks would notice: a graph that is broken on purpose, in each of the ways that matter most, is caught by
//! the same check that the properties use. Run with `--features canary`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "it uses its part of the properties' modules")]

mod oracle;
#[path = "properties/knobs.rs"]
mod knobs;
#[path = "properties/logs.rs"]
mod logs;
#[path = "properties/invariants.rs"]
mod invariants;

use identity::Canary;
use knobs::Knobs;
use logs::{Mix, log};
use oracle::World;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A property runs four times as many.
const CASES: u32 = 64;

/// What the check says of the first log that it fails on, and how many logs that took.
fn catch(canary: Option<Canary>) -> Option<(u32, String)> {
    let strategy = log(Mix::Operators, 4, 25);
    let mut runner = TestRunner::deterministic();
    for case in 1..=CASES {
        let log = strategy.new_tree(&mut runner).unwrap().current();
        let world = World::new(Knobs::crowded().rules());
        canary.into_iter().for_each(|canary| world.graph.set_canary(canary));
        let caught = match catch_unwind(AssertUnwindSafe(|| invariants::check_log_in(world, &log))) {
            Ok(checked) => checked.err().map(|e| e.to_string()),
            Err(panic) => Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic".to_owned())),
        };
        if let Some(said) = caught {
            return Some((case, said));
        }
    }
    None
}

/// One test, because it silences panics for the whole process.
#[test]
fn every_canary_is_caught_and_nothing_else_is() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught: Vec<_> = Canary::ALL.iter().map(|canary| (*canary, catch(Some(*canary)))).collect();
    let sound = catch(None);
    std::panic::set_hook(usual);
    for (canary, caught) in caught {
        let (case, said) = caught.unwrap_or_else(|| panic!("{canary:?} was not caught in {CASES} logs"));
        println!("{canary:?} was caught by log {case}: {}", said.lines().next().unwrap_or_default());
    }
    assert_eq!(sound, None, "a sound graph was caught");
}
