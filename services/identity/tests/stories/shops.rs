//! Everyday: tills, cards, switchboards, mailboxes of many, agents.

use super::oracle::World;
use super::story::{SHARED_BY_CARDS, SHARED_BY_LINKS, TOO_MANY, conflicts, raw, story};
use identity::Rules;
use schemas::RawIdentifier;

#[test]
fn a_till_with_five_cards_is_shared() {
    let cards = [1, 2, 3, 4, 5].map(|card| format!("loyalty_id:{card} device_id:till"));
    let world = story(&cards.each_ref().map(String::as_str))
        .ends_in(&["loyalty_id:1 | loyalty_id:2 | loyalty_id:3 | loyalty_id:4 | loyalty_id:5 | device_id:till"]);
    assert_eq!(conflicts(&world), [SHARED_BY_CARDS]);
}

#[test]
fn cards_that_the_shop_merges_are_one_customer() {
    let world = story(&["loyalty_id:old email:jane", "loyalty_id:new phone:0151", "loyalty_id:old loyalty_id:new"])
        .ends_in(&["loyalty_id:old email:jane loyalty_id:new phone:0151"]);
    assert_eq!(conflicts(&world), []);
}

#[test]
fn a_switchboard_is_shared_at_the_fourth_caller() {
    let leads = [1, 2, 3, 4, 5].map(|lead| format!("crm_id:{lead} phone:switchboard"));
    let world = story(&leads.each_ref().map(String::as_str))
        .ends_in(&["crm_id:1 | crm_id:2 | crm_id:3 | crm_id:4 | crm_id:5 | phone:switchboard"]);
    assert_eq!(conflicts(&world), [TOO_MANY, TOO_MANY, SHARED_BY_LINKS]);
}

/// Records of raw values in every order; how many customers there are of those that were linked, and how many links.
fn linked(rules: &Rules, records: &[Vec<RawIdentifier>]) -> (usize, usize) {
    let mut outcomes = Vec::new();
    for first in 0..records.len() {
        let mut world = World::new(rules.clone());
        for step in 0..records.len() {
            world.record_raw(&records[(first + step) % records.len()]);
        }
        world.check().unwrap();
        outcomes.push((world.oracle.groups().len(), world.oracle.edges.len()));
    }
    outcomes.dedup();
    assert_eq!(outcomes.len(), 1, "the order matters: {outcomes:?}");
    outcomes[0]
}

#[test]
fn info_at_a_company_joins_nobody_from_the_start() {
    let leads = [1, 2, 3].map(|lead| {
        vec![raw("crm_id", &format!("lead-{lead}")), raw("email", "info@bakery.example"), raw("phone", &phone(lead))]
    });
    assert_eq!(linked(&Rules::default(), &leads), (3, 3), "each lead and its own phone");
}

fn phone(last: u8) -> String {
    format!("+4915112345{last:03}")
}

#[test]
fn a_mailbox_of_many_that_nobody_listed_is_shared_at_the_fourth() {
    let leads = [1, 2, 3, 4, 5].map(|lead| format!("crm_id:{lead} email:pastry-team@"));
    let world = story(&leads.each_ref().map(String::as_str))
        .ends_in(&["crm_id:1 | crm_id:2 | crm_id:3 | crm_id:4 | crm_id:5 | email:pastry-team@"]);
    assert_eq!(conflicts(&world), [TOO_MANY, TOO_MANY, SHARED_BY_LINKS]);
}

#[test]
fn an_agents_own_address_joins_no_customers() {
    let rules = Rules { own_domains: vec!["ourshop.test".into()], own_phones: vec![phone(99)], ..Rules::default() };
    let agent = || [raw("email", "agent7@ourshop.test"), raw("phone", &phone(99))];
    let tickets = [1, 2, 3].map(|customer| {
        let mut ticket =
            vec![raw("user_id", &format!("c-{customer}")), raw("anonymous_id", &format!("web-{customer}"))];
        ticket.extend(agent());
        ticket
    });
    assert_eq!(linked(&rules, &tickets), (3, 3), "each customer and his own device");
}

#[test]
fn an_agent_who_logs_in_for_customers_lends_them_her_device_only() {
    let world = story(&[
        "user_id:agent device_id:desk",
        "user_id:joe device_id:desk",
        "user_id:joe email:joe",
        "user_id:ann device_id:desk",
        "user_id:ann email:ann",
    ])
    .ends_in(&["user_id:agent | device_id:desk | user_id:joe email:joe | user_id:ann email:ann"]);
    assert_eq!(conflicts(&world), [super::story::SHARED_BY_USERS]);
}

#[test]
fn user_id_0_is_nobody() {
    let visits = ["a", "b", "c"].map(|visitor| {
        let email = format!("{visitor}@doe.example");
        vec![raw("user_id", "0"), raw("email", &email), raw("anonymous_id", visitor)]
    });
    assert_eq!(linked(&Rules::default(), &visits), (3, 3), "each visitor and his own address");
}
