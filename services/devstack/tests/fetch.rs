//! Fetching parts when the network, the disk or another process is in the way. No network is used: the programs that
//! fetch are replaced by small scripts.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use devstack::{Cache, Error, Machine, Progress};
use tempfile::TempDir;

/// A cache, and a folder with the only programs that it may use.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(bench.programs()).unwrap();
        bench.program("java", "echo 'openjdk version \"17.0.1\"' >&2");
        bench
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Puts a shell script on the machine; it may use the system's own programs.
    fn program(&self, name: &str, script: &str) {
        let path = self.programs().join(name);
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn cache(&self) -> Cache {
        Cache::new(self.root(), Machine::with_only(&self.programs()), Progress::Silent)
    }

    /// Everything in the cache but its lock.
    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root()).unwrap();
        entries.map(|entry| entry.unwrap().path()).filter(|path| !path.ends_with(".lock")).collect()
    }
}

/// Gives a file its length without writing it.
fn sparse(path: &Path, bytes: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().set_len(bytes).unwrap();
}

#[test]
fn a_failed_download_leaves_nothing_and_says_why() {
    let bench = Bench::new();
    bench.program("npm", "head -c 1000 /dev/zero > half.tgz; echo 'npm error network read ECONNRESET' >&2; exit 1");
    let error = bench.cache().chdb().unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not fetch the embedded ClickHouse engine 26.7.3: npm error network read ECONNRESET; \
         check the network (and proxy settings), then run the same command again"
    );
    assert_eq!(bench.kept(), Vec::<PathBuf>::new());
}

#[test]
fn a_package_that_is_not_the_pinned_one_is_refused() {
    let bench = Bench::new();
    bench.program("npm", "echo anything > package.tgz");
    let error = bench.cache().chdb().unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(bench.kept(), Vec::<PathBuf>::new());
}

#[test]
fn jars_that_are_not_the_pinned_ones_are_refused() {
    let bench = Bench::new();
    bench.program("mvn", "echo anything > HdrHistogram-2.2.2.jar");
    let error = bench.cache().kafka().unwrap_err().to_string();
    assert!(error.starts_with("HdrHistogram-2.2.2.jar of Apache Kafka 4.3.1 is not the pinned file"), "{error}");
    assert_eq!(bench.kept(), Vec::<PathBuf>::new());
}

#[test]
fn maven_without_a_network_is_said_so() {
    let bench = Bench::new();
    bench.program("mvn", "echo '[INFO] Scanning'; echo '[ERROR] Unknown host jars.example'; exit 1");
    let error = bench.cache().kafka().unwrap_err().to_string();
    assert!(error.starts_with("could not fetch Apache Kafka 4.3.1: [ERROR] Unknown host jars.example"), "{error}");
}

#[test]
fn a_half_fetched_part_is_fetched_again() {
    let bench = Bench::new();
    // Killed while fetching, or cut by a full disk: both are cleared away before the next attempt begins.
    sparse(&bench.root().join("chdb-26.7.3-stable.1-linux-x64-gnu/libchdb.so"), 1000);
    sparse(&bench.root().join(".chdb-26.7.3-stable.1-linux-x64-gnu.unfinished/download/half.tgz"), 1000);
    bench.program("npm", "ls -A; echo 'npm error called again' >&2; exit 1");
    let error = bench.cache().chdb().unwrap_err().to_string();
    assert!(error.contains("npm error called again"), "{error}");
    assert_eq!(bench.kept(), Vec::<PathBuf>::new());
}

#[test]
fn a_whole_part_is_not_fetched_again() {
    let bench = Bench::new();
    let library = bench.root().join("chdb-26.7.3-stable.1-linux-x64-gnu/libchdb.so");
    sparse(&library, 566_330_096);
    assert_eq!(bench.cache().chdb().unwrap(), library);
}

#[test]
fn a_missing_program_is_named_with_its_package() {
    let bench = Bench::new();
    let error = bench.cache().chdb().unwrap_err().to_string();
    assert!(error.starts_with("npm is missing: install npm"), "{error}");
    bench.program("java", "echo 'openjdk version \"17.0.2\"' >&2");
    let error = bench.cache().kafka().unwrap_err().to_string();
    assert!(error.starts_with("mvn is missing: install Apache Maven"), "{error}");
}

#[test]
fn an_old_java_counts_as_missing() {
    let bench = Bench::new();
    bench.program("java", "echo 'openjdk version \"11.0.2\"' >&2");
    let error = bench.cache().kafka().unwrap_err().to_string();
    assert!(error.starts_with("java is missing: install a Java runtime of version 17 or newer"), "{error}");
}

#[test]
fn the_second_of_two_processes_waits_for_the_first() {
    let bench = Bench::new();
    // Fails unless it is alone.
    bench.program("npm", "cd ../..; mkdir alone || exit 1; sleep 0.2; rmdir alone; echo 'npm error done' >&2; exit 1");
    let errors: Vec<String> = std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..3).map(|_| scope.spawn(|| bench.cache().chdb().unwrap_err().to_string())).collect();
        fetches.into_iter().map(|fetch| fetch.join().unwrap()).collect()
    });
    assert!(errors.iter().all(|error| error.contains("npm error done")), "{errors:?}");
}
