//! R9: what becomes of customers when the rules change.

use super::oracle::World;
use super::story::{SHARED_BY_LINKS, TOO_MANY, conflicts, raw};
use identity::{ConflictKind, ConflictRule, Error, Rules};

#[test]
fn junk_that_is_listed_later_lets_go_of_the_people_it_had_joined() {
    let mut world = World::new(Rules::default());
    for visitor in ["a", "b", "c"] {
        world.record_raw(&[raw("loyalty_id", "house-7"), raw("anonymous_id", visitor)]);
    }
    assert_eq!(world.oracle.groups().len(), 1);
    world.change_rules(Rules { blocked_values: vec!["House-7".into()], ..Rules::default() });
    assert_eq!(world.oracle.groups().len(), 4);
    assert_eq!(conflicts(&world), [], "it is as if an operator had shared it");
    world.check().unwrap();
    let later = world.record_raw(&[raw("loyalty_id", "house-7"), raw("anonymous_id", "a")]);
    assert_eq!(later.identifiers.len(), 1, "new records do not name it");
}

#[test]
fn a_lower_limit_parts_and_a_higher_one_heals() {
    let mut world = World::new(Rules::default());
    world.record("loyalty_id:1 loyalty_id:2");
    world.record("loyalty_id:1 anonymous_id:a");
    let cards = |limit| {
        let mut rules = Rules::default();
        let card = rules.types.iter_mut().find(|rule| rule.name == "loyalty_id").unwrap();
        card.max_per_customer = Some(limit);
        rules
    };
    world.change_rules(cards(1));
    world.expect_customers(&["loyalty_id:1 anonymous_id:a", "loyalty_id:2"]);
    assert_eq!(conflicts(&world), [TOO_MANY]);
    world.change_rules(cards(2));
    world.expect_customers(&["loyalty_id:1 anonymous_id:a loyalty_id:2"]);
}

#[test]
fn fewer_links_make_shared_what_has_more_already() {
    let mut world = World::new(Rules::default());
    for email in ["email:1", "email:2", "email:3"] {
        world.record(&format!("{email} anonymous_id:kiosk"));
    }
    let mut rules = Rules::default();
    rules.types.iter_mut().filter(|rule| rule.name == "anonymous_id").for_each(|rule| rule.max_links = 2);
    world.change_rules(rules);
    world.expect_customers(&["email:1", "email:2", "email:3", "anonymous_id:kiosk"]);
    assert_eq!(conflicts(&world), [SHARED_BY_LINKS]);
    assert_eq!(world.past_customer("anonymous_id:kiosk", 0), world.customer("email:1"));
}

#[test]
fn a_smaller_customer_lets_its_oldest_devices_go() {
    let mut world = World::new(Rules::default());
    for device in 1..=4 {
        world.record(&format!("user_id:jane anonymous_id:{device}"));
    }
    world.pass_days(200);
    world.change_rules(Rules { max_identifiers: 3, ..Rules::default() });
    world.expect_customers(&["user_id:jane anonymous_id:3 anonymous_id:4", "anonymous_id:1", "anonymous_id:2"]);
    assert_eq!(conflicts(&world), [(ConflictKind::Retired, ConflictRule::MaxIdentifiers); 2]);
}

#[test]
fn types_may_be_added_but_not_taken_away() {
    let mut world = World::new(Rules::default());
    world.record("user_id:jane email:jane");
    let mut fewer = Rules::default();
    fewer.types.pop();
    let fingerprint = world.graph.fingerprint();
    let message = [super::oracle::rules_command(fewer)];
    let refused = world.graph.apply(world.graph.applied() + 1, world.now_ms, &message);
    assert!(matches!(refused, Err(Error::RulesDiffer(_))), "{refused:?}");
    assert_eq!(world.graph.fingerprint(), fingerprint);
    world.check().unwrap();
}
