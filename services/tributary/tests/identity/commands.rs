//! What an operator types, what is printed, and that `identity_map` follows.

use serde_json::Value;
use std::collections::BTreeSet;

use crate::people::seen;
use crate::support::{Space, both, output_of};

/// A shop with a resolver and three people: Jane under two user ids, who share her address, and a stranger.
fn shop() -> Space {
    let mut space = Space::new("");
    space.start_resolver();
    seen(&space, &[("user_id", "41"), ("email", "jane@example.com")]);
    seen(&space, &[("anonymous_id", "c7"), ("email", "jane@example.com")]);
    seen(&space, &[("user_id", "42"), ("anonymous_id", "c9")]);
    seen(&space, &[("user_id", "42"), ("email", "jane@example.com")]);
    space
}

/// `tributary identity …`
fn identity(space: &Space, args: &[&str]) -> String {
    output_of(space.run().arg("identity").args(args))
}

/// `tributary identity … --json`
fn json(space: &Space, args: &[&str]) -> Value {
    serde_json::from_str(&identity(space, &[args, &["--json"]].concat())).unwrap()
}

/// Where the log stands and what the map's fingerprint is.
fn state(space: &Space) -> (i64, String) {
    let answer = json(space, &["fingerprint"]);
    (answer["log_offset"].as_i64().unwrap(), answer["fingerprint"].as_str().unwrap().to_owned())
}

/// An operator's command that must change something.
fn tell(space: &Space, args: &[&str]) -> Value {
    let answer = json(space, &[args, &["--note", "test: because"]].concat());
    assert_eq!(answer["dry_run"], false);
    assert_eq!(answer["log_offset"].as_i64().unwrap(), state(space).0, "{answer}");
    space.settle();
    assert_map_equals_graph(space);
    answer
}

/// Every key with its customer: what a replay of the log says is what `identity_map` says.
#[track_caller]
fn assert_map_equals_graph(space: &Space) {
    let exported = identity(space, &["export", "--format", "tsv"]);
    let two = |line: &str| line.split('\t').take(2).map(str::to_owned).collect::<Vec<_>>();
    let graph: BTreeSet<Vec<String>> = exported.lines().skip(1).map(two).collect();
    let rows = space.query("SELECT identity_key, customer_id FROM identity_map FINAL");
    let map: BTreeSet<Vec<String>> = rows.into_iter().collect();
    assert_eq!(graph, map);
}

fn customer(space: &Space, identifier: &str) -> String {
    json(space, &["show", identifier])["customer_id"].as_str().unwrap().to_owned()
}

