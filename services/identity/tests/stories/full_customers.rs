//! R7: customers at a limit.

use super::oracle::World;
use super::story::{SHARED_BY_LINKS, conflicts, story, story_under};
use identity::{ConflictKind, ConflictRule, Rules};

const RETIRED_DEVICE: (ConflictKind, ConflictRule) = (ConflictKind::Retired, ConflictRule::MaxIdentifiers);
const RETIRED_CONTACT: (ConflictKind, ConflictRule) = (ConflictKind::Retired, ConflictRule::MaxContacts);
const JUNK_HUB: (ConflictKind, ConflictRule) = (ConflictKind::Shared, ConflictRule::MaxIdentifiers);

fn small() -> Rules {
    Rules { max_identifiers: 4, ..Rules::default() }
}

#[test]
fn a_full_customer_retires_its_oldest_device() {
    let mut world = World::new(small());
    for device in ["anonymous_id:1", "anonymous_id:2", "anonymous_id:3"] {
        world.record(&format!("user_id:jane {device}"));
        world.pass_days(40);
    }
    world.record("user_id:jane anonymous_id:4");
    world.expect_customers(&["user_id:jane anonymous_id:2 anonymous_id:3 anonymous_id:4", "anonymous_id:1"]);
    assert_eq!(conflicts(&world), [RETIRED_DEVICE]);
    assert_eq!(world.past_customer("anonymous_id:1", 0), world.customer("user_id:jane"), "its past stays");
    // Should it come back, it is as good as any other.
    world.pass_days(40);
    world.record("user_id:jane anonymous_id:1");
    world.expect_customers(&["user_id:jane anonymous_id:1 anonymous_id:3 anonymous_id:4", "anonymous_id:2"]);
}

#[test]
fn a_value_that_fills_up_within_90_days_is_junk_in_every_order() {
    let visits = [1, 2, 3, 4, 5].map(|visit| format!("user_id:test-account anonymous_id:{visit}"));
    let visits = visits.each_ref().map(String::as_str);
    let world = story_under(small(), &visits).ends_in(&[
        "user_id:test-account | anonymous_id:1 | anonymous_id:2 | anonymous_id:3 | anonymous_id:4 | anonymous_id:5",
    ]);
    assert_eq!(conflicts(&world), [JUNK_HUB]);
    assert!(world.graph.resolve(world.id("user_id:test-account").key).shared);
    assert_eq!(world.past_customer("user_id:test-account", 0), world.customer("anonymous_id:1"));
}

#[test]
fn the_sixth_email_retires_the_oldest() {
    let emails = [1, 2, 3, 4, 5, 6].map(|email| format!("user_id:jane email:{email}"));
    let steps = emails.each_ref().map(String::as_str);
    // In any order the oldest goes, so each of them can.
    let outcomes = [1, 2, 3, 4, 5, 6].map(|retired| {
        let stay = (1..=6).filter(|email| *email != retired).map(|email| format!("email:{email} ")).collect::<String>();
        format!("user_id:jane {stay}| email:{retired}")
    });
    let world = story(&steps).ends_in(&outcomes.each_ref().map(String::as_str));
    assert_eq!(conflicts(&world), [RETIRED_CONTACT]);
    assert_eq!(world.past_customer("email:1", 0), world.customer("user_id:jane"));
}

#[test]
fn contacts_that_an_operator_merges_are_not_retired() {
    let emails = [1, 2, 3, 4, 5, 6].map(|email| format!("merge user_id:jane email:{email}"));
    let mut world = story(&emails.each_ref().map(String::as_str))
        .ends_in(&["user_id:jane email:1 email:2 email:3 email:4 email:5 email:6"]);
    world.record("user_id:jane anonymous_id:new");
    world.record("user_id:jane email:7");
    world.expect_customers(&["user_id:jane email:1 email:2 email:3 email:4 email:5 email:6 email:7 anonymous_id:new"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn a_device_that_names_a_fourth_address_is_a_kiosk_and_not_full() {
    let emails = [1, 2, 3, 4].map(|email| format!("anonymous_id:web email:{email}"));
    let world = story(&emails.each_ref().map(String::as_str))
        .ends_in(&["email:1 | email:2 | email:3 | email:4 | anonymous_id:web"]);
    assert_eq!(conflicts(&world), [SHARED_BY_LINKS]);
}
