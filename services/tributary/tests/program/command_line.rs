//! The program as a user meets it, without any server.

use crate::support::{both, output_of, tributary};

const SHOP: &str = "clientId,page_url,timestamp,event_name,event_data,user_agent\n\
    c1,https://a.example/,2025-03-04T00:00:00Z,page_viewed,,M\n\
    c2,https://a.example/,2025-03-04T00:00:01Z,page_viewed,,M\n";

#[test]
fn unknown_keys_are_named_with_file_line_and_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tributary.toml"), "[kafka]\n\nbroker = \"a:1\"\n").unwrap();
    let output = tributary(folder.path()).args(["config", "check"]).output().unwrap();
    assert!(!output.status.success());
    let said = both(&output);
    assert!(said.contains("tributary.toml, line 3: unknown key `broker`, did you mean `brokers`?"), "{said}");

    let output = tributary(folder.path())
        .env("TRIBUTARY_CONFIG", "/dev/null")
        .env("TRIBUTARY_KAFKA_BROKER", "x")
        .args(["config", "check"])
        .output()
        .unwrap();
    assert!(both(&output).contains("TRIBUTARY_KAFKA_BROKER: unknown key `broker`"), "{}", both(&output));
}

#[test]
fn secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tributary(folder.path());
    command
        .env("TRIBUTARY_CLICKHOUSE_PASSWORD", "hush")
        .env("TRIBUTARY_IDENTITY_SECRET", "hush")
        .args(["config", "show"]);
    let said = output_of(&mut command);
    assert!(!said.contains("hush") && said.contains("identity.secret is set"), "{said}");
}

#[test]
fn a_proposed_mapping_works_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.csv"), SHOP).unwrap();
    let proposed = output_of(tributary(folder.path()).args(["import", "--infer", "shop.csv"]));
    std::fs::write(folder.path().join("mapping.toml"), &proposed).unwrap();
    let said = output_of(tributary(folder.path()).args(["import", "--dry-run", "mapping.toml", "shop.csv"]));
    assert!(said.contains("\"anonymous_id\": \"c1\"") && said.contains("nothing was sent"), "{said}");
    assert!(!folder.path().join("import-rejects.ndjson").exists());
}

#[test]
fn a_server_that_is_away_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tributary(folder.path());
    let output = command.env("CLICKHOUSE_URL", "http://127.0.0.1:9").args(["sql", "SELECT 1"]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("127.0.0.1:9") && said.lines().count() == 1, "{said}");
}

#[test]
fn the_stack_can_be_asked_when_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let said = output_of(tributary(folder.path()).args(["dev", "status"]));
    assert!(said.contains("stopped"), "{said}");
    let said = output_of(tributary(folder.path()).args(["dev", "env"]));
    assert!(said.contains("export KAFKA_BROKERS='127.0.0.1:9092'"), "{said}");
    let output = tributary(folder.path()).args(["dev", "reset"]).output().unwrap();
    assert!(both(&output).contains("--yes"), "{}", both(&output));
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&["config", "show"][..], &["config", "check"], &["dev", "env"], &["dev", "status"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = tributary(folder.path()).args(words).stdout(writer).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {}", both(&output));
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = tributary(folder.path()).args(words).stdout(full).output().unwrap();
        let said = both(&output);
        assert!(
            !output.status.success() && said.contains("No space left") && said.lines().count() == 1,
            "{words:?}: {said}"
        );
    }
}
