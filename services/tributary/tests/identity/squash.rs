//! The squash in a running resolver, killed wherever it can be.

use std::time::{Duration, Instant};

use crate::people::{seen, send};
use crate::support::Space;

const ON: &str = "[squash]\nenabled = true\ninterval_secs = 1\nmax_keys = 2\n";

/// Rows of every raw table whose customer is not the one that the views show.
const STALE: &str = "SELECT sum(stale) FROM (\
     SELECT countIf(customer_id_at_ingestion != customer_id) AS stale FROM resolved_events UNION ALL \
     SELECT countIf(customer_id != dictGetOrDefault(concat(currentDatabase(), '.identity_map_dict'), 'customer_id', \
         tuple(identity_key), identity_key)) FROM touchpoints)";

fn stale(space: &Space) -> u64 {
    space.query(STALE)[0][0].parse().unwrap()
}

#[track_caller]
fn until_squashed(space: &Space) {
    let begun = Instant::now();
    while stale(space) > 0 {
        let log = || std::fs::read_to_string(space.path("resolver.log")).unwrap_or_default();
        assert!(begun.elapsed() < Duration::from_secs(120), "{} rows are stale still\n{}", stale(space), log());
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Visitors of whom nobody knows anything yet, two page views each.
fn visitors(space: &Space, names: &[&str]) {
    let records: Vec<[(&str, &str); 1]> = names.iter().map(|name| [("anonymous_id", *name)]).collect();
    let records: Vec<&[(&str, &str)]> = records.iter().map(<[_; 1]>::as_slice).collect();
    send(space, &records);
    send(space, &records);
    space.settle();
}

#[test]
fn raw_rows_follow_the_views_wherever_the_squash_is_killed() {
    let mut space = Space::new(ON);
    space.start_resolver();
    visitors(&space, &["d1", "d2", "d3", "d4", "d5"]);
    assert_eq!(stale(&space), 0);
    let places =
        ["store.squash.events:1", "store.squash.touchpoints:2", "store.squash.progress:1", "store.squash.progress:3"];
    for (round, place) in places.iter().enumerate() {
        let user = format!("u{round}");
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        visitors(&space, &[&a, &b]);
        space.start_resolver_that_dies_at(place);
        // Each joins what was stored under keys of its own.
        let users: &[(&str, &str)] = &[("user_id", &user)];
        let logins: Vec<Vec<(&str, &str)>> =
            [&a, &b].iter().map(|device| [&[("anonymous_id", device.as_str())], users].concat()).collect();
        send(&space, &logins.iter().map(Vec::as_slice).collect::<Vec<_>>());
        space.await_death();
        space.start_resolver();
        space.settle();
        until_squashed(&space);
    }
    let rows = space.query("SELECT count(), uniqExact(event_id), countIf(customer_version = 0) FROM events");
    assert_eq!(rows[0][..2], ["34", "34"], "no row came or went");
    let held = space.query("SELECT toUInt8(min(holds)) FROM conservation");
    assert_eq!(held[0][0], "1");
}

#[test]
fn without_the_switch_raw_rows_keep_what_was_known() {
    let mut space = Space::new("");
    space.start_resolver();
    visitors(&space, &["d1", "d2"]);
    seen(&space, &[("anonymous_id", "d1"), ("user_id", "u1")]);
    seen(&space, &[("anonymous_id", "d2"), ("user_id", "u1")]);
    assert!(stale(&space) > 0);
    assert_eq!(space.query("SELECT count() FROM squash_progress")[0][0], "0");
}
