//! The stack as a whole: up, down, status, reset, and its parts one by one for tests that break them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::clickhouse::{self, ClickHouse, Engine};
use crate::error::{Error, FileContext, Result};
use crate::kafka::{self, Kafka};
use crate::memory::Memory;
use crate::options::Options;
use crate::part::{Endpoints, Part, PartStatus, State};
use crate::parts::Cache;
use crate::process::{self, Recorded, Running};
use crate::{disk, external, ports};

/// Kafka and ClickHouse of one state folder.
pub struct Stack {
    options: Options,
    cache: Cache,
    kafka: Kafka,
    clickhouse: ClickHouse,
}

impl Stack {
    /// Names a stack; touches nothing yet.
    pub fn new(mut options: Options) -> Self {
        // Servers get the folder in their configuration and must not depend on where a later command is run.
        options.state_dir = std::path::absolute(&options.state_dir).unwrap_or(options.state_dir);
        options.cache_dir = std::path::absolute(&options.cache_dir).unwrap_or(options.cache_dir);
        Self {
            cache: Cache::new(options.cache_dir.clone(), options.machine.clone(), options.progress),
            kafka: Kafka::new(options.state_dir.join("kafka")),
            clickhouse: ClickHouse::new(options.state_dir.join("clickhouse")),
            options,
        }
    }

    /// Starts what is not running and waits until everything answers. A second call changes nothing.
    pub fn up(&self) -> Result<Endpoints> {
        let _lock = self.lock()?;
        let memory = self.prepare()?;
        let mut started = Vec::new();
        let result = self.start_missing(&memory, &mut started);
        if result.is_err() {
            // Half a stack would be in the way of the next attempt.
            for (part, running) in started {
                running.signal(libc::SIGKILL);
                let _ = fs::remove_file(self.pid_file(part));
            }
        }
        result.map(|()| self.endpoints_of(&memory))
    }

    /// Stops what this stack started; data stays.
    pub fn down(&self) -> Result<()> {
        if !self.options.state_dir.exists() {
            self.options.progress.say("nothing is running: there is no stack here");
            return Ok(());
        }
        let _lock = self.lock()?;
        self.stop_all()
    }

