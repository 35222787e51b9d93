//! Adobe: graph linking rules, the guest who is known by his e-mail first.

use super::story::{conflicts, rules_where, story, story_under};
use identity::{ConflictKind, ConflictRule, OnConflict};

const TOM_THEN_SUMMER: [&str; 2] = ["@1 crm_id:tom anonymous_id:111", "@2 crm_id:summer anonymous_id:111"];
const MOVED: (ConflictKind, ConflictRule) = (ConflictKind::Moved, ConflictRule::MaxPerCustomer);

#[test]
fn adobe_linking_rules_leave_three_parts() {
    story(&TOM_THEN_SUMMER).ends_in(&["crm_id:tom | crm_id:summer | anonymous_id:111"]);
}

#[test]
fn adobe_with_move_the_last_known_user_wins() {
    let rules = rules_where("anonymous_id", OnConflict::Move);
    // Also when the older day comes late.
    let mut world = story_under(rules, &TOM_THEN_SUMMER).ends_in(&["crm_id:tom | crm_id:summer anonymous_id:111"]);
    assert_eq!(conflicts(&world), [MOVED]);
    assert_eq!(world.past_customer("anonymous_id:111", 0), world.customer("crm_id:tom"), "the past stays Tom's");
    // The edge that was replaced is gone, so that a return is logged again.
    world.pass_days(3);
    let back = world.record("crm_id:tom anonymous_id:111");
    assert_eq!(
        (back.customer_id, world.customer("anonymous_id:111")),
        (world.customer("crm_id:tom"), back.customer_id)
    );
    assert_eq!(world.past_customer("anonymous_id:111", 1), world.customer("crm_id:summer"));
    assert_eq!(conflicts(&world), [MOVED, MOVED]);
    world.check().unwrap();
}

#[test]
fn adobe_with_move_on_one_day_the_order_decides() {
    let rules = rules_where("anonymous_id", OnConflict::Move);
    story_under(rules, &["@1 crm_id:tom anonymous_id:111", "@1 crm_id:summer anonymous_id:111"])
        .ends_in(&["crm_id:tom | crm_id:summer anonymous_id:111", "crm_id:tom anonymous_id:111 | crm_id:summer"]);
}

#[test]
fn adobe_guest_is_one_in_every_order() {
    let world = story(&["email:tom anonymous_id:111", "email:tom crm_id:tom", "crm_id:tom anonymous_id:111"])
        .ends_in(&["email:tom crm_id:tom anonymous_id:111"]);
    assert_eq!(conflicts(&world), []);
}
