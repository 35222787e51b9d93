//! Two resolvers on one Kafka that die again and again, one beginning with snapshots and one with the whole log: the
//! same graph at the same offset, and ClickHouse has it. Then damaged files, and a log whose beginning is gone.

#![allow(clippy::unwrap_used)] // A panic is how a test fails, in its helper functions too.

mod support;

use resolver::snapshots::Archive;
use std::collections::HashMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stream::LogProducer;
use support::{PATIENCE, settle_and_compare};
use tributary::demo::{Feed, Resolver, Site, Space, compare_identity_map};

const RECORDS: u64 = 40_000;
const SEED: u64 = 23;
const KAFKA: &str = "session_timeout_ms = 6000\n";
/// Small batches: many messages in the identity log.
const SETTINGS: &str = "[resolver]\nbatch_max_records = 200\nbatch_max_age_ms = 200\n";

/// Where the resolver that writes snapshots kills itself, one life after the other.
const PLACES: [&str; 3] = ["snapshot.before_rename:2", "engine.after_plan:4", "snapshot.before_rename:3"];

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_whatever_they_begin_with() {
    println!("seed {SEED}");
    let site = support::site("snapshots");
    let space = Space::create(&site, "replicas", "replicas.", KAFKA, SETTINGS).await.unwrap();
    let mut feed = Feed::new(&space, support::scenario(SEED, RECORDS, false)).unwrap();
    let mut world = World { site: &site, space: &space, seen: HashMap::new(), compared: 0, lives: 0 };
    let mut replaying = Some(world.start(false, &[]));
    for place in PLACES {
        let mut saving = world.start(true, &[("TRIBUTARY_CRASH_AT", place)]);
        let ended = world.feed_until_one_ends(&mut feed, &mut saving, replaying.as_mut().unwrap()).await;
        assert_eq!(ended, Some(libc::SIGKILL), "{place}");
        println!("{place}: killed the one with snapshots, then the other; {}", world.line());
        replaying.take().unwrap().kill();
        replaying = Some(world.start(false, &[]));
    }
    feed.send(u64::MAX, |_| {}).await.unwrap();
    let (mut saving, mut replaying) = (world.start(true, &[]), replaying.unwrap());
    settle_and_compare(&site, &space, &feed.into_ledger()).await;
    let (fingerprint, offset) = world.agreed(&mut saving, &mut replaying).await;
    let graph = compare_identity_map(&space).await.unwrap();
    assert_eq!((format!("{:032x}", graph.fingerprint()), graph.applied()), (fingerprint.clone(), offset));
    println!("fingerprint {fingerprint} at offset {offset} in both and in a third replay; {}", world.line());
    assert!(world.compared > 0, "fingerprints were compared while both ran");
    assert!(log_of(&saving).contains("the identity graph begins with /"), "it began with a file");
    assert!(log_of(&replaying).contains("the identity graph begins with the beginning of the log"));
    assert!(saving.stop(PATIENCE).unwrap().success() && replaying.stop(PATIENCE).unwrap().success());

    damaged_files_are_passed_over(&mut world, &fingerprint).await;
    the_log_can_begin_with_a_snapshot(&mut world, &fingerprint, offset).await;
    site.down().unwrap();
}

/// The newest file with one bit changed, the one before cut short: each is named, and the next best is taken.
async fn damaged_files_are_passed_over(world: &mut World<'_>, fingerprint: &str) {
    let [newest, previous] = <[PathBuf; 2]>::try_from(world.files()).unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&newest, &bytes).unwrap();
    let first = world.begins(true, fingerprint).await;
    assert!(first.contains(&format!("{} is passed over: ", newest.display())), "{first}");
    assert!(first.contains("its checksum is"), "{first}");
    assert!(first.contains(&format!("begins with {}", previous.display())), "{first}");
    for file in world.files() {
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() - 1000]).unwrap();
    }
    let second = world.begins(true, fingerprint).await;
    assert!(second.contains("more bytes"), "{second}");
    assert!(second.contains("begins with the beginning of the log"), "{second}");
}

