//! The README's commands, run as they stand there, on the tests' stack.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Code blocks of the README: (language, text).
fn blocks() -> Vec<(String, String)> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), text.join("\n")));
        }
    }
    blocks
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder that looks like a clone with the data beside it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("clone")).unwrap();
    symlink(root().join("examples"), folder.path().join("clone/examples")).unwrap();
    symlink(root().join("../shared"), folder.path().join("shared")).unwrap();
    folder
}

fn bash(folder: &Path, script: &str) -> Output {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"));
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let binaries = Path::new(env!("CARGO_BIN_EXE_tributary")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["-m", "-c", &format!("set -e\nmake() {{ echo \"make $*\"; }}\n{script}")])
        .current_dir(folder.join("clone"))
        .env("PATH", path)
        .env("KAFKA_BROKERS", variable("TRIBUTARY_TEST_KAFKA"))
        .env("CLICKHOUSE_URL", variable("TRIBUTARY_TEST_CLICKHOUSE"))
        .env("TRIBUTARY_KAFKA_TOPIC_PREFIX", format!("readme-{unique}."))
        .env("TRIBUTARY_KAFKA_GROUP_PREFIX", format!("readme-{unique}"))
        .env("TRIBUTARY_CLICKHOUSE_DATABASE", format!("readme_{unique}"))
        .env("TRIBUTARY_IDENTITY_SECRET", "of the README's test")
        .env("TRIBUTARY_HTTP_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap()
}

fn assert_ran(output: &Output) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

#[test]
fn the_first_steps_run_as_written() {
    let folder = folder();
    let (_, script) = blocks().into_iter().find(|(_, text)| text.contains("tributary import")).unwrap();
    let has_data = folder.path().join("shared/data/clickstream").exists();
    let lines = script.lines().filter(|line| {
        // Nobody of that address is in the data, and `status` asks the address in `http.listen`, which is any here.
        let needs_data = line.contains("import") || line.contains("customer");
        !line.starts_with("export PATH") && !line.contains("tributary status") && (has_data || !needs_data)
    });
    let script = lines
        .map(|line| match line.starts_with("tributary customer") {
            true => format!("{line} || test $? = 1"),
            false => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n");
    let said = assert_ran(&bash(folder.path(), &script));
    assert!(!has_data || said.contains("11001"), "{said}");
}

#[test]
fn the_sample_configuration_is_valid() {
    let folder = folder();
    let (_, toml) = blocks().into_iter().find(|(language, _)| language == "toml").unwrap();
    fs::write(folder.path().join("clone/tributary.toml"), toml).unwrap();
    // The README leaves secrets to the environment.
    assert_ran(&bash(folder.path(), "export TRIBUTARY_KAFKA_SASL_PASSWORD=secret\ntributary config check"));
}

#[test]
fn every_command_that_is_named_has_help() {
    for (_, text) in blocks() {
        for line in text.lines().filter(|line| line.starts_with("tributary ")) {
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            let depth = if matches!(words.first(), Some(&"dev" | &"config" | &"identity")) { 2 } else { 1 };
            let help = format!("tributary {} --help", words[..depth].join(" "));
            assert_ran(&bash(folder().path(), &help));
        }
    }
}
