//! The machine: where its programs are, and how missing ones are installed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::last_words;
use crate::error::{Error, Result};
use crate::progress::Progress;

const OLDEST_JAVA: u32 = 17;

/// A program that fetching or running a part needs.
struct Tool {
    program: &'static str,
    name: &'static str,
    /// What users are told to install.
    remedy: &'static str,
    /// Debian packages that bring it; the first that exists is installed.
    packages: &'static [&'static str],
}

const JAVA: Tool = Tool {
    program: "java",
    name: "Java",
    remedy: "install a Java runtime of version 17 or newer \
        (Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`)",
    packages: &["openjdk-21-jre-headless", "openjdk-17-jre-headless", "openjdk-25-jre-headless"],
};
const MAVEN: Tool = Tool {
    program: "mvn",
    name: "Apache Maven",
    remedy: "install Apache Maven, which fetches Kafka's jars (Debian and Ubuntu: `apt-get install maven`)",
    packages: &["maven"],
};
const NPM: Tool = Tool {
    program: "npm",
    name: "npm",
    remedy: "install npm, which fetches the embedded ClickHouse engine (Debian and Ubuntu: `apt-get install npm`)",
    packages: &["npm"],
};

/// Where programs are looked for, and whether missing ones may be installed.
#[derive(Debug, Clone)]
pub struct Machine {
    search_path: OsString,
    java_home: Option<PathBuf>,
    may_install: bool,
}

impl Machine {
    /// This machine, as the environment describes it: missing programs are installed by root on Debian.
    pub fn here() -> Self {
        // SAFETY: `geteuid` has no preconditions and cannot fail.
        let is_root = unsafe { libc::geteuid() } == 0;
        Self {
            search_path: std::env::var_os("PATH").unwrap_or_default(),
            java_home: std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
            may_install: is_root && Path::new("/etc/debian_version").exists(),
        }
    }

    /// A machine that has only the programs of one folder and can install none.
    pub fn with_only(folder: &Path) -> Self {
        Self { search_path: folder.as_os_str().to_owned(), java_home: None, may_install: false }
    }

    /// Finds a program the way a shell does.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.search_path).map(|folder| folder.join(program)).find(|path| is_executable(path))
    }

    /// A `java` that is new enough, installed if need be and possible.
    pub(crate) fn java(&self, progress: Progress) -> Result<PathBuf> {
        self.tool(&JAVA, || self.recent_java(), progress)
    }

    /// Apache Maven, which knows the user's mirrors; installed if need be and possible.
    pub(crate) fn maven(&self, progress: Progress) -> Result<PathBuf> {
        self.tool(&MAVEN, || self.find(MAVEN.program), progress)
    }

    /// npm, which knows the user's registry; installed if need be and possible.
    pub(crate) fn npm(&self, progress: Progress) -> Result<PathBuf> {
        self.tool(&NPM, || self.find(NPM.program), progress)
    }

    fn tool(&self, tool: &Tool, find: impl Fn() -> Option<PathBuf>, progress: Progress) -> Result<PathBuf> {
        if let Some(found) = find() {
            return Ok(found);
        }
        let missing = |remedy: String| Error::Missing { program: tool.program.to_owned(), remedy };
        let Some(apt) = self.find("apt-get").filter(|_| self.may_install) else {
            return Err(missing(tool.remedy.to_owned()));
        };
        progress.say(format!("{} is missing: installing it with apt-get …", tool.name));
        let words = self.install(&apt, tool.packages)?;
        find().ok_or_else(|| missing(format!("`apt-get install` failed ({words}); {}", tool.remedy)))
    }

    fn recent_java(&self) -> Option<PathBuf> {
        let at_home = self.java_home.as_ref().map(|home| home.join("bin/java"));
        let found = [at_home, self.find("java")].into_iter().flatten();
        found
            .filter(|java| is_executable(java))
            .find(|java| java_version(java).is_some_and(|version| version >= OLDEST_JAVA))
    }

    /// A command of this machine: its children find the same programs.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.search_path).stdin(Stdio::null());
        command
    }

    /// The embedded engine is published for few platforms.
    pub(crate) fn require_embedded_engine(&self) -> Result<()> {
        if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
            return Ok(());
        }
        let libc = if cfg!(target_env = "musl") { " with musl" } else { "" };
        let found = format!("{} on {}{libc}", std::env::consts::OS, std::env::consts::ARCH);
        Err(Error::Platform { found })
    }

    /// Lets apt-get install the first package that it knows; returns its last words, which matter when that brought none.
    fn install(&self, apt: &Path, packages: &[&str]) -> Result<String> {
        let run = |arguments: &[&str]| {
            let mut command = self.command(apt);
            command.args(["-y", "-q"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
            command.output().map_err(|source| Error::Run { program: "apt-get".to_owned(), source })
        };
        run(&["update"])?;
        let mut words = String::new();
        for package in packages {
            let output = run(&["install", "--no-install-recommends", package])?;
            words = last_words(&output.stderr);
            if output.status.success() {
                break;
            }
        }
        Ok(words)
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|entry| entry.is_file() && entry.permissions().mode() & 0o111 != 0)
}

/// The feature release of a Java runtime: 17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_402"`.
fn java_version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").stdin(Stdio::null()).output().ok()?;
    feature_release(&String::from_utf8_lossy(&output.stderr))
}