fn count(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn merge_unlink_allow_erase() {
    let space = shop();
    assert_map_equals_graph(&space);
    assert_ne!(customer(&space, "user_id:41"), customer(&space, "user_id:42"));

    let before = state(&space);
    let tried = json(&space, &["merge", "user_id:41", "user_id:42", "--dry-run"]);
    assert_eq!(tried["dry_run"], true);
    assert_eq!((count(&tried["before"]), count(&tried["after"])), (2, 1), "{tried}");
    assert_eq!(state(&space), before, "a dry run writes nothing");

    let merged = tell(&space, &["merge", "user_id:41", "user_id:42"]);
    assert_eq!((&merged["before"], &merged["after"]), (&tried["before"], &tried["after"]), "as the dry run said");
    assert_eq!(customer(&space, "user_id:41"), customer(&space, "user_id:42"));
    let why = json(&space, &["show", "anonymous_id:c9", "--and", "anonymous_id:c7"]);
    let path: Vec<&str> = why["path"].as_array().unwrap().iter().map(|edge| edge["class"].as_str().unwrap()).collect();
    assert!(path.contains(&"forced") || path.len() == 3, "{why}");
    let told = &json(&space, &["show", "user_id:42"])["told"];
    assert_eq!((&told[0]["command"], &told[0]["note"]), (&"merge".into(), &"test: because".into()), "{told}");

    tell(&space, &["unlink", "user_id:41", "user_id:42"]);
    assert_ne!(customer(&space, "user_id:41"), customer(&space, "user_id:42"));
    let shown = json(&space, &["show", "user_id:41"]);
    assert_eq!(shown["vetoes"][0]["value"].as_str(), None, "raw values that nobody typed are not known");
    assert_eq!(shown["vetoes"][0]["type"], "user_id");

    let allowed = tell(&space, &["allow", "user_id:41", "user_id:42"]);
    assert!(allowed["identifiers"].to_string().contains("may be with"), "{allowed}");
    assert_eq!(json(&space, &["show", "user_id:41"])["vetoes"], Value::Array(vec![]));

    let id = customer(&space, "user_id:42");
    tell(&space, &["erase", "user_id:42", "--yes"]);
    let erased = json(&space, &["show", "user_id:42"]);
    assert_ne!(erased["customer_id"].as_str().unwrap(), id, "whoever returns is somebody new");
    assert!(erased["erased_at_ms"].is_i64() && count(&erased["generations"]) == 2, "{erased}");
    seen(&space, &[("user_id", "42"), ("anonymous_id", "c10")]);
    assert_map_equals_graph(&space);
    assert_eq!(customer(&space, "user_id:42"), customer(&space, "anonymous_id:c10"));
    assert_ne!(customer(&space, "user_id:42"), id);
    let commands =
        space.query("SELECT command, note FROM identity_commands FINAL WHERE command != 'rules' ORDER BY log_offset");
    let commands: Vec<&str> = commands.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(commands, ["merge", "unlink", "allow", "erase"]);
}

#[test]
fn share_unshare_split() {
    let space = shop();
    let jane = customer(&space, "anonymous_id:c7");
    let shared = tell(&space, &["share", "email:jane@example.com"]);
    assert!(shared["identifiers"].to_string().contains("shared from here on"), "{shared}");
    assert_ne!(customer(&space, "anonymous_id:c7"), customer(&space, "user_id:41"), "it had joined them");
    assert_eq!(json(&space, &["show", "email:jane@example.com"])["shared"], true);
    tell(&space, &["unshare", "email:jane@example.com"]);
    seen(&space, &[("anonymous_id", "c7"), ("email", "jane@example.com")]);
    assert_eq!(customer(&space, "anonymous_id:c7"), customer(&space, "email:jane@example.com"));
    assert_map_equals_graph(&space);

    let split = tell(&space, &["split", "anonymous_id:c7", "--yes"]);
    assert!(count(&split["after"]) >= 2, "{split}");
    assert_ne!(customer(&space, "anonymous_id:c7"), customer(&space, "email:jane@example.com"));
    assert!(!jane.is_empty());

    // Nobody to ask, and nobody said yes.
    let output = space.run().args(["identity", "split", "user_id:42", "--note", "x"]).output().unwrap();
    assert!(!output.status.success() && both(&output).contains("--yes"), "{}", both(&output));
    let nothing = identity(&space, &["share", "email:jane@example.com", "--dry-run"]);
    assert!(nothing.contains("dry run: nothing was written"), "{nothing}");
}

#[test]
fn what_is_typed_is_all_that_is_known() {
    let space = shop();
    let said = identity(&space, &["show", "email: Jane@Example.com "]);
    assert!(said.contains("email  Jane@Example.com") || said.contains("email Jane@Example.com"), "{said}");
    assert!(
        said.contains("page-") && said.contains("user_id") && said.contains("account_conflict")
            || said.contains("max_per_customer"),
        "{said}"
    );
    let key = json(&space, &["show", "email:jane@example.com"])["identifier"]["key"].as_str().unwrap().to_owned();
    let by_key = identity(&space, &["show", &format!("key:{key}")]);
    assert!(!by_key.to_lowercase().contains("jane"), "{by_key}");
    let dot = identity(&space, &["show", "user_id:41", "--dot"]);
    assert!(
        dot.starts_with("graph customer {") && dot.contains("style=dotted") && dot.trim_end().ends_with('}'),
        "{dot}"
    );
    let id = customer(&space, "user_id:41");
    assert!(identity(&space, &["customer", &id]).contains(&id));

    // Without ClickHouse an explanation has offsets only.
    let mut command = space.run();
    let away = output_of(command.env("CLICKHOUSE_URL", "http://127.0.0.1:9").args(["identity", "show", "user_id:41"]));
    assert!(away.contains("log offset") && away.contains("not named") && !away.contains("page-"), "{away}");

    for (args, expected) in [
        (vec!["show", "email:guest"], "identifies nobody"),
        (vec!["show", "shoe_size:42"], "no identifier type `shoe_size`"),
        (vec!["show", "key:00000000-0000-0000-0000-00000000beef"], "the graph knows no key"),
        (vec!["merge", "user_id:41", "user_id:41", "--note", "x"], "the same identifier"),
        (vec!["merge", "user_id:41", "user_id:42", "--note", "is bob@example.com"], "the note names a person"),
    ] {
        let output = space.run().arg("identity").args(&args).output().unwrap();
        assert!(!output.status.success() && both(&output).contains(expected), "{args:?}: {}", both(&output));
    }
}

/// A key copied from a stored row may be somebody else's past: an erasure by it would forget the wrong one.
#[test]
fn a_closed_generation_is_not_mistaken_for_its_identifier() {
    let space = shop();
    seen(&space, &[("user_id", "51"), ("anonymous_id", "tablet")]);
    seen(&space, &[("user_id", "52"), ("anonymous_id", "tablet")]);
    let shown = json(&space, &["show", "anonymous_id:tablet"]);
    let key = shown["generations"][0]["identity_key"].as_str().unwrap();
    let output =
        space.run().args(["identity", "erase", &format!("key:{key}"), "--yes", "--note", "x"]).output().unwrap();
    let said = both(&output);
    assert!(!output.status.success() && said.contains("which is closed"), "{said}");
    assert!(said.contains(&customer(&space, "user_id:51")), "{said}");
    identity(&space, &["erase", "anonymous_id:tablet", "--dry-run"]);
}

/// The shape that scripts read.
#[test]
fn json_stays_as_it_is() {
    let space = shop();
    let mut shown = json(&space, &["show", "email:jane@example.com"]);
    blank(&mut shown);
    insta::assert_snapshot!("show", serde_json::to_string_pretty(&shown).unwrap());
    let mut merged = json(&space, &["merge", "user_id:41", "user_id:42", "--dry-run"]);
    blank(&mut merged);
    insta::assert_snapshot!("merge", serde_json::to_string_pretty(&merged).unwrap());
}

/// Takes out what is another one in every run.
fn blank(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), &value) {
                    ("event_id" | "event_time" | "logged_at", _) => *value = "…".into(),
                    _ => blank(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(blank),
        _ => {}
    }
}

