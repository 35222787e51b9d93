//! `libchdb.so`, the ClickHouse engine as a library, from its published npm package.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};

use super::machine::Machine;
use super::{differs, hex, not_fetched};
use crate::error::{Error, FileContext, Result};
use crate::progress::{Meter, Progress};

pub(crate) const VERSION: &str = "26.7.3-stable.1";
pub(super) const FOLDER: &str = "chdb-26.7.3-stable.1-linux-x64-gnu";
pub(super) const LIBRARY: &str = "libchdb.so";
/// The package twice (npm keeps one while it packs the other) and the library.
pub(super) const NEEDED_BYTES: u64 = 2 * PINNED.bytes + PINNED.library_bytes + 20_000_000;

const NAME: &str = "the embedded ClickHouse engine 26.7.3";

/// A package as it was published.
struct Package {
    name: &'static str,
    bytes: u64,
    library_bytes: u64,
    /// The SHA-512 that the registry publishes, here in hexadecimal.
    digest: &'static str,
}

const PINNED: Package = Package {
    name: "@chdb/lib-linux-x64-gnu@26.7.3-stable.1",
    bytes: 177_817_999,
    library_bytes: 566_330_096,
    digest: "5cff7b98caa7739b59a4a432c11f0dedc2d3b073624e61ebdf4a42e66ce8de35\
             a6ba48ca9f62016bad1cd81fe059435cb858ce3235a8a2b408082a81563e70a7",
};

/// Whether the library is there as a whole; its bytes were checked when it came.
pub(super) fn is_complete(folder: &Path) -> bool {
    folder.join(LIBRARY).metadata().is_ok_and(|file| file.len() == PINNED.library_bytes)
}

/// Fetches, checks and unpacks the package.
pub(super) fn fetch(machine: &Machine, folder: &Path, progress: Progress) -> Result<()> {
    let scratch = folder.join("download");
    fs::create_dir(&scratch).during("make", &scratch)?;
    let package = fetch_package(machine, &scratch, progress)?;
    unpack(&PINNED, &package, &folder.join(LIBRARY), progress)?;
    fs::remove_dir_all(&scratch).during("remove", &scratch)
}

/// By npm, which knows the user's registry, proxy and certificates.
fn fetch_package(machine: &Machine, scratch: &Path, progress: Progress) -> Result<PathBuf> {
    let npm = machine.npm(progress)?;
    let meter = progress.bytes(&format!("fetching {NAME}"), PINNED.bytes);
    pack(machine, &npm, scratch, meter)
}

fn pack(machine: &Machine, npm: &Path, download: &Path, meter: Meter) -> Result<PathBuf> {
    let run = |source: io::Error| Error::Run { program: "npm".to_owned(), source };
    let words_path = download.join("npm.log");
    let words = File::create(&words_path).during("write", &words_path)?;
    let mut child = machine
        .command(npm)
        .args(["pack", PINNED.name, "--ignore-scripts", "--loglevel=error"])
        .arg("--cache")
        .arg(download.join("cache"))
        .current_dir(download)
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .map_err(run)?;
    let status = watch(&mut child, download, meter).map_err(run)?;
    let package = fs::read_dir(download)
        .during("read", download)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"));
    match package {
        Some(package) if status.success() => Ok(package),
        _ => {
            let words = fs::read(&words_path).unwrap_or_default();
            Err(not_fetched(NAME, download, &words))
        }
    }
}

/// npm shows nothing while it fetches, so the growth of its folder is shown.
fn watch(child: &mut Child, download: &Path, mut meter: Meter) -> io::Result<std::process::ExitStatus> {
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
fn unpack(pinned: &Package, package: &Path, library: &Path, progress: Progress) -> Result<()> {
    let file = File::open(package).during("open", package)?;
    let mut packed = Digested { inner: BufReader::new(file), digest: Sha512::new() };
    let mut found = false;
    let unpacked = (|| -> io::Result<()> {
        let mut archive = tar::Archive::new(GzDecoder::new(&mut packed));
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.path()?.file_name().is_some_and(|name| name == LIBRARY) {
                write_library(&mut entry, library, pinned.library_bytes, progress)?;
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
        _ if digest != pinned.digest => Err(differs(NAME, pinned.name, digest, pinned.digest)),
        Err(error) => Err(error).during("unpack", package),
        Ok(_) if found => Ok(()),
        Ok(_) => Err(Error::Fetch { part: NAME.to_owned(), cause: format!("{} holds no {LIBRARY}", pinned.name) }),
    }
}

fn write_library(entry: &mut impl Read, library: &Path, bytes: u64, progress: Progress) -> io::Result<()> {
    let mut meter = progress.bytes(&format!("unpacking {NAME}"), bytes);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A small package with `content` as its library, and what would be pinned of it.
    fn package(content: &[u8], name: &str) -> (Vec<u8>, Package) {
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("package/{name}"), content).unwrap();
        let bytes = archive.into_inner().unwrap().finish().unwrap();
        let digest = hex(&Sha512::digest(&bytes)).leak();
        let pinned = Package { name: "pinned", bytes: bytes.len() as u64, library_bytes: content.len() as u64, digest };
        (bytes, pinned)
    }

    fn unpacked(bytes: &[u8], pinned: &Package) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let (package, library) = (folder.path().join("p.tgz"), folder.path().join(LIBRARY));
        fs::write(&package, bytes).unwrap();
        unpack(pinned, &package, &library, Progress::Silent)?;
        Ok(fs::read(library).unwrap())
    }

    #[test]
    fn the_pinned_package_is_unpacked() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let (bytes, pinned) = package(&content, LIBRARY);
        assert_eq!(unpacked(&bytes, &pinned).unwrap(), content);
    }

    #[test]
    fn a_changed_or_cut_package_is_refused() {
        let (mut bytes, pinned) = package(&[7; 10_000], LIBRARY);
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let error = unpacked(&bytes[..cut], &pinned).unwrap_err();
            assert!(matches!(error, Error::Digest { .. }), "cut at {cut}: {error}");
        }
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let error = unpacked(&bytes, &pinned).unwrap_err();
        assert!(
            error.to_string().starts_with("pinned of the embedded ClickHouse engine 26.7.3 is not the pinned file"),
            "{error}"
        );
    }

    #[test]
    fn a_package_without_the_library_is_refused() {
        let (bytes, pinned) = package(b"x", "README.md");
        let error = unpacked(&bytes, &pinned).unwrap_err().to_string();
        assert!(error.contains("pinned holds no libchdb.so"), "{error}");
    }
}
