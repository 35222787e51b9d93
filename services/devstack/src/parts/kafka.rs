//! Apache Kafka's published jars, as Maven resolves them from a pinned list.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use sha2::{Digest, Sha256};

use super::machine::Machine;
use super::{differs, hex, not_fetched};
use crate::error::{Error, FileContext, Result};
use crate::progress::{Meter, Progress};

pub(crate) const VERSION: &str = "4.3.1";
/// Named after its content, so that a cache of an earlier list stays usable for the stacks that run on it.
pub(super) const FOLDER: &str = "kafka-4.3.1-with-tools";
/// The jars, Maven's own copy of them, and its plug-ins.
pub(super) const NEEDED_BYTES: u64 = 200_000_000;

const NAME: &str = "Apache Kafka 4.3.1";
const POM: &str = include_str!("../../parts/kafka-pom.xml");
/// What `sha256sum` prints for the jars in a repository.
const DIGESTS: &str = include_str!("../../parts/kafka-4.3.1.sha256");
/// Pinned, since Debian's Maven would choose one of 2012 by itself.
const GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Whether every jar is there and is the pinned one.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.is_dir() && verify(folder).is_ok()
}

/// Lets Maven, which knows the user's mirrors, resolve and copy the jars into `folder`; checks them.
pub(super) fn fetch(machine: &Machine, folder: &Path, progress: Progress) -> Result<()> {
    machine.java(progress)?;
    let maven = machine.maven(progress)?;
    let meter = progress.pieces(&format!("fetching {NAME} (44 MB)"), jars().count() as u64);
    copy_dependencies(machine, &maven, folder, meter)?;
    verify(folder)
}

fn copy_dependencies(machine: &Machine, maven: &Path, folder: &Path, mut meter: Meter) -> Result<()> {
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM).during("write", &pom)?;
    let run = |source: io::Error| Error::Run { program: "mvn".to_owned(), source };
    let mut child = machine
        .command(maven)
        .args(["--batch-mode", GOAL, "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", folder.display()))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(run)?;
    let (mut copied, mut said) = (0, Vec::new());
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line.map_err(run)?;
        if line.contains("Downloaded from") && line.contains(".jar ") || line.contains("Copying ") {
            copied += 1;
            meter.set(copied);
        }
        said.extend_from_slice(line.as_bytes());
        said.push(b'\n');
    }
    let output = child.wait_with_output().map_err(run)?;
    if output.status.success() {
        return Ok(());
    }
    said.extend_from_slice(&output.stderr);
    Err(not_fetched(NAME, folder, &said))
}

/// A pinned jar.
struct Jar {
    digest: &'static str,
    /// Where repositories keep it.
    path: &'static str,
}

impl Jar {
    fn file_name(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

fn jars() -> impl Iterator<Item = Jar> {
    let fields = DIGESTS.lines().filter_map(|line| line.split_once("  "));
    fields.map(|(digest, path)| Jar { digest, path })
}

fn verify(folder: &Path) -> Result<()> {
    for jar in jars() {
        let path = folder.join(jar.file_name());
        let found = sha256(&path).during("read", &path)?;
        if found != jar.digest {
            return Err(differs(NAME, jar.file_name(), found, jar.digest));
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hex(&digest.finalize())),
            read => digest.update(&block[..read]),
        }
    }
}
