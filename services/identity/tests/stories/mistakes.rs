//! Everyday: typing errors, guests who register, and what operators mend.

use super::story::{TOO_MANY, conflicts, story};

#[test]
fn a_typo_that_is_corrected_stays_the_same_customer() {
    let world = story(&["anonymous_id:a email:jnae", "anonymous_id:a email:jane", "user_id:jane email:jane"])
        .ends_in(&["anonymous_id:a email:jnae email:jane user_id:jane"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn a_typo_that_is_a_strangers_address_does_not_swallow_the_stranger() {
    let world = story(&["user_id:jane email:joe", "user_id:jane email:jane", "user_id:joe email:joe"]).ends_in(&[
        "user_id:jane email:jane email:joe | user_id:joe",
        "user_id:jane email:jane | user_id:joe email:joe",
    ]);
    assert_eq!(conflicts(&world), [TOO_MANY]);
}

#[test]
fn an_operator_gives_a_mistyped_address_back_whenever_it_is_seen() {
    story(&[
        "user_id:jane email:joe",
        "user_id:jane email:jane",
        "user_id:joe email:joe",
        "unlink user_id:jane email:joe",
    ])
    .ends_in(&["user_id:jane email:jane | user_id:joe email:joe"]);
}

#[test]
fn a_guest_who_registers_stays_the_same_customer() {
    let steps = ["anonymous_id:a email:jane", "transaction_id:t1", "user_id:jane email:jane anonymous_id:a"];
    let world = story(&steps).ends_in(&["anonymous_id:a email:jane user_id:jane | transaction_id:t1"]);
    assert_eq!(world.customer("user_id:jane"), world.id("email:jane").key, "the older customer gives the id");
    assert_eq!(conflicts(&world), []);
}

#[test]
fn an_operator_shares_what_a_rule_cannot_see() {
    let steps = ["user_id:jane phone:office", "anonymous_id:web phone:office", "share phone:office"];
    let mut world = story(&steps).ends_in(&["user_id:jane | anonymous_id:web | phone:office"]);
    assert_eq!(conflicts(&world), []);
    world.record("user_id:jane phone:office");
    world.expect_customers(&["user_id:jane", "phone:office"]);
    world.unshare("phone:office");
    world.record("user_id:jane phone:office");
    world.expect_customers(&["user_id:jane phone:office"]);
}

#[test]
fn a_split_customer_grows_together_as_it_is_seen_again() {
    let mut world = story(&["user_id:jane email:jane anonymous_id:a", "split anonymous_id:a"]).as_documented();
    world.expect_customers(&["user_id:jane", "email:jane", "anonymous_id:a"]);
    world.record("user_id:jane email:jane");
    world.expect_customers(&["user_id:jane email:jane", "anonymous_id:a"]);
}
