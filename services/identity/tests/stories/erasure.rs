//! R8: erase then return, and what is uploaded late.

use super::story::{conflicts, story};

#[test]
fn who_returns_after_an_erasure_is_somebody_new() {
    let mut world = story(&["user_id:jane email:jane anonymous_id:a", "erase email:jane"]).as_documented();
    world.expect_customers(&["user_id:jane", "email:jane", "anonymous_id:a"]);
    let before = world.id("user_id:jane").key;
    assert_eq!(world.past_customer("email:jane", 0), world.id("email:jane").key, "the past joins nobody");
    let back = world.record("user_id:jane email:jane");
    world.expect_customers(&["user_id:jane email:jane", "anonymous_id:a"]);
    assert_eq!(back.generation, 1);
    assert_ne!(back.customer_id, before, "a new id");
    assert_eq!(conflicts(&world), []);
}

#[test]
fn a_late_upload_from_before_the_erasure_links_nothing_in_any_order() {
    // What happened on day -1 comes before or after the erasure, or in between what happens on day 9.
    let steps = ["@-1 user_id:jane email:jane", "erase user_id:jane", "@9 user_id:jane anonymous_id:new"];
    story(&steps).ends_in(&[
        "user_id:jane anonymous_id:new | email:jane",
        // An erasure takes all that is known when it comes.
        "user_id:jane | anonymous_id:new | email:jane",
    ]);
    // A tracker that sends again what was erased changes nothing.
    let again = ["@-1 user_id:jane email:jane", "erase user_id:jane", "@-1 user_id:jane email:jane", steps[2]];
    let world = story(&again).as_documented();
    world.expect_customers(&["user_id:jane anonymous_id:new", "email:jane"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn a_late_upload_is_as_good_as_any_other_when_nobody_was_erased() {
    let world =
        story(&["@-30 user_id:jane anonymous_id:a", "@0 user_id:jane anonymous_id:b", "@-60 user_id:jane email:j"])
            .ends_in(&["user_id:jane anonymous_id:a anonymous_id:b email:j"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn the_suppressed_are_refused_altogether() {
    let mut world = story(&["user_id:jane email:jane", "suppress user_id:jane"]).as_documented();
    let back = world.record("user_id:jane email:jane anonymous_id:a");
    world.expect_customers(&["user_id:jane", "email:jane", "anonymous_id:a"]);
    assert_eq!(back.identity_key, world.id("anonymous_id:a").key, "the record stands for its device only");
    world.merge("user_id:jane", "email:jane");
    world.expect_customers(&["user_id:jane", "email:jane"]);
}

#[test]
fn an_erasure_takes_the_past_of_a_shared_device_with_its_owner() {
    let mut world = story(&["user_id:mum anonymous_id:laptop", "user_id:dad anonymous_id:laptop"]).as_documented();
    let before = world.graph.members(world.id("user_id:mum").key).keys.len();
    assert_eq!(before, 2, "her and what she did on the laptop");
    world.erase("user_id:mum", false);
    let laptop = world.id("anonymous_id:laptop").key;
    assert_eq!(world.past_customer("anonymous_id:laptop", 0), laptop);
    assert!(world.graph.resolve(laptop).shared, "the laptop itself is nobody's and stays");
    world.check().unwrap();
}
