//! `libchdb.so`, the ClickHouse engine as a library, from its published npm package.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};

use super::machine::Machine;
use super::{differs, hex, last_words};
use crate::error::{Error, FileContext, Result};
use crate::progress::{Meter, Progress};

pub(crate) const VERSION: &str = "26.7.3-stable.1";
pub(super) const FOLDER: &str = "chdb-26.7.3-stable.1-linux-x64-gnu";
pub(super) const LIBRARY: &str = "libchdb.so";
/// The package twice (npm keeps one while it packs the other) and the library.
pub(super) const NEEDED_BYTES: u64 = 2 * PACKAGE_BYTES + LIBRARY_BYTES + 20_000_000;

const NAME: &str = "the embedded ClickHouse engine 26.7.3";
const PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";
const PACKAGE_BYTES: u64 = 177_817_999;
const LIBRARY_BYTES: u64 = 566_330_096;
/// The SHA-512 that the registry publishes for the package, here in hexadecimal.
const PACKAGE_DIGEST: &str = include_str!("../../parts/chdb-26.7.3-stable.1.sha512");

/// Whether the library is there as a whole; its bytes were checked when it came.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder
        .join(LIBRARY)
        .metadata()
        .is_ok_and(|file| file.len() == LIBRARY_BYTES)
}

/// Lets npm fetch the package (it knows the user's registry, proxy and certificates), checks and unpacks it.
pub(super) fn fetch(machine: &Machine, folder: &Path, progress: Progress) -> Result<()> {
    let npm = machine.npm(progress)?;
    let download = folder.join("download");
    fs::create_dir(&download).during("make", &download)?;
    let package = pack(machine, &npm, &download, progress)?;
    unpack(&package, &folder.join(LIBRARY), progress)?;
    fs::remove_dir_all(&download).during("remove", &download)
}

fn pack(machine: &Machine, npm: &Path, download: &Path, progress: Progress) -> Result<PathBuf> {
    let run = |source: io::Error| Error::Run {
        program: "npm".to_owned(),
        source,
    };
    let words_path = download.join("npm.log");
    let words = File::create(&words_path).during("write", &words_path)?;
    let mut child = machine
        .command(npm)
        .args(["pack", PACKAGE, "--ignore-scripts", "--loglevel=error"])
        .arg("--cache")
        .arg(download.join("cache"))
        .current_dir(download)
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .map_err(run)?;
    let meter = progress.bytes(&format!("fetching {NAME}"), PACKAGE_BYTES);
    let status = watch(&mut child, download, meter).map_err(run)?;
    let package = fs::read_dir(download)
        .during("read", download)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    match package {
        Some(package) if status.success() => Ok(package),
        _ => {
            let cause = last_words(&fs::read(&words_path).unwrap_or_default());
            Err(Error::Fetch {
                part: NAME.to_owned(),
                cause,
            })
        }
    }
}

/// npm shows nothing while it fetches, so the growth of its folder is shown.
fn watch(
    child: &mut Child,
    download: &Path,
    mut meter: Meter,
) -> io::Result<std::process::ExitStatus> {
    const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        meter.set(folder_bytes(download));
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => folder_bytes(&entry.path()),
            _ => entry.metadata().map_or(0, |file| file.len()),
        })
        .sum()
}

/// Unpacks the library from the package while the package's digest is taken; the library counts only if that is right.
fn unpack(package: &Path, library: &Path, progress: Progress) -> Result<()> {
    let file = File::open(package).during("open", package)?;
    let mut packed = Digested {
        inner: BufReader::new(file),
        digest: Sha512::new(),
    };
    let mut found = false;
    let unpacked = (|| -> io::Result<()> {
        let mut archive = tar::Archive::new(GzDecoder::new(&mut packed));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry
                .path()?
                .file_name()
                .is_some_and(|name| name == LIBRARY)
            {
                write_library(&mut entry, library, progress)?;
                found = true;
            }
        }
        Ok(())
    })();
    // What lies behind the archive's end belongs to the digest too.
    let drained = io::copy(&mut packed, &mut io::sink());
    let digest = hex(&packed.digest.finalize());
    let is_storage = |error: &io::Error| error.kind() == io::ErrorKind::StorageFull;
    match unpacked.and(drained) {
        Err(error) if is_storage(&error) => Err(error).during("write", library),
        _ if digest != PACKAGE_DIGEST.trim() => {
            Err(differs(NAME, PACKAGE, digest, PACKAGE_DIGEST.trim()))
        }
        Err(error) => Err(error).during("unpack", package),
        Ok(_) if found => Ok(()),
        Ok(_) => Err(Error::Fetch {
            part: NAME.to_owned(),
            cause: format!("{PACKAGE} holds no {LIBRARY}"),
        }),
    }
}

fn write_library(entry: &mut impl Read, library: &Path, progress: Progress) -> io::Result<()> {
    let mut meter = progress.bytes(&format!("unpacking {NAME}"), LIBRARY_BYTES);
    let mut file = File::create(library)?;
    let mut block = vec![0; 1 << 18];
    let mut written = 0;
    loop {
        match entry.read(&mut block)? {
            0 => break,
            read => {
                file.write_all(&block[..read])?;
                written += read as u64;
                meter.set(written);
            }
        }
    }
    // A power cut must not leave a file of the right length with holes in it.
    file.sync_all()
}

/// A reader that takes the digest of what passes.
struct Digested<R> {
    inner: R,
    digest: Sha512,
}

impl<R: Read> Read for Digested<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}
