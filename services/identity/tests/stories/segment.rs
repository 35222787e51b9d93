//! Segment: identity-resolution onboarding, the e-commerce example, product limits.

use super::story::{TOO_MANY, conflicts, story};

#[test]
fn segment_onboarding() {
    let story = story(&["user_id:abc123 email:jane", "user_id:abc456 email:jane"]);
    let world =
        story.ends_in(&["email:jane user_id:abc123 | user_id:abc456", "email:jane user_id:abc456 | user_id:abc123"]);
    assert_eq!(conflicts(&world), [TOO_MANY]);
    let rows = story.in_all_orders(|world| world.rows.len());
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), [1], "one conflict row, whoever came first");
}

#[test]
fn segment_ecommerce() {
    let world = story(&[
        "anonymous_id:anon_123 device_id:ios_abc",
        "device_id:ios_abc user_id:abc123def",
        "anonymous_id:anon_456 device_id:and_1a2b",
        "device_id:and_1a2b user_id:abc123def",
        "anonymous_id:anon_789 device_id:and_1a2b",
    ])
    .ends_in(&[
        "anonymous_id:anon_123 anonymous_id:anon_456 anonymous_id:anon_789 device_id:and_1a2b device_id:ios_abc \
        user_id:abc123def",
    ]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn segment_limits_the_101st_merge_is_accepted() {
    let visits: Vec<String> = (0..101).map(|visit| format!("user_id:u anonymous_id:visit-{visit}")).collect();
    let visits: Vec<&str> = visits.iter().map(String::as_str).collect();
    let story = story(&visits);
    let world = story.as_documented();
    assert_eq!(world.graph.members(world.id("user_id:u").key).keys.len(), 102);
    assert_eq!(conflicts(&world), []);
    assert_eq!(story.in_all_orders(|world| (world.oracle.groups().len(), world.rows.len())), [(1, 0)].into());
}
