use super::*;
use std::cell::Cell;

const A: Key = Key(10);
const B: Key = Key(11);

fn two_nodes() -> Nodes {
    let nodes = Nodes::new();
    assert_eq!((nodes.add(1, A, 0), nodes.add(2, B, 0)), (0, 1));
    nodes
}

fn customer(nodes: &Nodes, key: Key) -> (Key, u64) {
    let node = nodes.find(key).unwrap();
    let seen = nodes.at_one_epoch(|view| view.seen(node));
    (seen.customer_id, seen.customer_version)
}

fn join(nodes: &Nodes) {
    nodes.set_anchor(0, 1);
    nodes.set_version(1, 5);
}

#[test]
fn a_node_takes_32_bytes() {
    assert_eq!(size_of::<Node>(), 32);
}

#[test]
fn a_message_is_visible_once_it_is_published() {
    let nodes = two_nodes();
    join(&nodes);
    assert_eq!((customer(&nodes, A), customer(&nodes, B)), ((A, 0), (B, 0)));
    assert_eq!((nodes.applied(), nodes.anchor(0), nodes.version(1)), (-1, 1, 5));
    nodes.publish(4);
    assert_eq!((customer(&nodes, A), customer(&nodes, B)), ((B, 5), (B, 5)));
    assert_eq!((nodes.applied(), nodes.anchor(0), nodes.version(1)), (4, 1, 5));
    assert_eq!((nodes.kind(0), nodes.kind(1)), (1, 2));
}

#[test]
fn a_word_that_changes_twice_keeps_what_was_published() {
    let nodes = two_nodes();
    join(&nodes);
    nodes.set_version(1, 6);
    assert_eq!(customer(&nodes, B), (B, 0));
    nodes.publish(5);
    assert_eq!(customer(&nodes, B), (B, 6));
}

#[test]
fn a_question_during_which_a_message_is_published_is_asked_again() {
    let nodes = two_nodes();
    join(&nodes);
    let asked = Cell::new(0);
    let answers = nodes.at_one_epoch(|view| {
        let first = view.seen(0);
        asked.set(asked.get() + 1);
        if asked.get() == 1 {
            nodes.publish(4);
        }
        (first.customer_id, view.seen(0).customer_id)
    });
    assert_eq!((answers, asked.get()), ((B, B), 2));
}

#[test]
fn generations_are_found_from_any_of_them() {
    let nodes = two_nodes();
    let second = nodes.add_generation(0, Key(12));
    let third = nodes.add_generation(second, Key(13));
    assert_eq!((nodes.generation(third), nodes.kind(third)), (2, 1));
    assert_eq!((nodes.first_generation(third), nodes.current_generation(0)), (0, third));
    assert_eq!(nodes.generations(0).as_slice(), [0, second, third]);
    assert_eq!((nodes.current_generation(1), nodes.first_generation(1)), (1, 1));
}

#[test]
fn a_summary_comes_back_as_it_was() {
    let summary = Summary { types: (1 << Summary::TYPES) - 1, size: 126, special: true };
    assert_eq!(Summary::unpack(summary.pack()), summary);
    assert_eq!(Summary::unpack(Summary { size: 500, ..summary }.pack()).size, Summary::MANY);
}