fn feature_release(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_names_its_release_in_several_ways() {
        let releases = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("Unable to locate a Java Runtime", None),
        ];
        for (text, release) in releases {
            assert_eq!(feature_release(text), release, "{text}");
        }
    }

    fn program(folder: &Path, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn root_on_debian_gets_java_from_apt() {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "later", "echo 'openjdk version \"17.0.1\"' >&2");
        // An older distribution: it does not know the first package, nor any before it was updated.
        let script = r#"cd "$(dirname "$0")"
            case "$*" in
                *update*) touch updated ;;
                *openjdk-17-jre-headless) [ -e updated ] && mv later java ;;
                *) exit 100 ;;
            esac"#;
        program(folder.path(), "apt-get", script);
        let machine = Machine { may_install: true, ..Machine::with_only(folder.path()) };
        assert_eq!(machine.java(Progress::Silent).unwrap(), folder.path().join("java"));
    }

    #[test]
    fn what_apt_says_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "apt-get", "echo 'E: No space left on device' >&2; exit 100");
        let machine = Machine { may_install: true, ..Machine::with_only(folder.path()) };
        let error = machine.java(Progress::Silent).unwrap_err().to_string();
        assert!(error.contains("`apt-get install` failed (E: No space left on device); install a Java"), "{error}");
    }

    #[test]
    fn javas_home_goes_before_the_path_unless_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let (path, home) = (folder.path().join("path"), folder.path().join("home"));
        std::fs::create_dir_all(home.join("bin")).unwrap();
        std::fs::create_dir(&path).unwrap();
        program(&path, "java", "echo 'openjdk version \"21\"' >&2");
        program(&home.join("bin"), "java", "echo 'openjdk version \"17\"' >&2");
        let machine = Machine { java_home: Some(home.clone()), ..Machine::with_only(&path) };
        assert_eq!(machine.java(Progress::Silent).unwrap(), home.join("bin/java"));
        program(&home.join("bin"), "java", "echo 'openjdk version \"11\"' >&2");
        assert_eq!(machine.java(Progress::Silent).unwrap(), path.join("java"));
    }

    #[test]
    fn a_missing_java_says_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let error = Machine::with_only(empty.path()).java(Progress::Silent).unwrap_err();
        assert_eq!(
            error.to_string(),
            "java is missing: install a Java runtime of version 17 or newer \
             (Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`)"
        );
    }
}
