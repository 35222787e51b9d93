//! The rules of CONTRIBUTING.md that a program can check, over the whole workspace.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const MOST_LINES_OF_A_FILE: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 70;
const MOST_LINES_OF_ARCHITECTURE: usize = 250;

/// Crates that do no I/O, read no clock and draw no randomness.
const PURE: [&str; 4] = ["decode", "identity", "enrich", "attribute"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A file of the workspace, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines above the unit tests, which rustfmt's module order puts last.
    fn lines_without_tests(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"));
        lines[..tests.unwrap_or(lines.len())].to_vec()
    }

    fn is_test(&self) -> bool {
        self.path.split('/').any(|folder| folder == "tests") || self.path.ends_with("/tests.rs")
    }
}

/// Every file with this extension, build products aside.
fn files(extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|one| one == extension) {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Every workspace crate: its folder and manifest.
fn manifests() -> Vec<(String, toml::Table)> {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| {
            let folder = member.as_str().unwrap();
            let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
            (folder.to_owned(), text.parse().unwrap())
        })
        .collect()
}

fn assert_none(faults: Vec<String>, rule: &str) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn files_are_short() {
    let faults = files("rs")
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| (source, source.lines_without_tests().len()))
        .filter(|(_, lines)| *lines > MOST_LINES_OF_A_FILE)
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .collect();
    assert_none(faults, "a file has at most 500 lines, tests aside");
}

#[test]
fn functions_are_short() {
    let mut faults = Vec::new();
    for source in files("rs").iter().filter(|source| !source.is_test()) {
        for (first, name, lines) in functions(&source.lines_without_tests()) {
            if lines > MOST_LINES_OF_A_FUNCTION {
                faults.push(format!("{}:{first}: {name} has {lines} lines", source.path));
            }
        }
    }
    assert_none(faults, "a function has at most 70 lines");
}

/// First line, name and length of every function. Relies on rustfmt: a function ends at the first `}` indented as its `fn`.
fn functions(lines: &[&str]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some(name) = function_name(code) else {
            continue;
        };
        let indent = line.len() - code.len();
        let end = lines[first..].iter().position(|line| {
            let rest = line.get(indent..).unwrap_or_default();
            line.len() - line.trim_start().len() == indent && (rest.starts_with('}') || rest.ends_with(';'))
        });
        if let Some(end) = end {
            found.push((first + 1, name.to_owned(), end + 1));
        }
    }
    found
}

fn function_name(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("fn ")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let is_function = before.split_whitespace().all(|word| modifiers.contains(&word) || word.starts_with("pub(in"));
    is_function.then(|| after.split(['(', '<']).next().unwrap_or_default())
}

#[test]
fn function_lengths_are_measured() {
    let text =
        "impl X {\n    pub(crate) async fn long<T>(\n        a: T,\n    ) -> T {\n        a\n    }\n}\nfn one() {}\n";
    let lines: Vec<&str> = text.lines().collect();
    let measured = functions(&lines);
    assert_eq!(measured[0], (2, "long".to_owned(), 5));
}

#[test]
fn names_say_what_a_file_is_about() {
    const SAY_NOTHING: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "stuff"];
    let faults = files("rs")
        .into_iter()
        .map(|source| source.path)
        .filter(|path| path.trim_end_matches(".rs").split('/').any(|part| SAY_NOTHING.contains(&part)))
        .collect();
    assert_none(faults, "no file or folder is called utils, common, helpers or manager");
}

#[test]
fn a_crate_is_named_after_its_folder() {
    let faults = manifests()
        .into_iter()
        .map(|(folder, manifest)| (folder, manifest["package"]["name"].as_str().unwrap().to_owned()))
        .filter(|(folder, name)| folder.rsplit('/').next() != Some(name))
        .map(|(folder, name)| format!("{folder} holds the crate {name}"))
        .collect();
    assert_none(faults, "folder name = crate name");
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let faults = manifests()
        .into_iter()
        .filter(|(_, manifest)| manifest.get("lints").and_then(|lints| lints.get("workspace")).is_none())
        .map(|(folder, _)| folder)
        .collect();
    assert_none(faults, "a crate's manifest says `[lints] workspace = true`");
}

#[test]
fn every_dependency_is_used() {
    let sources = files("rs");
    let mut faults = Vec::new();
    for (folder, manifest) in manifests() {
        let mut words = BTreeSet::new();
        for source in sources.iter().filter(|source| source.path.starts_with(&format!("{folder}/"))) {
            words.extend(source.text.split(|character: char| !character.is_alphanumeric() && character != '_'));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(table).and_then(toml::Value::as_table);
            let unused = dependencies.into_iter().flat_map(toml::Table::keys);
            let unused = unused.filter(|name| !words.contains(name.replace('-', "_").as_str()));
            faults.extend(unused.map(|name| format!("{folder}: {name}")));
        }
    }
    assert_none(faults, "a crate names no dependency that it does not use");
}

