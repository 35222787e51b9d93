//! Random logs against the naive oracle.

mod oracle;

use identity::{Rules, Tier, TypeRule};
use oracle::World;
use proptest::prelude::*;

/// Few values of every type, so that links collide all the time.
fn crowded_rules() -> Rules {
    Rules {
        types: vec![
            TypeRule::new("user_id", Tier::Account, 10).limited(1),
            TypeRule::new("loyalty_id", Tier::Account, 40).limited(2),
            TypeRule::new("email", Tier::Contact, 50).limited(2),
            TypeRule::new("phone", Tier::Contact, 60).limited(2),
            TypeRule::new("anonymous_id", Tier::Device, 90),
            TypeRule {
                links: false,
                ..TypeRule::new("transaction_id", Tier::Device, 100)
            },
        ],
        max_identifiers: 9,
        ..Rules::default()
    }
}

fn name(values: u8) -> impl Strategy<Value = String> {
    let kinds = prop_oneof![
        3 => Just("user_id"), 3 => Just("loyalty_id"), 4 => Just("email"), 2 => Just("phone"), 5 => Just("anonymous_id"),
        1 => Just("transaction_id"),
    ];
    (kinds, 0..values).prop_map(|(kind, value)| format!("{kind}:{value}"))
}

fn log(values: u8, edges: usize) -> impl Strategy<Value = Vec<Vec<(String, String)>>> {
    let message = proptest::collection::vec((name(values), name(values)), 1..4);
    proptest::collection::vec(message, 1..edges)
}

fn check_log(rules: Rules, log: &[Vec<(String, String)>]) -> Result<(), TestCaseError> {
    let mut world = World::new(rules);
    for message in log {
        let edges: Vec<_> = message
            .iter()
            .map(|(a, b)| (world.id(a), world.id(b)))
            .collect();
        let dormant_before = world.oracle.outcome().dormant;
        let conflicts = world.apply(&edges);
        world.check().map_err(TestCaseError::fail)?;
        let offset = world.graph.applied();
        prop_assert_eq!(
            &conflicts,
            &world.graph.conflicts_of(offset),
            "conflicts can be asked for again"
        );
        for (a, b) in world.oracle.outcome().dormant.difference(&dormant_before) {
            let row = conflicts
                .iter()
                .any(|c| (c.a.key.min(c.b.key), c.a.key.max(c.b.key)) == (*a, *b));
            prop_assert!(
                row,
                "ID-3: {} – {} was refused without a conflict row",
                a,
                b
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_crowd_equals_the_oracle(log in log(4, 30)) {
        check_log(crowded_rules(), &log)?;
    }

    #[test]
    fn sparser_logs_equal_the_oracle(log in log(12, 50)) {
        check_log(crowded_rules(), &log)?;
    }

    #[test]
    fn the_default_rules_equal_the_oracle(log in log(6, 40)) {
        check_log(Rules::default(), &log)?;
    }
}
