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
    /// What users are told to install.
    what: &'static str,
    /// Debian packages that bring it; the first that exists is installed.
    packages: &'static [&'static str],
}

const JAVA: Tool = Tool {
    program: "java",
    what: "a Java runtime of version 17 or newer (Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`)",
    packages: &[
        "openjdk-21-jre-headless",
        "openjdk-17-jre-headless",
        "openjdk-25-jre-headless",
    ],
};
const MAVEN: Tool = Tool {
    program: "mvn",
    what: "Apache Maven, which fetches Kafka's jars (Debian and Ubuntu: `apt-get install maven`)",
    packages: &["maven"],
};
const NPM: Tool = Tool {
    program: "npm",
    what: "npm, which fetches the embedded ClickHouse engine (Debian and Ubuntu: `apt-get install npm`)",
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
            java_home: std::env::var_os("JAVA_HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from),
            may_install: is_root && Path::new("/etc/debian_version").exists(),
        }
    }

    /// A machine that has only the programs of one folder and can install none.
    pub fn with_only(folder: &Path) -> Self {
        Self {
            search_path: folder.as_os_str().to_owned(),
            java_home: None,
            may_install: false,
        }
    }

    /// Finds a program the way a shell does.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        std::env::split_paths(&self.search_path)
            .map(|folder| folder.join(program))
            .find(|path| is_executable(path))
    }

    /// A `java` that is new enough.
    pub(crate) fn java(&self, progress: Progress) -> Result<PathBuf> {
        let at_home = self
            .java_home
            .as_ref()
            .map(|home| home.join("bin/java"))
            .filter(|java| is_executable(java));
        let recent =
            |java: &PathBuf| java_version(java).is_some_and(|version| version >= OLDEST_JAVA);
        if let Some(java) = at_home.or_else(|| self.find(JAVA.program)).filter(recent) {
            return Ok(java);
        }
        self.install(&JAVA, progress)?;
        // A package manager puts it where PATH finds it, though an older one may still come first there.
        self.find(JAVA.program)
            .filter(recent)
            .ok_or_else(|| JAVA.missing())
    }

    /// Apache Maven.
    pub(crate) fn maven(&self, progress: Progress) -> Result<PathBuf> {
        self.require(&MAVEN, progress)
    }

    /// npm.
    pub(crate) fn npm(&self, progress: Progress) -> Result<PathBuf> {
        self.require(&NPM, progress)
    }

    /// A command of this machine: its children find the same programs.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.search_path).stdin(Stdio::null());
        command
    }

    /// The embedded engine is published for few platforms.
    pub(crate) fn require_embedded_engine(&self) -> Result<()> {
        if cfg!(all(
            target_os = "linux",
            target_arch = "x86_64",
            target_env = "gnu"
        )) {
            return Ok(());
        }
        let libc = if cfg!(target_env = "musl") {
            " with musl"
        } else {
            ""
        };
        let found = format!(
            "{} on {}{libc}",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        Err(Error::Platform { found })
    }

    fn require(&self, tool: &Tool, progress: Progress) -> Result<PathBuf> {
        if let Some(found) = self.find(tool.program) {
            return Ok(found);
        }
        self.install(tool, progress)?;
        self.find(tool.program).ok_or_else(|| tool.missing())
    }

    fn install(&self, tool: &Tool, progress: Progress) -> Result<()> {
        let Some(apt) = self.find("apt-get").filter(|_| self.may_install) else {
            return Err(tool.missing());
        };
        progress.say(format_args!(
            "{} is missing: installing it with apt-get",
            tool.program
        ));
        let run = |arguments: &[&str]| {
            let mut command = self.command(&apt);
            command
                .args(["-y", "-q"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive");
            command.output().map_err(|source| Error::Run {
                program: "apt-get".to_owned(),
                source,
            })
        };
        run(&["update"])?;
        let mut words = String::new();
        for package in tool.packages {
            let output = run(&["install", "--no-install-recommends", package])?;
            if output.status.success() {
                return Ok(());
            }
            words = last_words(&output.stderr);
        }
        let remedy = format!("`apt-get install` failed ({words}); install {}", tool.what);
        Err(Error::Missing {
            program: tool.program.to_owned(),
            remedy,
        })
    }
}

impl Tool {
    fn missing(&self) -> Error {
        Error::Missing {
            program: self.program.to_owned(),
            remedy: format!("install {}", self.what),
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|entry| entry.is_file() && entry.permissions().mode() & 0o111 != 0)
}

/// The feature release of a Java runtime: 17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_402"`.
fn java_version(java: &Path) -> Option<u32> {
    let output = Command::new(java)
        .arg("-version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    feature_release(&String::from_utf8_lossy(&output.stderr))
}

fn feature_release(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    version
        .split(|character: char| !character.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_names_its_release_in_several_ways() {
        let releases = [
            (
                "openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime",
                Some(17),
            ),
            ("java version \"1.8.0_402\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("Unable to locate a Java Runtime", None),
        ];
        for (text, release) in releases {
            assert_eq!(feature_release(text), release, "{text}");
        }
    }

    #[test]
    fn a_missing_program_says_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let machine = Machine::with_only(empty.path());
        let sentences = [
            machine.java(Progress::Silent).unwrap_err().to_string(),
            machine.maven(Progress::Silent).unwrap_err().to_string(),
            machine.npm(Progress::Silent).unwrap_err().to_string(),
        ];
        insta::assert_snapshot!(sentences.join("\n"), @r"
        java is missing: install a Java runtime of version 17 or newer (Debian and Ubuntu: `apt-get install openjdk-17-jre-headless`)
        mvn is missing: install Apache Maven, which fetches Kafka's jars (Debian and Ubuntu: `apt-get install maven`)
        npm is missing: install npm, which fetches the embedded ClickHouse engine (Debian and Ubuntu: `apt-get install npm`)
        ");
    }
}
