//! Logs that once went wrong, as small as they could be made: messages of links, one a line, as `a-b c-d`.

use super::knobs::Knobs;
use super::oracle::World;
use identity::Rules;

fn check(rules: Rules, messages: &[&str]) {
    let mut world = World::new(rules);
    for message in messages {
        let pairs = message.split_whitespace().map(|pair| pair.split_once('-').unwrap());
        let edges: Vec<_> = pairs.map(|(a, b)| (world.id(a), world.id(b))).collect();
        world.apply(&edges);
        world.check().unwrap();
    }
}

#[test]
fn a_card_that_two_bridges_lead_to() {
    check(
        Knobs::crowded().rules(),
        &[
            "anonymous_id:2-loyalty_id:3 email:3-loyalty_id:0",
            "user_id:2-email:0",
            "email:0-email:1",
            "email:2-loyalty_id:3",
            "anonymous_id:2-email:0 email:0-loyalty_id:1",
        ],
    );
}

#[test]
fn an_email_that_loses_its_place_to_a_user() {
    check(
        Knobs::crowded().rules(),
        &[
            "email:8-loyalty_id:8",
            "email:5-anonymous_id:3 email:2-user_id:6",
            "email:5-loyalty_id:8",
            "email:0-user_id:0",
            "anonymous_id:9-email:7",
            "anonymous_id:3-anonymous_id:6",
            "user_id:1-email:5 anonymous_id:9-anonymous_id:3",
            "email:7-user_id:2",
        ],
    );
}

#[test]
fn a_device_that_a_user_and_two_phones_name() {
    check(
        Knobs::crowded().rules(),
        &[
            "anonymous_id:4-anonymous_id:0",
            "user_id:0-anonymous_id:2",
            "user_id:1-phone:3 phone:0-anonymous_id:0",
            "anonymous_id:4-phone:1 user_id:1-anonymous_id:4",
            "phone:5-phone:0",
            "user_id:2-phone:5",
        ],
    );
}
