//! One ClickHouse on a loopback port: a server if the machine has the program, else the embedded engine behind our front.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{FileContext, Result};
use crate::parts::{CHDB_VERSION, Cache};
use crate::process::{Launch, Running};

/// What answers on ClickHouse's port. A stack keeps its engine, since each has data of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Engine {
    /// `clickhouse server`, found on PATH.
    Server,
    /// `libchdb.so` behind the HTTP front of this crate.
    Embedded,
}

/// Where one ClickHouse keeps everything.
pub(crate) struct ClickHouse {
    folder: PathBuf,
}

impl ClickHouse {
    pub(crate) const EMBEDDED_VERSION: &str = CHDB_VERSION;
    /// The server's program; also the folder name of its data.
    const PROGRAM: &str = "clickhouse";

    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("clickhouse.pid")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("clickhouse.log")
    }

    /// The engine that a new stack on this machine gets.
    pub(crate) fn preferred(cache: &Cache) -> Engine {
        match cache.machine().find(Self::PROGRAM) {
            Some(_) => Engine::Server,
            None => Engine::Embedded,
        }
    }

    /// Starts the engine; it does not answer yet.
    pub(crate) fn launch(&self, cache: &Cache, engine: Engine, front: &[OsString], port: u16) -> Result<Running> {
        fs::create_dir_all(&self.folder).during("make", &self.folder)?;
        let (program, arguments) = match engine {
            Engine::Server => self.server(cache, port)?,
            Engine::Embedded => self.front(cache, front, port)?,
        };
        let (log, pid_file) = (self.log(), self.pid_file());
        Launch { program, arguments, log: &log, pid_file: &pid_file }.start()
    }

    fn front(&self, cache: &Cache, front: &[OsString], port: u16) -> Result<(OsString, Vec<OsString>)> {
        let library = cache.chdb()?;
        let data = self.folder.join("embedded");
        fs::create_dir_all(&data).during("make", &data)?;
        let (program, leading) =
            front.split_first().map_or_else(Default::default, |(program, leading)| (program.clone(), leading.to_vec()));
        let own = [
            "--port".into(),
            port.to_string().into(),
            "--data".into(),
            data.into(),
            "--library".into(),
            library.into(),
        ];
        Ok((program, [leading, own.into()].concat()))
    }

    fn server(&self, cache: &Cache, port: u16) -> Result<(OsString, Vec<OsString>)> {
        let program = cache.machine().find(Self::PROGRAM).unwrap_or_else(|| Self::PROGRAM.into());
        let configuration = self.folder.join("server.xml");
        fs::write(&configuration, server_configuration(&self.folder.join("server"), port))
            .during("write", &configuration)?;
        let mut file = OsString::from("--config-file=");
        file.push(&configuration);
        Ok((program.into(), vec!["server".into(), file]))
    }
}

/// A server of one machine: loopback only, HTTP only, one user without a password.
fn server_configuration(data: &Path, port: u16) -> String {
    let data = data.display();
    format!(
        r#"<!-- Written at every start; changes here are lost. -->
<clickhouse>
    <logger><level>information</level><console>true</console></logger>
    <listen_host>127.0.0.1</listen_host>
    <http_port>{port}</http_port>
    <path>{data}/</path>
    <tmp_path>{data}/tmp/</tmp_path>
    <user_files_path>{data}/user_files/</user_files_path>
    <format_schema_path>{data}/format_schemas/</format_schema_path>
    <mark_cache_size>268435456</mark_cache_size>
    <users>
        <default>
            <password></password>
            <networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile>
            <quota>default</quota>
            <access_management>1</access_management>
        </default>
    </users>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
</clickhouse>
"#
    )
}

/// Asks a local ClickHouse one question over plain HTTP and returns the answer's body.
pub(crate) fn get(port: u16, target: &str, patience: Duration) -> io::Result<String> {
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    // HTTP/1.0 spares us chunks and kept connections.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split_whitespace().nth(1) == Some("200") => Ok(body.trim().to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, answer.lines().next().unwrap_or_default().to_owned())),
    }
}

const LARGEST_ANSWER_BYTES: u64 = 1 << 16;