#[test]
fn rules_are_shown_compared_and_replaced() {
    let mut space = shop();
    let shown = identity(&space, &["rules", "show"]);
    assert!(shown.contains("[[identity.types]]") && shown.contains("name = \"user_id\""), "{shown}");
    assert!(identity(&space, &["rules", "check"]).contains("are those in force"));
    let path = space.path("tributary.toml");
    let old = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{old}\n[identity]\nmax_identifiers = 300\nblocked_values = [\"c7\"]\n")).unwrap();
    let output = space.run().args(["identity", "rules", "check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(both(&output).contains("rules.max_identifiers: here 300, in the log 500"), "{}", both(&output));

    // A resolver under other rules refuses to start, and says which.
    space.start_resolver();
    space.await_death();
    let log = std::fs::read_to_string(space.path("resolver.log")).unwrap();
    assert!(log.contains("rules.max_identifiers: here 300, in the log 500"), "{log}");

    let before = state(&space);
    let tried = json(&space, &["rules", "apply", "--dry-run"]);
    assert!(count(&tried["after"]) > 0, "a visitor's id is blocked from now on: {tried}");
    assert_eq!(state(&space), before);
    std::fs::write(&path, &old).unwrap();
    space.start_resolver();
    space.settle();
    std::fs::write(&path, format!("{old}\n[identity]\nmax_identifiers = 300\nblocked_values = [\"c7\"]\n")).unwrap();
    let applied = json(&space, &["rules", "apply", "--yes"]);
    assert_eq!(applied["after"], tried["after"]);
    // The running resolver switched: it writes what the new rules say.
    space.settle();
    assert_map_equals_graph(&space);
    assert_eq!(space.query("SELECT count() FROM identity_commands FINAL WHERE command = 'rules'")[0][0], "2");
    // And the next one starts with the new configuration.
    space.start_resolver();
    space.settle();
    seen(&space, &[("user_id", "77"), ("anonymous_id", "c77")]);
    assert_map_equals_graph(&space);
}
