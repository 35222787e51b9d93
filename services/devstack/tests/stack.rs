//! The stack's commands and the faults that they name, with a stand-in for ClickHouse that answers at once.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use devstack::{Error, Machine, Options, Part, PartStatus, Progress, Stack, State};
use tempfile::TempDir;

/// One stack folder with a cache that looks complete.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let library = bench.folder.path().join("cache/chdb-26.7.3-stable.1-linux-x64-gnu/libchdb.so");
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        fs::File::create(library).unwrap().set_len(566_330_096).unwrap();
        fs::create_dir(bench.programs()).unwrap();
        bench
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A stack of ClickHouse alone, on a free port.
    fn options(&self) -> Options {
        Options {
            state_dir: self.state(),
            cache_dir: self.folder.path().join("cache"),
            kafka_port: 0,
            clickhouse_port: 0,
            brokers: None,
            clickhouse_url: None,
            parts: vec![Part::ClickHouse],
            front_command: stand_in(),
            min_free_bytes: 0,
            patience: Duration::from_secs(60),
            machine: Machine::with_only(&self.programs()),
            progress: Progress::Silent,
        }
    }

    fn stack(&self) -> Stack {
        Stack::new(self.options())
    }

    fn refusal(&self, change: impl FnOnce(&mut Options)) -> String {
        let mut options = self.options();
        change(&mut options);
        Stack::new(options).up().unwrap_err().to_string()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.stack().down();
    }
}

/// This test program, as a front: the stack adds `--port <port> …`, which the shell hands over as a variable.
fn stand_in() -> Vec<OsString> {
    let script = "STAND_IN_PORT=$2 exec \"$0\" --exact stand_in_for_clickhouse --ignored --nocapture";
    vec!["sh".into(), "-c".into(), script.into(), std::env::current_exe().unwrap().into()]
}

fn shell(script: &str) -> Vec<OsString> {
    vec!["sh".into(), "-c".into(), script.into()]
}

#[test]
#[ignore = "a server, started by the other tests"]
fn stand_in_for_clickhouse() {
    let Ok(port) = std::env::var("STAND_IN_PORT") else {
        return;
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse().unwrap())).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        // To the empty line: a stream that is closed with something unread in it is reset, and its answer lost.
        let lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
        let request = lines.collect::<Vec<_>>().join("\n");
        let body = if request.starts_with("GET /ping ") { "Ok.\n" } else { "26.7.3.1\n" };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

fn clickhouse(stack: &Stack) -> PartStatus {
    stack.status().into_iter().find(|status| status.part == Part::ClickHouse).unwrap()
}

#[test]
fn up_status_and_down() {
    let bench = Bench::new();
    let stack = bench.stack();
    assert_eq!(clickhouse(&stack).state, State::Stopped);
    let endpoints = stack.up().unwrap();
    let status = clickhouse(&stack);
    assert_eq!(status.state, State::Running);
    assert_eq!(status.address, endpoints.clickhouse_url);
    assert_eq!(status.version.as_deref(), Some("26.7.3.1 (embedded)"));
    assert!(status.resident_bytes.unwrap() > 100_000);
    stack.down().unwrap();
    let stopped = clickhouse(&stack);
    assert_eq!((stopped.state, stopped.pid), (State::Stopped, None));
    // Ports are kept, so that configurations that name them stay right.
    assert_eq!(stack.up().unwrap(), endpoints);
}

#[test]
fn a_second_up_changes_nothing() {
    let bench = Bench::new();
    let first = bench.stack().up().unwrap();
    let pid = clickhouse(&bench.stack()).pid;
    assert_eq!(bench.stack().up().unwrap(), first);
    assert_eq!(clickhouse(&bench.stack()).pid, pid);
}

#[test]
fn two_ups_at_once_start_one_stack() {
    let bench = Bench::new();
    let endpoints: Vec<_> = std::thread::scope(|scope| {
        let ups: Vec<_> = (0..3).map(|_| scope.spawn(|| bench.stack().up().unwrap())).collect();
        ups.into_iter().map(|up| up.join().unwrap()).collect()
    });
    assert!(endpoints.iter().all(|one| *one == endpoints[0]), "{endpoints:?}");
}

#[test]
fn a_running_stack_does_not_move_to_another_port() {
    let bench = Bench::new();
    bench.stack().up().unwrap();
    let refusal = bench.refusal(|options| options.clickhouse_port = 1);
    assert!(refusal.starts_with("ClickHouse of this stack already runs on port "), "{refusal}");
    assert!(refusal.ends_with("and 1 was asked for: run `tributary dev down` first"), "{refusal}");
}

