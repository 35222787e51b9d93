//! A front in a process of its own: this very test program, started once more.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use devstack::front::{FrontConfig, serve};
use tempfile::TempDir;
use ureq::{Agent, SendBody};

const ARGUMENTS: &str = "TRIBUTARY_TEST_FRONT_PROCESS";

/// The engine's library.
pub(crate) fn library() -> String {
    std::env::var("TRIBUTARY_TEST_CHDB_LIB").expect("TRIBUTARY_TEST_CHDB_LIB is not set: run `make test`")
}

/// The front's own process. Not a test: without its variable it does nothing.
#[test]
#[ignore = "the process that the other tests start"]
fn front_process() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let (data_dir, listen) = arguments.rsplit_once(' ').unwrap();
    // The tests' end closes this pipe, however they end.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        // At once: the engine's threads must not run on while the process takes itself apart.
        // SAFETY: has no preconditions.
        unsafe { libc::_exit(3) }
    });
    let mut config = FrontConfig::new(library().into(), data_dir.into(), listen.parse().unwrap());
    config.grace = Duration::from_secs(1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Err(error) = runtime.block_on(serve(config)) {
        eprintln!("front: {error}");
        std::process::exit(2);
    }
    std::process::exit(0);
}

/// A front that runs.
pub(crate) struct Front {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    agent: Agent,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: ureq::http::HeaderMap,
}

impl Answer {
    /// One header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// One number of `X-ClickHouse-Summary`.
    pub(crate) fn summary(&self, name: &str) -> u64 {
        let summary: serde_json::Value = serde_json::from_str(self.header("x-clickhouse-summary")).unwrap();
        summary[name].as_str().unwrap().parse().unwrap()
    }
}

/// The front that tests share.
pub(crate) fn front() -> &'static Front {
    static SHARED: OnceLock<(Front, TempDir)> = OnceLock::new();
    let (front, _) = SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        (Front::start(folder.path()), folder)
    });
    front
}

/// A process over `data_dir` that may not come up.
pub(crate) fn spawn(data_dir: &Path, listen: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "running::front_process", "--ignored", "--nocapture"])
        .env(ARGUMENTS, format!("{} {listen}", data_dir.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

impl Front {
    /// Starts a front over `data_dir` and waits until it answers.
    pub(crate) fn start(data_dir: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        library();
        let mut child = spawn(data_dir, &address.to_string());
        // Nobody reads what the engine has to say, which is nothing.
        drop(child.stderr.take());
        let agent = Agent::config_builder().http_status_as_error(false).build().into();
        let mut front = Self { child, address, agent };
        let patience = Instant::now() + Duration::from_secs(60);
        while front.agent.get(front.url("ping", &[])).call().is_err() {
            let ended = front.child.try_wait().unwrap();
            assert!(ended.is_none(), "the front ended: {}", ended.unwrap());
            assert!(Instant::now() < patience, "the front does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        front
    }

    /// An address with parameters.
    pub(crate) fn url(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut url = url::Url::parse(&format!("http://{}/{path}", self.address)).unwrap();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        url.into()
    }

    /// Posts a body.
    pub(crate) fn post(
        &self,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: SendBody<'_>,
    ) -> ureq::http::Response<ureq::Body> {
        let mut request = self.agent.post(self.url("", parameters));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send(body).unwrap()
    }

    /// Runs a statement, whatever comes of it.
    pub(crate) fn ask(&self, statement: &str, parameters: &[(&str, &str)]) -> Answer {
        read(self.post(parameters, &[], SendBody::from_reader(&mut statement.as_bytes())))
    }

    /// Runs a statement that must succeed.
    pub(crate) fn run(&self, statement: &str) -> String {
        self.run_with(statement, &[])
    }

    /// Runs a statement with parameters; it must succeed.
    pub(crate) fn run_with(&self, statement: &str, parameters: &[(&str, &str)]) -> String {
        let answer = self.ask(statement, parameters);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.body);
        answer.body
    }

    /// Inserts rows that stand in the body, the statement in the URL.
    pub(crate) fn insert(&self, statement: &str, parameters: &[(&str, &str)], rows: &[u8]) -> Answer {
        let parameters = [parameters, &[("query", statement)]].concat();
        read(self.post(&parameters, &[], SendBody::from_reader(&mut &rows[..])))
    }

    /// A bare connection with the head of a POST sent, and `sent` of the body that it announces.
    pub(crate) fn half_sent(&self, parameters: &[(&str, &str)], framing: &str, sent: &[u8]) -> TcpStream {
        let url = self.url("", parameters);
        let (_, path) = url.split_once(&self.address.to_string()).unwrap();
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), sent].concat()).unwrap();
        stream
    }

    /// The most memory the process ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// A signal to the process.
    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: a child of this process that has not been waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response read to its end.
pub(crate) fn read(response: ureq::http::Response<ureq::Body>) -> Answer {
    let (head, body) = response.into_parts();
    let mut bytes = Vec::new();
    body.into_reader().read_to_end(&mut bytes).unwrap();
    Answer { status: head.status.as_u16(), body: String::from_utf8_lossy(&bytes).into_owned(), headers: head.headers }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, patience: Duration, holds: impl Fn() -> bool) {
    let until = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < until, "still not so after {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