/// A published snapshot replaces the log's old part: a new process needs neither the old part nor a file.
async fn the_log_can_begin_with_a_snapshot(world: &mut World<'_>, fingerprint: &str, offset: i64) {
    let (ok, listed) = world.command(&["list"]);
    assert!(ok && listed.matches("file  ").count() == 2 && !listed.contains("published"), "{listed}");
    let (ok, verified) = world.command(&["verify"]);
    assert!(!ok && verified.matches("damaged").count() == 2, "{verified}");
    let (ok, refused) = world.command(&["publish", "--truncate"]);
    assert!(!ok && refused.contains("write one with `tributary identity snapshot write`"), "{refused}");

    let (ok, written) = world.command(&["write"]);
    assert!(ok && written.contains(&format!("fingerprint {fingerprint}")), "{written}");
    let (ok, published) = world.command(&["publish", "--truncate"]);
    println!("{published}");
    assert!(ok && published.contains(&format!("begins at offset {}, before at 0", offset + 1)), "{published}");
    fs::remove_dir_all(world.dir(true)).unwrap();
    let told = world.begins(true, fingerprint).await;
    assert!(told.contains("begins with the snapshot published at offset 0"), "{told}");
    let (ok, verified) = world.command(&["verify"]);
    assert!(ok && verified.contains(fingerprint), "what was fetched is kept: {verified}");

    the_owner_publishes(world, offset).await;

    // Neither the log's beginning nor any snapshot.
    fs::remove_dir_all(world.dir(true)).unwrap();
    let snapshots = &world.space.topics.identity_snapshots.name;
    world.space.admin.delete_records(snapshots, 1, i64::MAX).await.unwrap();
    let mut resolver = world.start(true, &[]);
    assert!(!resolver.wait_for_end(PATIENCE).unwrap().success());
    let told = log_of(&resolver);
    assert!(told.contains(&format!("the identity log begins at offset {}, and no snapshot", offset + 1)), "{told}");
}

/// The process that writes `identity_map` publishes what it saves, if it is told to; two stay.
async fn the_owner_publishes(world: &mut World<'_>, offset: i64) {
    let space = world.space;
    let topics = [&space.topics.identity_log, &space.topics.identity_snapshots].map(|topic| topic.name.as_str());
    let topics = space.admin.describe_topics(&topics).await.unwrap();
    let log = LogProducer::new(&space.config.kafka, &topics[0]).unwrap();
    let archive = Archive::new(&space.config.kafka, &space.admin, &log, &topics[0], &topics[1]).unwrap();
    let often = [("TRIBUTARY_SNAPSHOTS_PUBLISH", "true"), ("TRIBUTARY_SNAPSHOTS_EVERY_ENTRIES", "1")];
    let mut resolver = world.start(true, &often);
    resolver.wait_until_ready(PATIENCE).unwrap();
    let owns = |status: resolver::StatusReport| status.partitions.iter().any(|(name, n)| name == "identity" && *n > 0);
    until("own the identity log", async || resolver.status().is_ok_and(owns)).await;
    for number in 1..=3 {
        let of = schemas::Identifier { kind: 0, key: schemas::Key(number) };
        let share = schemas::Command::Share { of, note: "a test".into() };
        let appended = log.append(&[share]).await.unwrap().unwrap();
        assert!(appended > offset);
        let newest = async || archive.list().await.unwrap().first().map(|newest| newest.manifest.log_offset);
        until("publish it", async || newest().await == Some(appended)).await;
    }
    until("delete older ones", async || archive.list().await.unwrap().len() == 2).await;
    assert!(resolver.stop(PATIENCE).unwrap().success());
}

async fn until(what: &str, is_done: impl AsyncFn() -> bool) {
    for _ in 0..1_200 {
        if is_done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not {what} in two minutes");
}

struct World<'a> {
    site: &'a Site,
    space: &'a Space,
    /// What any replica ever said: offset and fingerprint.
    seen: HashMap<i64, (u32, String)>,
    /// How often two processes said the same of one offset.
    compared: u64,
    lives: u32,
}