#[test]
fn a_stopped_stack_moves_to_another_port() {
    let bench = Bench::new();
    let first = bench.stack().up().unwrap();
    bench.stack().down().unwrap();
    let mut options = bench.options();
    options.clickhouse_port = devstack_free_port();
    let second = Stack::new(options.clone()).up().unwrap();
    assert_ne!(second, first);
    assert_eq!(second.clickhouse_url, format!("http://127.0.0.1:{}", options.clickhouse_port));
}

fn devstack_free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let bench = Bench::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let refusal = bench.refusal(|options| options.clickhouse_port = port);
    let pid = std::process::id();
    assert!(refusal.starts_with(&format!("port {port} for ClickHouse is taken by ")), "{refusal}");
    assert!(refusal.contains(&format!("(pid {pid})")), "{refusal}");
    assert!(refusal.ends_with("stop that program, or choose another port with --clickhouse-port"), "{refusal}");
}

#[test]
fn a_pid_file_of_another_process_is_stale() {
    let bench = Bench::new();
    let stack = bench.stack();
    stack.up().unwrap();
    stack.down().unwrap();
    // The number now belongs to somebody else: this test.
    let pid_file = bench.state().join("clickhouse/clickhouse.pid");
    fs::write(&pid_file, format!("{} 1\n", std::process::id())).unwrap();
    assert_eq!(clickhouse(&stack).state, State::Died);
    assert!(matches!(stack.kill(Part::ClickHouse, libc::SIGKILL), Err(Error::NotRunning { .. })));
    stack.down().unwrap();
    assert!(!pid_file.exists());
    for nonsense in ["", "nonsense", "-1 1", "0 0"] {
        fs::write(&pid_file, nonsense).unwrap();
        stack.up().unwrap();
        assert_eq!(clickhouse(&stack).state, State::Running);
        stack.down().unwrap();
    }
}

#[test]
fn a_killed_part_is_seen_and_started_again() {
    let bench = Bench::new();
    let stack = bench.stack();
    let endpoints = stack.up().unwrap();
    stack.kill(Part::ClickHouse, libc::SIGKILL).unwrap();
    assert_eq!(clickhouse(&stack).state, State::Died);
    stack.start_one(Part::ClickHouse).unwrap();
    assert_eq!(clickhouse(&stack).state, State::Running);
    stack.kill(Part::ClickHouse, libc::SIGKILL).unwrap();
    assert_eq!(stack.up().unwrap(), endpoints);
}

#[test]
fn a_part_that_was_just_killed_is_started_again() {
    let bench = Bench::new();
    let stack = bench.stack();
    let endpoints = stack.up().unwrap();
    stack.down().unwrap();
    // Stands for a killed server whose process has not ended yet.
    let mut dying = std::process::Command::new("sleep").arg("1").spawn().unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", dying.id())).unwrap();
    let started = stat.split_whitespace().nth(21).unwrap();
    fs::write(bench.state().join("clickhouse/clickhouse.pid"), format!("{} {started}\n", dying.id())).unwrap();
    assert_eq!(clickhouse(&stack).state, State::Silent);
    assert_eq!(stack.up().unwrap(), endpoints);
    let status = clickhouse(&stack);
    assert_eq!(status.state, State::Running);
    assert_ne!(status.pid, Some(dying.id() as i32));
    dying.wait().unwrap();
}

#[test]
fn one_port_for_both_parts_is_refused() {
    let bench = Bench::new();
    let refusal = bench.refusal(|options| {
        options.parts = Part::ALL.to_vec();
        options.kafka_port = 18_707;
        options.clickhouse_port = 18_707;
    });
    let expected = "Kafka and ClickHouse cannot both listen on port 18707: \
                    choose different ones with --kafka-port and --clickhouse-port";
    assert_eq!(refusal, expected);
    // What was refused is not remembered.
    bench.stack().up().unwrap();
    let endpoints = bench.stack().endpoints();
    assert!(!endpoints.brokers.ends_with(":18707") && !endpoints.clickhouse_url.ends_with(":18707"), "{endpoints:?}");
}

#[test]
fn a_full_disk_stops_the_start() {
    let bench = Bench::new();
    let refusal = bench.refusal(|options| options.min_free_bytes = u64::MAX);
    let state = bench.state();
    assert!(refusal.starts_with(&format!("the disk of {} is too full: ", state.display())), "{refusal}");
    assert!(refusal.ends_with("MB are free; free some, or choose another folder with --state-dir"), "{refusal}");
}

