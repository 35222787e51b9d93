//! RudderStack's id stitching, Snowplow's identifiers, mParticle's profile conversion, Mixpanel's simplified merge.

use super::story::{SHARED_BY_USERS, conflicts, story};

#[test]
fn rudderstack_amy_seven_ids_and_two_anonymous_views() {
    let story = story(&[
        "anonymous_id:web-1",
        "anonymous_id:web-2",
        "anonymous_id:web-1 email:amy@home",
        "anonymous_id:web-2 user_id:amy",
        "user_id:amy email:amy@work",
        "user_id:amy phone:0151",
        "device_id:ios email:amy@work",
        "email:amy@home user_id:amy",
    ]);
    let amy =
        "anonymous_id:web-1 anonymous_id:web-2 email:amy@home user_id:amy email:amy@work phone:0151 device_id:ios";
    let world = story.ends_in(&[amy]);
    assert_eq!(conflicts(&world), []);
    let views = |name| world.past_customer(name, 0);
    assert_eq!([views("anonymous_id:web-1"), views("anonymous_id:web-2")], [world.customer("user_id:amy"); 2]);
}

#[test]
fn snowplow_merges_keep_the_older_id() {
    let story =
        story(&["anonymous_id:4b0dfa user_id:alice", "anonymous_id:6d920c", "anonymous_id:6d920c user_id:alice"]);
    let world = story.ends_in(&["anonymous_id:4b0dfa user_id:alice anonymous_id:6d920c"]);
    let alice = world.id("user_id:alice").key;
    assert_eq!(story.in_all_orders(|world| world.customer("anonymous_id:6d920c")), [alice].into());
}

#[test]
fn snowplow_unique_identifiers() {
    let mut world = story(&[
        "anonymous_id:4b0dfa user_id:alice",
        "anonymous_id:6d920c",
        "anonymous_id:6d920c user_id:alice",
        "anonymous_id:6d920c user_id:bob",
        "anonymous_id:6d920c",
    ])
    .ends_in(&["user_id:alice anonymous_id:4b0dfa | user_id:bob | anonymous_id:6d920c"]);
    assert_eq!(conflicts(&world), [SHARED_BY_USERS]);
    let device = world.record("anonymous_id:6d920c").customer_id;
    assert_eq!(world.record("anonymous_id:6d920c").customer_id, device, "a stable device id");
    assert_eq!(world.customer("user_id:alice"), world.id("user_id:alice").key);
    assert_eq!(world.past_customer("anonymous_id:6d920c", 0), world.customer("user_id:alice"));
}

#[test]
fn mparticle_profile_conversion() {
    let world = story(&[
        "device_id:phone",
        "device_id:phone user_id:c1 email:old",
        "user_id:c1 email:new",
        "device_id:tablet user_id:c1",
    ])
    .ends_in(&["device_id:phone user_id:c1 email:old email:new device_id:tablet"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn mixpanel_simplified_one_person() {
    story(&["anonymous_id:d1", "anonymous_id:d1 user_id:u1", "anonymous_id:d2", "anonymous_id:d2 user_id:u1"])
        .ends_in(&["anonymous_id:d1 anonymous_id:d2 user_id:u1"]);
}

#[test]
fn mixpanel_simplified_two_people() {
    story(&["anonymous_id:d1", "anonymous_id:d1 user_id:u1", "anonymous_id:d2", "anonymous_id:d2 user_id:u2"])
        .ends_in(&["anonymous_id:d1 user_id:u1 | anonymous_id:d2 user_id:u2"]);
}
