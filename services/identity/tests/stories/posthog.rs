//! PostHog: identify, alias and `$merge_dangerously`, illegal ids.

use super::oracle::World;
use super::story::{SHARED_BY_USERS, TOO_MANY, VETOED, conflicts, customers, happen, raw, story};
use identity::{Hasher, Rules};

#[test]
fn posthog_identify_two_people_on_one_device() {
    let story = story(&["anonymous_id:anon", "anonymous_id:anon user_id:one", "anonymous_id:anon user_id:two"]);
    let mut world = story.ends_in(&["user_id:one | user_id:two | anonymous_id:anon"]);
    assert_eq!(conflicts(&world), [SHARED_BY_USERS]);
    let anon = world.id("anonymous_id:anon").key;
    assert!(world.graph.resolve(anon).shared);
    // What was recorded before stays where it was.
    assert_eq!(world.past_customer("anonymous_id:anon", 0), world.customer("user_id:one"));
    // From now on the device says nothing about who acts, and logging in again changes nothing.
    let two = world.record("anonymous_id:anon user_id:two");
    assert_eq!(two.customer_id, world.id("user_id:two").key);
    world.record("anonymous_id:anon user_id:one");
    let later = world.record("anonymous_id:anon");
    assert_eq!((later.identity_key, later.generation), (world.graph.resolve(anon).identity_key, 1));
    world.expect_customers(&["user_id:one", "user_id:two"]);
    assert_eq!(conflicts(&world), [SHARED_BY_USERS]);
    // The past goes to whoever was seen on it first.
    let owners = story.in_all_orders(|world| world.past_customer("anonymous_id:anon", 0));
    assert_eq!(owners, ["user_id:one", "user_id:two"].map(|user| world.id(user).key).into());
}

#[test]
fn posthog_alias_of_two_identified_users_is_refused() {
    let story = story(&["user_id:one anonymous_id:a", "user_id:two anonymous_id:b", "user_id:one user_id:two"]);
    let world = story.ends_in(&["user_id:one anonymous_id:a | user_id:two anonymous_id:b"]);
    assert_eq!(conflicts(&world), [TOO_MANY]);
}

#[test]
fn posthog_merge_dangerously_joins_in_every_order() {
    let world = story(&[
        "user_id:one anonymous_id:a",
        "user_id:two anonymous_id:b",
        "user_id:one user_id:two",
        "merge user_id:one user_id:two",
    ])
    .ends_in(&["user_id:one anonymous_id:a user_id:two anonymous_id:b"]);
    assert_eq!(conflicts(&world), [TOO_MANY], "the alias had been refused before");
}

#[test]
fn posthog_merge_dangerously_can_be_taken_back() {
    let steps = [
        "user_id:one anonymous_id:a",
        "user_id:two anonymous_id:b",
        "merge user_id:one user_id:two",
        "unlink user_id:one user_id:two",
    ];
    let apart = "user_id:one anonymous_id:a | user_id:two anonymous_id:b";
    let mut world = story(&steps).ends_in(&[apart]);
    // Neither a login nor a merge undoes it as long as it is not allowed again.
    happen(&mut world, "user_id:one user_id:two");
    happen(&mut world, "merge user_id:one user_id:two");
    world.expect_customers(&["user_id:one anonymous_id:a", "user_id:two anonymous_id:b"]);
    assert_eq!(conflicts(&world), [VETOED]);
    happen(&mut world, "allow user_id:one user_id:two");
    world.expect_customers(&["user_id:one anonymous_id:a user_id:two anonymous_id:b"]);
}

#[test]
fn a_veto_parts_whatever_path_remains() {
    let story = story(&[
        "user_id:one email:e",
        "anonymous_id:a email:e",
        "user_id:one anonymous_id:a",
        "unlink user_id:one anonymous_id:a",
    ]);
    // The stronger evidence keeps the e-mail.
    story.ends_in(&["user_id:one email:e | anonymous_id:a"]);
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
        assert!(hasher.identifiers(&[raw("user_id", value)]).is_empty(), "`{value}` identifies somebody");
    }
    // Visitors who have nothing else in common stay apart, whoever comes first.
    for order in [["a", "b"], ["b", "a"]] {
        let mut world = World::new(Rules::default());
        for (visitor, value) in order.iter().zip(["guest", "distinct_id"]) {
            world.record_raw(&[raw("user_id", value), raw("email", value), raw("anonymous_id", visitor)]);
        }
        assert_eq!(world.oracle.groups().len(), 0, "nothing was linked: {}", customers(&world, &[]));
        world.check().unwrap();
    }
}
