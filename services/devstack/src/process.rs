//! Processes that outlive the command that started them, remembered by pid files that survive pid reuse.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{Error, FileContext, Result};

/// A process, named so that another one that later gets the same number is not mistaken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) pid: i32,
    /// When it started, in the kernel's ticks since boot.
    started: u64,
}

/// What a pid file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// There is no pid file.
    Absent,
    /// The process that it names is gone; its number may belong to another by now.
    Stale,
    /// The process runs.
    Alive(Running),
}

/// What to start.
pub(crate) struct Launch<'a> {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) log: &'a Path,
    pub(crate) pid_file: &'a Path,
}

impl Launch<'_> {
    /// Starts the process in a session of its own, so that neither a closed terminal nor Ctrl-C there reaches it.
    pub(crate) fn start(self) -> Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(self.log).during("open", self.log)?;
        let errors = log.try_clone().during("open", self.log)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log).stderr(errors);
        // SAFETY: `setsid` is safe to call between fork and exec, and nothing else is done there.
        unsafe {
            command.pre_exec(|| match libc::setsid() {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            });
        }
        let mut child = command
            .spawn()
            .map_err(|source| Error::Run { program: self.program.to_string_lossy().into_owned(), source })?;
        let pid = child.id() as i32;
        // Whoever started it and lives on must not keep a zombie.
        std::thread::spawn(move || child.wait());
        let running = Running { pid, started: ticks_at_start(pid).unwrap_or(0) };
        let recorded = write_atomically(self.pid_file, &format!("{} {}\n", running.pid, running.started));
        if recorded.is_err() {
            // Without its pid file nobody could ever stop it.
            running.signal(libc::SIGKILL);
        }
        recorded.map(|()| running)
    }
}

impl Running {
    /// Reads a pid file and looks whether that very process still runs.
    pub(crate) fn recorded(pid_file: &Path) -> Recorded {
        let Ok(text) = fs::read_to_string(pid_file) else {
            return Recorded::Absent;
        };
        let mut fields = text.split_whitespace();
        let pid = fields.next().and_then(|field| field.parse().ok());
        let started = fields.next().and_then(|field| field.parse().ok());
        match (pid, started) {
            (Some(pid), Some(started)) if Self { pid, started }.is_alive() => Recorded::Alive(Self { pid, started }),
            _ => Recorded::Stale,
        }
    }

    /// Whether this very process still runs; a zombie does not.
    pub(crate) fn is_alive(self) -> bool {
        ticks_at_start(self.pid) == Some(self.started)
    }

    /// Sends a signal to the process and everything that it started.
    pub(crate) fn signal(self, signal: i32) {
        // SAFETY: no memory is involved; a process that is gone is an error code that changes nothing.
        unsafe {
            libc::kill(-self.pid, signal);
        }
    }

    /// Waits until the process has ended.
    pub(crate) fn wait_ended(self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.is_alive() {
            if begun.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Asks the process to end, and kills it when it does not within `patience`.
    pub(crate) fn stop(self, part: &'static str, patience: Duration) -> Result<()> {
        self.signal(libc::SIGTERM);
        if self.wait_ended(patience) {
            return Ok(());
        }
        self.signal(libc::SIGKILL);
        match self.wait_ended(Duration::from_secs(10)) {
            true => Ok(()),
            false => Err(Error::Unstoppable { part, pid: self.pid }),
        }
    }

    /// Memory that the process holds, in bytes.
    pub(crate) fn resident_bytes(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
    }
}

/// When the process started, in ticks since boot; `None` when it is gone or a zombie.
fn ticks_at_start(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything, so count from its end.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let (state, threads, started) = (fields.first()?, fields.get(17)?, fields.get(19)?);
    // A killed program is a zombie as soon as its first thread has ended; the others may still hold its port.
    if matches!(*state, "Z" | "X") && threads.parse().is_ok_and(|threads: u32| threads <= 1) {
        return None;
    }
    started.parse().ok()
}

/// Writes a small file so that a reader sees the old content or the new, never a part.
pub(crate) fn write_atomically(path: &Path, content: &str) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    fs::write(&new, content).during("write", &new)?;
    fs::rename(&new, path).during("replace", path)
}

/// The last lines of a log, for messages.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 8;
    const TAIL_BYTES: usize = 16 * 1024;
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