impl World<'_> {
    fn line(&self) -> String {
        format!("{} offsets seen, {} times by two processes", self.seen.len(), self.compared)
    }

    fn dir(&self, saves: bool) -> PathBuf {
        self.site.folder().join(if saves { "snapshots" } else { "no-snapshots" })
    }

    /// The files of the one with snapshots, the newest first.
    fn files(&self) -> Vec<PathBuf> {
        let logs = fs::read_dir(self.dir(true)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            logs.flat_map(|log| fs::read_dir(log).unwrap()).map(|e| e.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "snapshot"));
        files.sort();
        files.reverse();
        files
    }

    /// `tributary identity snapshot …` on the files of the one with snapshots: whether it went well, and what it said.
    fn command(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = self.site.command(&self.space.file);
        command.env("TRIBUTARY_SNAPSHOTS_DIR", self.dir(true)).args(["identity", "snapshot"]).args(arguments);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.success(), said.concat())
    }

    /// Starts a resolver whose log is its own.
    fn start(&mut self, saves: bool, environment: &[(&str, &str)]) -> Resolver {
        self.lives += 1;
        let (dir, every) = (self.dir(saves), if saves { "3" } else { "0" });
        let mut all = vec![
            ("TRIBUTARY_SNAPSHOTS_DIR", dir.to_str().unwrap()),
            ("TRIBUTARY_SNAPSHOTS_EVERY_ENTRIES", every),
            ("TRIBUTARY_SNAPSHOTS_EVERY_SECS", "0"),
        ];
        all.extend_from_slice(environment);
        self.site.start_resolver(&format!("life-{}", self.lives), &self.space.file, &all).unwrap()
    }

    /// Starts a resolver, waits until it has the whole graph, which must be this one, and stops it; its log.
    async fn begins(&mut self, saves: bool, fingerprint: &str) -> String {
        let mut resolver = self.start(saves, &[]);
        resolver.wait_until_ready(PATIENCE).unwrap();
        assert_eq!(resolver.status().unwrap().graph.fingerprint, fingerprint);
        assert!(resolver.stop(PATIENCE).unwrap().success());
        log_of(&resolver)
    }

    /// Notes what a replica says, and compares it with what any other said of the same offset.
    fn note(&mut self, resolver: &Resolver) -> Option<(String, i64)> {
        let graph = resolver.status().ok()?.graph;
        let (pid, fingerprint) = (resolver.pid(), graph.fingerprint);
        match self.seen.get(&graph.applied_offset) {
            Some((other, said)) => {
                assert_eq!(*said, fingerprint, "offset {}: {other} and {pid}", graph.applied_offset);
                self.compared += u64::from(*other != pid);
            }
            None => drop(self.seen.insert(graph.applied_offset, (pid, fingerprint.clone()))),
        }
        Some((fingerprint, graph.applied_offset))
    }

    /// Sends records and compares until the first ends; the signal that ended it.
    async fn feed_until_one_ends(
        &mut self,
        feed: &mut Feed<'_>,
        first: &mut Resolver,
        second: &mut Resolver,
    ) -> Option<i32> {
        for round in 0..6_000 {
            if let Some(status) = first.ended() {
                return status.signal();
            }
            if round % 10 == 0 {
                feed.send(200, |_| {}).await.unwrap();
            }
            second.require_running().unwrap();
            self.note(first);
            self.note(second);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never came to the place where it was to die");
    }

    /// What both say at the log's end.
    async fn agreed(&mut self, first: &mut Resolver, second: &mut Resolver) -> (String, i64) {
        for _ in 0..1_200 {
            first.require_running().unwrap();
            second.require_running().unwrap();
            if let (Some(one), Some(two)) = (self.note(first), self.note(second))
                && one == two
            {
                return one;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("they do not come to the same offset");
    }
}

fn log_of(resolver: &Resolver) -> String {
    let log: &Path = &resolver.log;
    fs::read_to_string(log).unwrap()
}
