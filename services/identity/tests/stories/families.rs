//! Everyday: people who share things.

use super::story::{OTHER_CARD, SHARED_BY_LINKS, SHARED_BY_USERS, TOO_MANY, conflicts, story};

#[test]
fn a_family_email_stays_with_whom_it_had_first() {
    let mut world =
        story(&["user_id:mum email:family", "user_id:dad email:family", "user_id:dad email:dad"]).ends_in(&[
            "user_id:mum email:family | user_id:dad email:dad",
            "user_id:mum | user_id:dad email:dad email:family",
        ]);
    world.record("user_id:dad email:family");
    assert_eq!(conflicts(&world), [TOO_MANY], "a repeated refusal is no news");
}

#[test]
fn a_family_phone_at_the_till_does_not_join_two_cards() {
    let world = story(&["loyalty_id:mum phone:home", "loyalty_id:dad phone:home"])
        .ends_in(&["loyalty_id:mum phone:home | loyalty_id:dad", "loyalty_id:mum | loyalty_id:dad phone:home"]);
    assert_eq!(conflicts(&world), [OTHER_CARD]);
}

#[test]
fn a_family_phone_heals_when_the_shop_merges_the_cards() {
    let world = story(&["loyalty_id:1 phone:home", "loyalty_id:2 phone:home", "loyalty_id:1 loyalty_id:2"])
        .ends_in(&["loyalty_id:1 loyalty_id:2 phone:home"]);
    assert_eq!(world.graph.stats().edges_dormant, 0);
}

#[test]
fn a_recycled_phone_stays_with_its_first_owner() {
    let world = story(&["user_id:old phone:0151", "user_id:new phone:0151 email:new"])
        .ends_in(&["user_id:old phone:0151 | user_id:new email:new", "user_id:old | user_id:new phone:0151 email:new"]);
    assert_eq!(conflicts(&world), [TOO_MANY]);
}

#[test]
fn an_operator_gives_a_recycled_phone_to_its_new_owner() {
    let steps = ["user_id:old phone:0151", "user_id:new phone:0151 email:new", "unlink user_id:old phone:0151"];
    let world = story(&steps).ends_in(&["user_id:old | user_id:new phone:0151 email:new"]);
    assert_eq!(world.graph.stats().edges_dormant, 0, "the refused link has healed");
}

#[test]
fn one_login_on_the_spouses_laptop_takes_no_past_away() {
    let story = story(&[
        "user_id:mum anonymous_id:laptop",
        "user_id:mum anonymous_id:phone",
        "user_id:dad anonymous_id:pad",
        "user_id:dad anonymous_id:laptop",
    ]);
    let world = story.ends_in(&["user_id:mum anonymous_id:phone | user_id:dad anonymous_id:pad | anonymous_id:laptop"]);
    assert_eq!(conflicts(&world), [SHARED_BY_USERS]);
    assert_eq!(world.past_customer("anonymous_id:laptop", 0), world.customer("user_id:mum"));
}

#[test]
fn the_past_follows_its_owner_through_merge_split_and_unlink() {
    let mut world = story(&["user_id:mum anonymous_id:laptop", "user_id:dad anonymous_id:laptop"]).as_documented();
    let past = |world: &super::oracle::World| world.past_customer("anonymous_id:laptop", 0);
    world.record("user_id:mum email:mum");
    world.merge("email:mum", "crm_id:77");
    assert_eq!(past(&world), world.customer("crm_id:77"));
    world.split("user_id:mum");
    world.expect_customers(&["user_id:mum", "email:mum", "crm_id:77"]);
    assert_eq!(past(&world), world.customer("user_id:mum"));
    // Whoever says that the laptop never was hers parts the past too.
    world.unlink("user_id:mum", "anonymous_id:laptop");
    assert_eq!(past(&world), world.id("anonymous_id:laptop").key);
    world.check().unwrap();
}

#[test]
fn a_kiosk_with_six_emails_is_shared_at_the_fourth() {
    let visitors = [1, 2, 3, 4, 5, 6].map(|visitor| format!("email:{visitor} device_id:kiosk"));
    let world = story(&visitors.each_ref().map(String::as_str))
        .ends_in(&["email:1 | email:2 | email:3 | email:4 | email:5 | email:6 | device_id:kiosk"]);
    assert_eq!(conflicts(&world), [SHARED_BY_LINKS]);
    assert_eq!(world.past_customer("device_id:kiosk", 0), world.customer("email:1"));
}

#[test]
fn direct_evidence_beats_a_chance_bridge() {
    // A visitor on Jane's laptop gives his address; only later does the address turn out to be Joe's.
    let world = story(&["user_id:jane anonymous_id:laptop", "anonymous_id:laptop email:joe", "user_id:joe email:joe"])
        .ends_in(&["user_id:jane | user_id:joe email:joe | anonymous_id:laptop"]);
    assert_eq!(conflicts(&world), [SHARED_BY_USERS]);
}