#[test]
fn a_part_that_ends_at_once_shows_its_last_words() {
    let bench = Bench::new();
    let refusal = bench.refusal(|options| options.front_command = shell("echo it hurts; exit 3"));
    assert!(refusal.starts_with("ClickHouse stopped right after its start; the end of its log "), "{refusal}");
    assert!(refusal.ends_with("says:\nit hurts"), "{refusal}");
    assert_eq!(clickhouse(&bench.stack()).state, State::Stopped);
}

#[test]
fn a_part_that_never_answers_is_stopped() {
    let bench = Bench::new();
    let refusal = bench.refusal(|options| {
        options.front_command = shell("sleep 1000");
        options.patience = Duration::from_secs(1);
    });
    assert!(refusal.starts_with("ClickHouse did not answer within 1 s and was stopped; its log is "), "{refusal}");
    assert_eq!(clickhouse(&bench.stack()).state, State::Stopped);
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let bench = Bench::new();
    let refusal = bench.refusal(|options| options.front_command = vec!["/no/such/front".into()]);
    assert!(refusal.starts_with("could not run /no/such/front: "), "{refusal}");
}

#[test]
fn servers_of_the_environment_are_used_and_left_alone() {
    let bench = Bench::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://me:secret@{}", listener.local_addr().unwrap());
    let mut options = bench.options();
    options.clickhouse_url = Some(url.clone());
    let stack = Stack::new(options);
    assert_eq!(stack.up().unwrap().clickhouse_url, url);
    let status = clickhouse(&stack);
    assert_eq!((status.state, status.pid), (State::External, None));
    assert!(!status.address.contains("secret"), "{}", status.address);
    drop(listener);
    assert_eq!(clickhouse(&stack).state, State::ExternalSilent);
    let refusal = stack.up().unwrap_err().to_string();
    assert!(refusal.starts_with("CLICKHOUSE_URL names http://127.0.0.1:"), "{refusal}");
    assert!(!refusal.contains("secret"), "{refusal}");
}

#[test]
fn the_stacks_own_address_in_the_environment_is_no_other_server() {
    let bench = Bench::new();
    let endpoints = bench.stack().up().unwrap();
    let mut options = bench.options();
    options.clickhouse_url = Some(format!("{}/", endpoints.clickhouse_url.replace("127.0.0.1", "localhost")));
    let stack = Stack::new(options.clone());
    assert_eq!(clickhouse(&stack).state, State::Running);
    stack.down().unwrap();
    assert_eq!(clickhouse(&stack).state, State::Stopped);
    stack.up().unwrap();
    assert_eq!(clickhouse(&stack).state, State::Running);
    stack.kill(Part::ClickHouse, libc::SIGKILL).unwrap();
    stack.up().unwrap();
    assert_eq!(clickhouse(&stack).state, State::Running);
    stack.down().unwrap();

    // A server of somebody else's that took the port in the meantime is used as the environment says.
    let port = endpoints.clickhouse_url.rsplit(':').next().unwrap().parse().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert_eq!(clickhouse(&stack).state, State::External);
    stack.up().unwrap();
    drop(listener);

    // Nor does a silent server of somebody else's become the stack's own by being asked for.
    let silent = devstack_free_port();
    options.clickhouse_url = Some(format!("http://127.0.0.1:{silent}"));
    options.clickhouse_port = silent;
    for _ in 0..2 {
        let refusal = Stack::new(options.clone()).up().unwrap_err().to_string();
        assert!(refusal.starts_with("CLICKHOUSE_URL names http://127.0.0.1:"), "{refusal}");
    }
}

#[test]
fn a_clickhouse_server_on_the_path_is_preferred() {
    let bench = Bench::new();
    let program = bench.programs().join("clickhouse");
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = server ] || exit 1\nfile=${{2#--config-file=}}\n\
         STAND_IN_PORT=$(sed -n 's|.*<http_port>\\(.*\\)</http_port>.*|\\1|p' \"$file\") \
         exec '{}' --exact stand_in_for_clickhouse --ignored\n",
        test.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = bench.options();
    options.front_command = vec!["/no/such/front".into()];
    let stack = Stack::new(options);
    stack.up().unwrap();
    assert_eq!(clickhouse(&stack).version.as_deref(), Some("26.7.3.1"));
}

#[test]
fn reset_deletes_what_the_stack_made_and_nothing_else() {
    let bench = Bench::new();
    bench.stack().up().unwrap();
    let note = bench.state().join("note.txt");
    fs::write(&note, "mine").unwrap();
    bench.stack().reset().unwrap();
    let left: Vec<_> = fs::read_dir(bench.state()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, std::slice::from_ref(&note));
    fs::remove_file(note).unwrap();
    bench.stack().up().unwrap();
    bench.stack().reset().unwrap();
    assert!(!bench.state().exists());
    bench.stack().reset().unwrap();
    bench.stack().down().unwrap();
}
