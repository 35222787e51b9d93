//! The stories of `design/identity.md` that R1 to R4 decide, in documented order. Each is run against the naive oracle as
//! well.
#![allow(clippy::unwrap_used, reason = "a test")]

mod oracle;

use identity::{ConflictKind, ConflictRule, Hasher, Rules};
use oracle::World;
use schemas::RawIdentifier;

fn world() -> World {
    World::new(Rules::default())
}

/// A world after these records, one a line of identifiers.
fn after(records: &[&str]) -> World {
    let mut world = world();
    for record in records {
        world.record(record);
        world.check().unwrap();
    }
    world
}

fn conflicts(world: &World) -> Vec<(ConflictKind, ConflictRule)> {
    let rows = world.graph.conflicts_in(0..=world.graph.applied());
    rows.iter().map(|row| (row.kind, row.rule)).collect()
}

const REFUSED: (ConflictKind, ConflictRule) = (ConflictKind::Refused, ConflictRule::MaxPerCustomer);
const SHARED: (ConflictKind, ConflictRule) = (ConflictKind::Shared, ConflictRule::MaxPerCustomer);

#[test]
fn segment_onboarding() {
    let world = after(&["user_id:abc123 email:jane", "user_id:abc456 email:jane"]);
    world.expect_customers(&["user_id:abc123 email:jane", "user_id:abc456"]);
    assert_eq!(conflicts(&world), [REFUSED]);
}

