//! A stack of its own, and resolver processes on it.

use devstack::{Endpoints, Options, Part, Stack};
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::{Error, Result};

/// Kafka and ClickHouse in a folder of their own, on free ports, with nothing in them.
pub struct Site {
    stack: Stack,
    endpoints: Endpoints,
    folder: PathBuf,
    binary: PathBuf,
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
    /// Starts an empty stack under `folder`. `binary` is the `tributary` executable.
    pub fn up(folder: &Path, binary: &Path, options: Options) -> Result<Self> {
        let mut options = options;
        options.kafka_port = 0;
        options.clickhouse_port = 0;
        options.front_command = vec![binary.display().to_string(), "dev".into(), "front".into()];
        let stack = Stack::new(options);
        stack.reset()?;
        let endpoints = stack.up()?;
        Ok(Self { stack, endpoints, folder: folder.to_owned(), binary: binary.to_owned() })
    }

    /// Where Kafka and ClickHouse answer.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The stack itself, to kill its parts and start them again.
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// What a process on this site is told through its environment.
    pub fn environment(&self, database: &str, topic_prefix: &str) -> Vec<(String, String)> {
        let mut environment: Vec<_> =
            self.endpoints.variables().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in [
            ("TRIBUTARY_CLICKHOUSE_DATABASE", database),
            ("TRIBUTARY_KAFKA_TOPIC_PREFIX", topic_prefix),
            ("TRIBUTARY_KAFKA_GROUP_PREFIX", &format!("{topic_prefix}tributary")),
            ("TRIBUTARY_IDENTITY_SECRET", "only for demonstrations"),
        ] {
            environment.push((name.to_owned(), value.to_owned()));
        }
        environment
    }

    /// The configuration that a process with this environment has.
    pub fn config(&self, environment: &[(String, String)]) -> Result<Config> {
        Ok(crate::config::load(None, environment.iter().cloned())?.config)
    }

    /// Starts a resolver and returns at once.
    pub fn start_resolver(&self, name: &str, environment: &[(String, String)]) -> Result<Resolver> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let log = self.folder.join(format!("{name}.log"));
        let failed = |source| Error::Write { path: log.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&log).map_err(failed)?;
        let child = Command::new(&self.binary)
            .arg("resolver")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("TRIBUTARY_HTTP_LISTEN", &address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|source| Error::Run { program: self.binary.display().to_string(), source })?;
        Ok(Resolver { child, address, log })
    }

    /// Stops everything; the data stays until the next [`Site::up`].
    pub fn down(&self) -> Result<()> {
        Ok(self.stack.down()?)
    }

    /// Kills one part of the stack as a crash would, and starts it again.
    pub fn crash(&self, part: Part) -> Result<()> {
        self.stack.kill(part, libc::SIGKILL)?;
        Ok(self.stack.start_one(part)?)
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

    /// SIGKILL.
    pub fn kill(mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, then waits for a graceful end; SIGKILL after the limit.
    pub fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap_or_default();
        // SAFETY: kill takes no pointers; the child has not been waited for, so the id is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        self.wait_for_end(limit)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|source| Error::Port { source })?;
    Ok(listener.local_addr().map_err(|source| Error::Port { source })?.port())
}