    /// Stops the stack and deletes its data; fetched parts stay in the cache.
    pub fn reset(&self) -> Result<()> {
        if !self.options.state_dir.exists() {
            return Ok(());
        }
        let lock = self.lock()?;
        self.stop_all()?;
        // Only what this stack made: the folder may be one that holds other things.
        for name in ["kafka", "clickhouse"] {
            let folder = self.options.state_dir.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).during("remove", &folder)?;
            }
        }
        for file in [Memory::file(&self.options.state_dir), self.lock_path()] {
            if file.exists() {
                fs::remove_file(&file).during("remove", &file)?;
            }
        }
        drop(lock);
        // It stays when it holds anything else.
        let _ = fs::remove_dir(&self.options.state_dir);
        Ok(())
    }

    /// How the parts are, in the order of the data path.
    pub fn status(&self) -> Vec<PartStatus> {
        vec![self.status_of(Part::Kafka), self.status_of(Part::ClickHouse)]
    }

    /// Where clients find the servers, running or not; the ports asked for when the stack was never up.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints_of(&self.remembered().unwrap_or(Memory {
            kafka_port: self.options.kafka_port,
            clickhouse_port: self.options.clickhouse_port,
            engine: Engine::Embedded,
        }))
    }

    /// The embedded engine's library, fetched if need be.
    pub fn library(&self) -> Result<PathBuf> {
        self.cache.chdb()
    }

    /// Runs one of Kafka's own tools by its class, and returns what it prints.
    pub fn kafka_tool(&self, class: &str, arguments: &[&str]) -> Result<String> {
        self.cache.kafka_tool(class, arguments)
    }

    /// Sends a signal to one part, for tests that break things. With SIGKILL, waits until it is gone.
    pub fn kill(&self, part: Part, signal: i32) -> Result<()> {
        let Recorded::Alive(running) = Running::recorded(&self.pid_file(part)) else {
            return Err(Error::NotRunning { part: part.name() });
        };
        running.signal(signal);
        if signal == libc::SIGKILL && !running.wait_ended(Duration::from_secs(10)) {
            return Err(Error::Unstoppable { part: part.name(), pid: running.pid });
        }
        Ok(())
    }

    /// Starts one part of a stack that was up before, and waits until it answers.
    pub fn start_one(&self, part: Part) -> Result<()> {
        let _lock = self.lock()?;
        let memory = self.remembered().ok_or(Error::NotRunning { part: part.name() })?;
        let running = self.launch(part, &memory)?;
        self.wait(part, &memory, running)
    }

    /// Starts the missing parts together, then waits for each.
    fn start_missing(&self, memory: &Memory, started: &mut Vec<(Part, Running)>) -> Result<()> {
        let (own, external): (Vec<Part>, Vec<Part>) =
            self.options.parts.iter().partition(|part| self.external(**part).is_none());
        for part in external {
            self.require_external(part)?;
        }
        let first_new = started.len();
        for part in own {
            if !self.runs_already(part, memory)? {
                started.push((part, self.launch(part, memory)?));
            }
        }
        for (part, running) in &started[first_new..] {
            self.wait(*part, memory, *running)?;
        }
        Ok(())
    }

    /// Whether a part runs and answers. One that was killed a moment ago may look alive and then end.
    fn runs_already(&self, part: Part, memory: &Memory) -> Result<bool> {
        let Recorded::Alive(running) = Running::recorded(&self.pid_file(part)) else {
            return Ok(false);
        };
        let (asked, port) = (self.asked_port(part), memory.port(part));
        if asked != 0 && asked != port {
            return Err(Error::OtherPort { part: part.name(), running: port, asked });
        }
        if !self.answers_in_time(part, memory, running)? {
            return Ok(false);
        }
        let sentence = format!("{} already runs on 127.0.0.1:{port} (pid {})", part.name(), running.pid);
        self.options.progress.say(sentence);
        Ok(true)
    }

    fn launch(&self, part: Part, memory: &Memory) -> Result<Running> {
        let pid_file = self.pid_file(part);
        match Running::recorded(&pid_file) {
            Recorded::Alive(running) => return Ok(running),
            Recorded::Stale => {
                let name = part.name();
                self.options
                    .progress
                    .say(format_args!("{name} ended without being stopped; starting it again on its data"));
                fs::remove_file(&pid_file).during("remove", &pid_file)?;
            }
            Recorded::Absent => {}
        }
        ports::require_free(memory.port(part), part.name(), part.port_flag())?;
        match part {
            Part::Kafka => self.kafka.launch(&self.cache, memory.kafka_port),
            Part::ClickHouse => {
                let front = &self.options.front_command;
                self.clickhouse.launch(&self.cache, memory.engine, front, memory.clickhouse_port)
            }
        }
    }

    /// Waits until a started part answers, it ends, or patience does.
    fn wait(&self, part: Part, memory: &Memory, running: Running) -> Result<()> {
        if self.answers_in_time(part, memory, running)? {
            return Ok(());
        }
        let _ = fs::remove_file(self.pid_file(part));
        let log = self.log(part);
        Err(Error::Died { part: part.name(), tail: process::tail(&log), log })
    }

    /// Waits until a part answers, or it ends and the answer is no. Silence beyond patience is an error, and its end.
    fn answers_in_time(&self, part: Part, memory: &Memory, running: Running) -> Result<bool> {
        let patience = self.options.patience;
        let begun = Instant::now();
        while !answers(part, memory) {
            if !running.is_alive() {
                return Ok(false);
            }
            if begun.elapsed() > patience {
                running.signal(libc::SIGKILL);
                let _ = fs::remove_file(self.pid_file(part));
                return Err(Error::Silent { part: part.name(), seconds: patience.as_secs(), log: self.log(part) });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(true)
    }

    fn stop_all(&self) -> Result<()> {
        for part in [Part::Kafka, Part::ClickHouse] {
            const PATIENCE: Duration = Duration::from_secs(20);
            let pid_file = self.pid_file(part);
            match Running::recorded(&pid_file) {
                Recorded::Absent => continue,
                Recorded::Stale => self.options.progress.say(format_args!("{} was not running any more", part.name())),
                Recorded::Alive(running) => {
                    running.stop(part.name(), PATIENCE)?;
                    self.options.progress.say(format_args!("{} stopped", part.name()));
                }
            }
            fs::remove_file(&pid_file).during("remove", &pid_file)?;
        }
        Ok(())
    }

    /// Decides ports and engine, or keeps those of the stack's first start.
    fn prepare(&self) -> Result<Memory> {
        let options = &self.options;
        disk::require(&options.state_dir, options.min_free_bytes, "--state-dir")?;
        let mut memory = match self.remembered() {
            Some(memory) => memory,
            None => Memory::new(ClickHouse::preferred(&self.cache))?,
        };
        // A part that runs stays where it is; `say_already` tells when that is not where it was asked for.
        // One that is the user's own server takes no port: remembered, it would look like ours.
        let moves = |part| self.asked_port(part) != 0 && self.external(part).is_none() && !self.runs(part);
        if moves(Part::Kafka) {
            memory.kafka_port = options.kafka_port;
        }
        if moves(Part::ClickHouse) {
            memory.clickhouse_port = options.clickhouse_port;
        }
        let is_own = |part: &Part| self.external(*part).is_none() && options.parts.contains(part);
        if memory.kafka_port == memory.clickhouse_port && Part::ALL.iter().all(is_own) {
            return Err(Error::SamePort { port: memory.kafka_port });
        }
        memory.save(&options.state_dir)?;
        Ok(memory)
    }

    fn remembered(&self) -> Option<Memory> {
        Memory::of(&self.options.state_dir)
    }

    fn lock(&self) -> Result<File> {
        let folder = &self.options.state_dir;
        fs::create_dir_all(folder).during("make", folder)?;
        let path = self.lock_path();
        let file = File::create(&path).during("open", &path)?;
        if file.try_lock().is_err() {
            self.options.progress.say("another command is at work on this stack: waiting for it");
            file.lock().during("lock", &path)?;
        }
        Ok(file)
    }

    fn status_of(&self, part: Part) -> PartStatus {
        if let Some(address) = self.external(part) {
            let state = if external::answers(part, address).is_ok() { State::External } else { State::ExternalSilent };
            let address = external::without_credentials(address);
            return PartStatus { part, state, pid: None, address, resident_bytes: None, version: None, log: None };
        }
        let endpoints = self.endpoints();
        let address = match part {
            Part::Kafka => endpoints.brokers,
            Part::ClickHouse => endpoints.clickhouse_url,
        };
        let recorded = Running::recorded(&self.pid_file(part));
        let memory = self.remembered();
        let running = match recorded {
            Recorded::Alive(running) => Some(running),
            _ => None,
        };
        let state = match (recorded, &memory) {
            (Recorded::Absent, _) | (Recorded::Stale, None) => State::Stopped,
            (Recorded::Stale, Some(_)) => State::Died,
            (Recorded::Alive(_), Some(memory)) if answers(part, memory) => State::Running,
            (Recorded::Alive(_), _) => State::Silent,
        };
        PartStatus {
            part,
            state,
            pid: running.map(|running| running.pid),
            address,
            resident_bytes: running.and_then(Running::resident_bytes),
            version: self.version(part, memory.as_ref().filter(|_| state == State::Running)),
            log: Some(self.log(part)),
        }
    }

    fn version(&self, part: Part, answering: Option<&Memory>) -> Option<String> {
        match (part, answering) {
            (Part::Kafka, _) => Some(Kafka::VERSION.to_owned()),
            (Part::ClickHouse, Some(memory)) => {
                let version = clickhouse::get(memory.clickhouse_port, "/?query=SELECT%20version()", QUICKLY).ok()?;
                let embedded = memory.engine == Engine::Embedded;
                Some(if embedded { format!("{version} (embedded)") } else { version })
            }
            (Part::ClickHouse, None) => Some(format!("{} (embedded)", ClickHouse::EMBEDDED_VERSION)),
        }
    }

    /// The user's own server for a part, if the environment names one. `dev env` puts this stack's addresses there as
    /// well: they are no other server's, unless somebody else answers there.
    fn external(&self, part: Part) -> Option<&str> {
        let address = match part {
            Part::Kafka => self.options.brokers.as_deref(),
            Part::ClickHouse => self.options.clickhouse_url.as_deref(),
        }?;
        let names_this_stack =
            self.remembered().is_some_and(|memory| external::local_port(part, address) == Some(memory.port(part)));
        let is_own = names_this_stack && (self.runs(part) || external::answers(part, address).is_err());
        (!is_own).then_some(address)
    }

    fn runs(&self, part: Part) -> bool {
        matches!(Running::recorded(&self.pid_file(part)), Recorded::Alive(_))
    }

    fn require_external(&self, part: Part) -> Result<()> {
        let Some(address) = self.external(part) else {
            return Ok(());
        };
        let shown = external::without_credentials(address);
        let variable = external::variable(part);
        external::answers(part, address).map_err(|cause| Error::External {
            variable,
            address: shown.clone(),
            cause,
        })?;
        self.options.progress.say(format_args!("{variable} is set: using {} at {shown}, starting none", part.name()));
        Ok(())
    }

    fn endpoints_of(&self, memory: &Memory) -> Endpoints {
        let local = |port: u16| format!("127.0.0.1:{port}");
        Endpoints {
            brokers: self.options.brokers.clone().unwrap_or_else(|| local(memory.kafka_port)),
            clickhouse_url: self
                .options
                .clickhouse_url
                .clone()
                .unwrap_or_else(|| format!("http://{}", local(memory.clickhouse_port))),
        }
    }

    fn asked_port(&self, part: Part) -> u16 {
        match part {
            Part::Kafka => self.options.kafka_port,
            Part::ClickHouse => self.options.clickhouse_port,
        }
    }

    fn pid_file(&self, part: Part) -> PathBuf {
        match part {
            Part::Kafka => self.kafka.pid_file(),
            Part::ClickHouse => self.clickhouse.pid_file(),
        }
    }

    fn log(&self, part: Part) -> PathBuf {
        match part {
            Part::Kafka => self.kafka.log(),
            Part::ClickHouse => self.clickhouse.log(),
        }
    }

    fn lock_path(&self) -> PathBuf {
        self.options.state_dir.join("lock")
    }

    /// The folder of this stack.
    pub fn state_dir(&self) -> &Path {
        &self.options.state_dir
    }
}

/// How long one question to a local server may take.
const QUICKLY: Duration = Duration::from_secs(2);

fn answers(part: Part, memory: &Memory) -> bool {
    match part {
        Part::Kafka => kafka::ask(&format!("127.0.0.1:{}", memory.kafka_port), QUICKLY).is_ok(),
        Part::ClickHouse => clickhouse::get(memory.clickhouse_port, "/ping", QUICKLY).is_ok(),
    }
}
