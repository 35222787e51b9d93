//! A resolver of its own on the test stack, and the program as a user calls it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The program in `folder`, away from whatever the environment of the test says.
pub(crate) fn tributary(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    command.current_dir(folder);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("TRIBUTARY_") || name == "KAFKA_BROKERS" || name == "CLICKHOUSE_URL" {
            command.env_remove(name);
        }
    }
    command
}

/// Standard output of a command that must succeed.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything a command said.
pub(crate) fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Topics, database and resolver of one test.
pub(crate) struct Space {
    folder: tempfile::TempDir,
    id: String,
    resolver: Option<Child>,
}

impl Space {
    /// Tables and topics under names of their own. `more` is added to the configuration.
    pub(crate) fn new(more: &str) -> Self {
        let id = Uuid::new_v4().simple().to_string()[..12].to_owned();
        let folder = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let need = |name: &str| std::env::var(name).expect("run `make test`");
        let config = format!(
            "[kafka]\nbrokers = \"{}\"\ntopic_prefix = \"{id}.\"\ngroup_prefix = \"{id}\"\nsession_timeout_ms = 6000\n\
             [clickhouse]\nurl = \"{}\"\ndatabase = \"t_{id}\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n{more}\n",
            need("TRIBUTARY_TEST_KAFKA"),
            need("TRIBUTARY_TEST_CLICKHOUSE"),
        );
        std::fs::write(folder.path().join("tributary.toml"), config).unwrap();
        let space = Space { folder, id, resolver: None };
        output_of(space.run().arg("migrate"));
        space
    }

    /// The program with this space's configuration.
    pub(crate) fn run(&self) -> Command {
        tributary(self.folder.path())
    }

    /// A path in this space's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the resolver; an older one is killed.
    pub(crate) fn start_resolver(&mut self) {
        self.start_resolver_that_dies_at("");
    }

    /// Starts a resolver that kills itself at a place, if one is named; an older one is killed.
    pub(crate) fn start_resolver_that_dies_at(&mut self, place: &str) {
        self.kill_resolver();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("resolver.log")).unwrap();
        let mut command = self.run();
        if !place.is_empty() {
            command.env("TRIBUTARY_CRASH_AT", place);
        }
        let child = command.arg("resolver").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.resolver = Some(child);
    }

    /// Kills the resolver as a power cut would.
    pub(crate) fn kill_resolver(&mut self) {
        if let Some(mut child) = self.resolver.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until the resolver has died by itself.
    #[allow(dead_code, reason = "not every test waits for a death")]
    pub(crate) fn await_death(&mut self) {
        let mut child = self.resolver.take().unwrap();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "the resolver did not pass the place to die at");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nothing waits.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let begun = Instant::now();
        loop {
            let output = self.run().arg("status").output().unwrap();
            if output.status.success() {
                return;
            }
            let log = || std::fs::read_to_string(self.path("resolver.log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(120), "never caught up:\n{}\n{}", both(&output), log());
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The configuration of this space.
    #[allow(dead_code, reason = "not every test asks")]
    pub(crate) fn config(&self) -> tributary::config::Config {
        tributary::config::load(Some(&self.path("tributary.toml")), std::iter::empty()).unwrap().config
    }

    /// The cells of a query's rows.
    #[track_caller]
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let text = output_of(self.run().args(["sql", &format!("{sql} FORMAT TabSeparated")]));
        text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.kill_resolver();
        let _ = self.run().args(["sql", &format!("DROP DATABASE IF EXISTS t_{}", self.id)]).output();
    }
}
