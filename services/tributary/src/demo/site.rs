//! A stack of its own, and resolver processes on it.

use devstack::{Endpoints, Options, Part, Stack};
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

const SNAPSHOTS: &str = "snapshots";

/// Kafka and ClickHouse in a folder of their own, on free ports, with nothing in them. Stopped when dropped, unless kept.
pub struct Site {
    stack: Stack,
    endpoints: Endpoints,
    folder: PathBuf,
    binary: PathBuf,
    is_own: bool,
    is_kept: bool,
}

/// A resolver process. Killed when dropped.
pub struct Resolver {
    child: Child,
    /// Address of its metrics and health.
    pub address: String,
    /// Its log.
    pub log: PathBuf,
}

impl Site {
    /// Options of a stack in `folder`: free ports, the front run by `binary`.
    pub fn options(folder: &Path, binary: &Path) -> Options {
        let mut options = Options::from_env(folder);
        options.kafka_port = 0;
        options.clickhouse_port = 0;
        options.front_command = vec![binary.into(), "dev".into(), "front".into()];
        options
    }

    /// Deletes what is in the stack and starts it. `binary` is the `tributary` executable.
    pub fn up(options: Options, binary: &Path) -> Result<Self> {
        let folder = std::path::absolute(&options.state_dir).unwrap_or_else(|_| options.state_dir.clone());
        let is_own = options.brokers.is_none() && options.clickhouse_url.is_none();
        let stack = Stack::new(options);
        stack.reset()?;
        remove_logs(&folder);
        // Of logs that are gone.
        let _ = fs::remove_dir_all(folder.join(SNAPSHOTS));
        let endpoints = stack.up()?;
        Ok(Self { stack, endpoints, folder, binary: binary.to_owned(), is_own, is_kept: false })
    }

    /// Whether both servers are this stack's own, and so were empty when it came up.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// Where Kafka and ClickHouse answer.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The stack itself, to kill its parts and start them again.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The folder of the stack; processes that are started here write their logs there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where resolvers keep snapshots of the identity graph.
    pub fn snapshots(&self) -> PathBuf {
        self.folder.join(SNAPSHOTS)
    }

    /// Leaves the stack running when this is dropped.
    pub fn keep(&mut self) {
        self.is_kept = true;
    }

    /// `tributary` with this configuration and nothing of ours from the environment.
    pub fn command(&self, config: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        let foreign = |name: &OsString| {
            name.to_str().is_some_and(|name| {
                name.starts_with("TRIBUTARY_") || name == "KAFKA_BROKERS" || name == "CLICKHOUSE_URL"
            })
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        command.arg("--config").arg(config).stdin(Stdio::null());
        command
    }

    /// Starts a resolver and returns at once. Its log goes to `name`.log in the stack's folder.
    pub fn start_resolver(&self, name: &str, config: &Path, environment: &[(&str, &str)]) -> Result<Resolver> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let log = self.folder.join(format!("{name}.log"));
        let failed = |source| Error::Write { path: log.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let mut command = self.command(config);
        command.arg("resolver").envs(environment.iter().copied()).env("TRIBUTARY_HTTP_LISTEN", &address);
        command.stdout(Stdio::null()).stderr(file);
        // SAFETY: prctl is safe to call between fork and exec, and nothing else is done there.
        unsafe { command.pre_exec(end_with_parent) };
        let child =
            command.spawn().map_err(|source| Error::Run { program: self.binary.display().to_string(), source })?;
        Ok(Resolver { child, address, log })
    }

    /// Stops everything; the data stays until the next [`Site::up`].
    pub fn down(mut self) -> Result<()> {
        self.is_kept = true;
        Ok(self.stack.down()?)
    }

    /// Kills one part of the stack as a crash would, and starts it again.
    pub fn crash(&self, part: Part) -> Result<()> {
        self.stack.kill(part, libc::SIGKILL)?;
        Ok(self.stack.start_one(part)?)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = self.stack.down()
        {
            eprintln!("the stack in {} was not stopped: {error}", self.folder.display());
        }
    }
}

impl Resolver {
    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Fails when it has ended, with the end of its log.
    pub fn require_running(&mut self) -> Result<()> {
        let Some(status) = self.ended() else {
            return Ok(());
        };
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n");
        Err(Error::ResolverEnded { status, log: self.log.clone(), tail })
    }

    /// Waits until it ends by itself.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Waits until it is ready for work.
    pub fn wait_until_ready(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            self.require_running()?;
            if ureq::get(format!("http://{}/readyz", self.address)).call().is_ok() {
                return Ok(());
            }
            if start.elapsed() > limit {
                return Err(Error::ResolverSilent { seconds: limit.as_secs(), log: self.log.clone() });
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What it says about itself.
    pub fn status(&self) -> Result<resolver::StatusReport> {
        let url = format!("http://{}/status", self.address);
        let failed = |source| Error::Ask { url: url.clone(), source: Box::new(source) };
        ureq::get(&url).call().map_err(failed)?.body_mut().read_json().map_err(failed)
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.kill_and_wait();
    }

    /// SIGTERM, then waits for a graceful end. `None` when it does not come within the limit.
    pub fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        if let Some(status) = self.ended() {
            return Some(status);
        }
        let pid = libc::pid_t::try_from(self.child.id()).unwrap_or_default();
        // SAFETY: kill takes no pointers; the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        self.wait_for_end(limit)
    }

    fn kill_and_wait(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.kill_and_wait();
    }
}

/// Logs of an earlier run would be taken for this one's.
fn remove_logs(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|name| name == "log")) {
        // What cannot be removed is appended to.
        let _ = fs::remove_file(path);
    }
}

/// Whoever kills the demo or a test does not leave its resolvers behind.
fn end_with_parent() -> std::io::Result<()> {
    // SAFETY: this option of prctl takes a signal number and no pointers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|source| Error::Port { source })?;
    Ok(listener.local_addr().map_err(|source| Error::Port { source })?.port())
}