#[test]
fn segment_ecommerce() {
    let world = after(&[
        "anonymous_id:anon_123 device_id:ios_abc",
        "device_id:ios_abc user_id:abc123def",
        "anonymous_id:anon_456 device_id:and_1a2b",
        "device_id:and_1a2b user_id:abc123def",
        "anonymous_id:anon_789 device_id:and_1a2b",
    ]);
    world.expect_customers(&["anonymous_id:anon_123 device_id:ios_abc user_id:abc123def anonymous_id:anon_456 \
        device_id:and_1a2b anonymous_id:anon_789"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn segment_limits_the_101st_merge_is_accepted() {
    let mut world = world();
    for visit in 0..101 {
        world.record(&format!("user_id:u anonymous_id:visit-{visit}"));
    }
    assert_eq!(world.graph.members(world.id("user_id:u").key).keys.len(), 102);
    assert_eq!(conflicts(&world), []);
    world.check().unwrap();
}

#[test]
fn posthog_identify_two_people_on_one_device() {
    let mut world = world();
    world.record("anonymous_id:anon");
    world.record("anonymous_id:anon user_id:one");
    let two = world.record("anonymous_id:anon user_id:two");
    world.expect_customers(&["user_id:one", "user_id:two", "anonymous_id:anon"]);
    assert_eq!(two.customer_id, world.id("user_id:two").key);
    assert_eq!(conflicts(&world), [SHARED]);
    assert!(world.graph.resolve(world.id("anonymous_id:anon").key).shared);
    // From now on the device says nothing about who acts, and logging in again changes nothing.
    world.record("anonymous_id:anon user_id:one");
    assert_eq!(world.record("anonymous_id:anon").identity_key, world.id("anonymous_id:anon").key);
    world.expect_customers(&["user_id:one", "user_id:two", "anonymous_id:anon"]);
    assert_eq!(conflicts(&world), [SHARED]);
}

#[test]
fn posthog_alias_of_two_identified_users_is_refused() {
    let world = after(&["user_id:one anonymous_id:a", "user_id:two anonymous_id:b", "user_id:one user_id:two"]);
    world.expect_customers(&["user_id:one anonymous_id:a", "user_id:two anonymous_id:b"]);
    assert_eq!(conflicts(&world), [REFUSED]);
}

#[test]
fn posthog_illegal_ids_are_blocked() {
    let hasher = Hasher::new(b"s", Rules::default()).unwrap();
    let illegal = [
        "anonymous",
        "guest",
        "distinctid",
        "distinct_id",
        "id",
        "not_authenticated",
        "email",
        "undefined",
        "true",
        "false",
        "[object Object]",
        "NaN",
        "None",
        "none",
        "null",
        "0",
        "",
    ];
    for value in illegal {
        let record = [RawIdentifier { kind: "user_id".into(), value: value.into() }];
        assert!(hasher.identifiers(&record).is_empty(), "`{value}` identifies somebody");
    }
}

#[test]
fn rudderstack_amy_seven_ids_and_two_anonymous_views() {
    let mut world = world();
    let first_view = world.record("anonymous_id:web-1");
    let second_view = world.record("anonymous_id:web-2");
    for record in [
        "anonymous_id:web-1 email:amy@home",
        "anonymous_id:web-2 user_id:amy",
        "user_id:amy email:amy@work",
        "user_id:amy phone:0151",
        "device_id:ios email:amy@work",
        "email:amy@home user_id:amy",
    ] {
        world.record(record);
    }
    world.expect_customers(&[
        "anonymous_id:web-1 anonymous_id:web-2 email:amy@home user_id:amy email:amy@work phone:0151 device_id:ios",
    ]);
    let amy = world.customer("user_id:amy");
    for view in [first_view, second_view] {
        assert_eq!(world.graph.resolve(view.identity_key).customer_id, amy);
    }
}

#[test]
fn snowplow_merges_and_unique_identifiers() {
    let mut world = after(&["anonymous_id:4b0dfa user_id:alice", "anonymous_id:6d920c"]);
    let older = world.customer("user_id:alice");
    world.record("anonymous_id:6d920c user_id:alice");
    world.expect_customers(&["anonymous_id:4b0dfa user_id:alice anonymous_id:6d920c"]);
    assert_eq!(world.customer("anonymous_id:6d920c"), older);
    world.record("anonymous_id:6d920c user_id:bob");
    let device = world.record("anonymous_id:6d920c").customer_id;
    world.expect_customers(&["user_id:alice anonymous_id:4b0dfa", "user_id:bob", "anonymous_id:6d920c"]);
    assert_eq!(world.record("anonymous_id:6d920c").customer_id, device);
    assert_eq!(world.customer("user_id:alice"), older);
}

#[test]
fn mparticle_profile_conversion() {
    let world = after(&[
        "device_id:phone",
        "device_id:phone user_id:c1 email:old",
        "user_id:c1 email:new",
        "device_id:tablet user_id:c1",
    ]);
    world.expect_customers(&["device_id:phone user_id:c1 email:old email:new device_id:tablet"]);
}

#[test]
fn mixpanel_simplified() {
    let records = ["anonymous_id:d1", "anonymous_id:d1 user_id:u1", "anonymous_id:d2", "anonymous_id:d2 user_id:u1"];
    after(&records).expect_customers(&["anonymous_id:d1 anonymous_id:d2 user_id:u1"]);
    let records = ["anonymous_id:d1", "anonymous_id:d1 user_id:u1", "anonymous_id:d2", "anonymous_id:d2 user_id:u2"];
    after(&records).expect_customers(&["anonymous_id:d1 user_id:u1", "anonymous_id:d2 user_id:u2"]);
}

#[test]
fn adobe_linking_rules_leave_three_parts() {
    let world = after(&["crm_id:tom anonymous_id:111", "crm_id:summer anonymous_id:111"]);
    world.expect_customers(&["crm_id:tom", "crm_id:summer", "anonymous_id:111"]);
}

#[test]
fn adobe_guest_is_one_in_every_order() {
    let records = ["email:tom anonymous_id:111", "email:tom crm_id:tom", "crm_id:tom anonymous_id:111"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        after(&order.map(|i| records[i])).expect_customers(&["email:tom crm_id:tom anonymous_id:111"]);
    }
}

#[test]
fn a_family_email_stays_with_whom_it_had_first() {
    let world = after(&[
        "user_id:mum email:family",
        "user_id:dad email:family",
        "user_id:dad email:family",
        "user_id:dad email:dad",
    ]);
    world.expect_customers(&["user_id:mum email:family", "user_id:dad email:dad"]);
    assert_eq!(conflicts(&world), [REFUSED], "a repeated refusal is no news");
}

#[test]
fn a_till_with_five_cards_is_shared() {
    let cards = [1, 2, 3, 4, 5].map(|card| format!("loyalty_id:{card} device_id:till"));
    let world = after(&cards.each_ref().map(String::as_str));
    world.expect_customers(&[
        "loyalty_id:1",
        "loyalty_id:2",
        "loyalty_id:3",
        "loyalty_id:4",
        "loyalty_id:5",
        "device_id:till",
    ]);
    assert_eq!(conflicts(&world), [(ConflictKind::Shared, ConflictRule::AccountConflict)]);
}

#[test]
fn a_kiosk_with_six_emails_is_shared_at_the_fourth() {
    let visitors = [1, 2, 3, 4, 5, 6].map(|visitor| format!("email:{visitor} device_id:kiosk"));
    let world = after(&visitors.each_ref().map(String::as_str));
    world.expect_customers(&["email:1", "email:2", "email:3", "email:4", "email:5", "email:6", "device_id:kiosk"]);
    assert_eq!(conflicts(&world), [(ConflictKind::Shared, ConflictRule::MaxLinks)]);
}

#[test]
fn a_switchboard_and_a_mailbox_of_many_are_shared() {
    for contact in ["phone:switchboard", "email:reception@"] {
        let leads = [1, 2, 3, 4, 5].map(|lead| format!("crm_id:{lead} {contact}"));
        let world = after(&leads.each_ref().map(String::as_str));
        world.expect_customers(&["crm_id:1", "crm_id:2", "crm_id:3", "crm_id:4", "crm_id:5", contact]);
        let expected = [REFUSED, REFUSED, (ConflictKind::Shared, ConflictRule::MaxLinks)];
        assert_eq!(conflicts(&world), expected);
    }
}

#[test]
fn a_typo_that_is_corrected_stays_the_same_customer() {
    let world = after(&["anonymous_id:a email:jnae", "anonymous_id:a email:jane", "user_id:jane email:jane"]);
    world.expect_customers(&["anonymous_id:a email:jnae email:jane user_id:jane"]);
}

#[test]
fn a_typo_that_is_a_strangers_address_does_not_swallow_the_stranger() {
    let world = after(&["user_id:jane email:joe", "user_id:jane email:jane", "user_id:joe email:joe"]);
    world.expect_customers(&["user_id:jane email:jane email:joe", "user_id:joe"]);
    assert_eq!(conflicts(&world), [REFUSED]);
}

#[test]
fn cards_that_the_shop_merges_are_one_customer() {
    let world = after(&["loyalty_id:old email:jane", "loyalty_id:new phone:0151", "loyalty_id:old loyalty_id:new"]);
    world.expect_customers(&["loyalty_id:old email:jane loyalty_id:new phone:0151"]);
}

#[test]
fn a_family_phone_at_the_till_does_not_join_two_cards() {
    let world = after(&["loyalty_id:mum phone:home", "loyalty_id:dad phone:home"]);
    world.expect_customers(&["loyalty_id:mum phone:home", "loyalty_id:dad"]);
    assert_eq!(conflicts(&world), [(ConflictKind::Refused, ConflictRule::AccountConflict)]);
}

#[test]
fn refused_cards_heal_when_the_shop_merges_them() {
    let mut world = after(&["loyalty_id:1 phone:home", "loyalty_id:2 phone:home"]);
    assert_eq!(world.graph.stats().edges_dormant, 1);
    world.record("loyalty_id:1 loyalty_id:2");
    world.expect_customers(&["loyalty_id:1 loyalty_id:2 phone:home"]);
    assert_eq!(world.graph.stats().edges_dormant, 0);
}

#[test]
fn a_guest_who_registers_stays_the_same_customer() {
    let mut world = after(&["anonymous_id:a email:jane", "transaction_id:t1"]);
    let guest = world.customer("email:jane");
    world.record("user_id:jane email:jane anonymous_id:a");
    world.expect_customers(&["anonymous_id:a email:jane user_id:jane", "transaction_id:t1"]);
    assert_eq!(world.customer("user_id:jane"), guest, "the older component gives the customer id");
}

#[test]
fn a_recycled_phone_stays_with_its_first_owner() {
    let world = after(&["user_id:old phone:0151", "user_id:new phone:0151 email:new"]);
    world.expect_customers(&["user_id:old phone:0151", "user_id:new email:new"]);
}

#[test]
fn direct_evidence_beats_a_chance_bridge() {
    // A visitor on Jane's laptop gives his address; only later does the address turn out to be Joe's.
    let world = after(&["user_id:jane anonymous_id:laptop", "anonymous_id:laptop email:joe", "user_id:joe email:joe"]);
    world.expect_customers(&["user_id:jane", "user_id:joe email:joe", "anonymous_id:laptop"]);
    assert_eq!(conflicts(&world), [(ConflictKind::Shared, ConflictRule::MaxPerCustomer)]);
}