#[test]
fn only_stream_knows_kafka_and_only_store_knows_clickhouse() {
    let owners = [("rdkafka", "services/stream"), ("rdkafka-sys", "services/stream"), ("clickhouse", "services/store")];
    let mut faults = Vec::new();
    for (folder, manifest) in manifests() {
        let uses = |dependency: &str| manifest.get("dependencies").is_some_and(|table| table.get(dependency).is_some());
        for (dependency, owner) in owners {
            if folder != owner && uses(dependency) {
                faults.push(format!("{folder} depends on {dependency}, which belongs to {owner}"));
            }
        }
    }
    assert_none(faults, "Kafka appears only in stream, ClickHouse only in store");
}

#[test]
fn pure_crates_do_nothing_but_compute() {
    const IMPURE: [&str; 13] = [
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::process",
        "std::env",
        "SystemTime",
        "Instant::now",
        "Zoned::now",
        "Timestamp::now",
        "rand::",
        "tokio::",
    ];
    let mut faults = Vec::new();
    for source in files("rs").iter().filter(|source| !source.is_test()) {
        if !PURE.iter().any(|name| source.path.starts_with(&format!("services/{name}/src/"))) {
            continue;
        }
        for (number, line) in source.lines_without_tests().iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{}:{}: {word}", source.path, number + 1));
            }
        }
    }
    assert_none(faults, "decode, identity, enrich and attribute do no I/O, read no clock, draw no randomness");
}

#[test]
fn pipelines_are_a_table_of_contents() {
    let mut faults = Vec::new();
    for name in ["events", "identity", "attribution"] {
        let path = format!("services/resolver/src/pipelines/{name}.rs");
        match fs::read_to_string(root().join(&path)) {
            Ok(text) if text.lines().count() < 100 => {}
            Ok(text) => faults.push(format!("{path}: {} lines", text.lines().count())),
            Err(error) => faults.push(format!("{path}: {error}")),
        }
    }
    assert_none(faults, "each pipeline is one file of under 100 lines");
}

#[test]
fn the_architecture_names_what_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= MOST_LINES_OF_ARCHITECTURE, "ARCHITECTURE.md has {lines} lines");
    let declared = declared_types();
    let mut faults = Vec::new();
    for quoted in quoted(&text) {
        if is_path(quoted) && !root().join(quoted).exists() {
            faults.push(format!("the path {quoted} does not exist"));
        }
        let name = quoted.rsplit("::").next().unwrap_or_default();
        if is_type_name(name) && !declared.contains(name) {
            faults.push(format!("the type {quoted} does not exist"));
        }
    }
    assert_none(faults, "every path and type in ARCHITECTURE.md exists");
}

/// What stands between single back-quotes, code blocks aside.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

fn is_path(quoted: &str) -> bool {
    let plain = quoted.chars().all(|character| character.is_ascii_alphanumeric() || "/._-".contains(character));
    let folder = quoted.split('/').next().unwrap_or_default();
    plain
        && quoted.contains('/')
        && ["services", "schemas", "deploy", "loadtest", "docs", "examples", ".ci"].contains(&folder)
}

fn is_type_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_uppercase())
        && name.chars().all(|character| character.is_ascii_alphanumeric())
        && name.chars().any(|character| character.is_ascii_lowercase())
}

/// Names of all structs, enums, traits and type aliases.
fn declared_types() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in files("rs") {
        for line in source.text.lines() {
            let mut words = line.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            while let Some(word) = words.next() {
                if ["struct", "enum", "trait", "type"].contains(&word) {
                    names.extend(words.next().map(str::to_owned));
                }
            }
        }
    }
    names
}

#[test]
fn documents_name_make_targets_that_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let mut faults = Vec::new();
    for document in files("md") {
        let quoted_spans = document.text.split('`').skip(1).step_by(2);
        for span in quoted_spans.flat_map(str::lines) {
            let Some(rest) = span.trim_start_matches("$ ").strip_prefix("make ") else {
                continue;
            };
            let named = rest.split_whitespace().filter(|word| !word.contains('='));
            for target in
                named.take_while(|word| !["#", "&&", "||", ";"].contains(word)).flat_map(|word| word.split('|'))
            {
                if !targets.contains(target) {
                    faults.push(format!("{}: make {target}", document.path));
                }
            }
        }
    }
    assert_none(faults, "a `make` target that a document names exists");
}
