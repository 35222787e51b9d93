//! One Apache Kafka node (broker and controller in one process) on loopback ports.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, FileContext, Result};
use crate::parts::{Cache, KAFKA_VERSION};
use crate::ports;
use crate::process::{Launch, Running};

/// Where one node keeps everything.
pub(crate) struct Kafka {
    folder: PathBuf,
}

impl Kafka {
    pub(crate) const VERSION: &str = KAFKA_VERSION;

    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.folder.join("kafka.pid")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("kafka.log")
    }

    /// Starts the node; it does not answer yet.
    pub(crate) fn launch(&self, cache: &Cache, port: u16) -> Result<Running> {
        let java = cache.java()?;
        let jars = cache.kafka()?;
        fs::create_dir_all(&self.folder).during("make", &self.folder)?;
        // Only the node itself uses it, so it may be another one at every start.
        let controller_port = ports::pick(1)?[0];
        let properties = self.folder.join("server.properties");
        fs::write(&properties, self.properties(port, controller_port)).during("write", &properties)?;
        let logging = self.folder.join("log4j2.properties");
        fs::write(&logging, LOGGING).during("write", &logging)?;
        let class_path = format!("{}/*", jars.display());
        self.format(cache, &java, &class_path, &properties)?;
        let arguments = [
            // Half a gigabyte is enough for a broker of one machine; most of its memory is the page cache anyway.
            "-Xms128m".into(),
            "-Xmx512m".into(),
            "-XX:+ExitOnOutOfMemoryError".into(),
            "-Djava.awt.headless=true".into(),
            format!("-Dlog4j2.configurationFile=file:{}", logging.display()).into(),
            "-cp".into(),
            class_path.into(),
            "kafka.Kafka".into(),
            properties.into(),
        ];
        let (log, pid_file) = (self.log(), self.pid_file());
        Launch { program: java.into(), arguments: arguments.into(), log: &log, pid_file: &pid_file }.start()
    }

    /// Gives the storage its identity, once. A marker says that it is done, since a killed attempt leaves half of it.
    fn format(&self, cache: &Cache, java: &Path, class_path: &str, properties: &Path) -> Result<()> {
        let marker = self.folder.join("formatted");
        if marker.exists() {
            return Ok(());
        }
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).during("remove", &data)?;
        }
        // 16 bytes in Kafka's base64: 22 characters, of which the last has four bits to spare.
        let cluster_id = format!("{}A", &uuid::Uuid::new_v4().simple().to_string()[..21]);
        let output = cache
            .machine()
            .command(java)
            // Formatting is over in a second, so time spent compiling is lost.
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", class_path])
            .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", &cluster_id, "-c"])
            .arg(properties)
            .output()
            .map_err(|source| Error::Run { program: "java".to_owned(), source })?;
        if !output.status.success() {
            let log = self.log();
            fs::write(&log, [output.stdout, output.stderr].concat()).during("write", &log)?;
            return Err(Error::Died { part: "Kafka", tail: crate::process::tail(&log), log });
        }
        fs::write(&marker, cluster_id).during("write", &marker)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn properties(&self, port: u16, controller_port: u16) -> String {
        let data = self.data();
        format!(
            "# Written at every start; changes here are lost.\n\
             process.roles=broker,controller\n\
             node.id=1\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}\n\
             controller.listener.names=CONTROLLER\n\
             inter.broker.listener.name=PLAINTEXT\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}\n\
             log.dirs={}\n\
             {SETTINGS}",
            data.display()
        )
    }
}

/// What one node on a small machine wants otherwise than a cluster.
const SETTINGS: &str = "\
# One node holds everything once.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
# A group of a test or demo must not wait for members that never come.
group.initial.rebalance.delay.ms=0
# After a kill the broker's old session must lapse before the new one is accepted.
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=1000
# A misspelt topic is an error, not a new topic.
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
";

/// Everything goes to standard output, which is the log file.
const LOGGING: &str = "\
status = error
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = stdout
# Every configuration value of every component at every start.
logger.config.name = org.apache.kafka.common.config.AbstractConfig
logger.config.level = warn
";

/// What a broker says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) cluster_id: Option<String>,
}

/// Asks for the cluster's metadata, and fails unless a broker is ready for work.
///
/// The request is written by hand, so that this crate needs no Kafka client.
pub(crate) fn ask(address: &str, patience: Duration) -> io::Result<Answer> {
    let resolved: SocketAddr = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&resolved, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&METADATA_REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST_ANSWER_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not Kafka's"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    parse(&body).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no broker is ready yet"))
}

const LARGEST_ANSWER_BYTES: usize = 1 << 20;

/// Length, then Metadata (3) in version 7, correlation id 1, no client id, no topics, create none.
const METADATA_REQUEST: [u8; 19] = [0, 0, 0, 15, 0, 3, 0, 7, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0];

/// Reads as far as the cluster id; `None` without a broker.
fn parse(body: &[u8]) -> Option<Answer> {
    let mut rest = body.get(8..)?; // correlation id and throttle time
    let brokers = take_i32(&mut rest)?;
    for _ in 0..brokers {
        take_i32(&mut rest)?; // node id
        take_string(&mut rest)?; // host
        take_i32(&mut rest)?; // port
        take_string(&mut rest)?; // rack
    }
    let cluster_id = take_string(&mut rest)?;
    (brokers > 0).then_some(Answer { cluster_id })
}

fn take_i32(rest: &mut &[u8]) -> Option<i32> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(i32::from_be_bytes(*head))
}

/// The outer `None` is a short answer, the inner one Kafka's null.
fn take_string(rest: &mut &[u8]) -> Option<Option<String>> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    let Ok(length) = usize::try_from(i16::from_be_bytes(*head)) else {
        return Some(None);
    };
    let (text, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(Some(String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_brokers_is_none() {
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        body.extend_from_slice(&[0, 2, b'i', b'd']);
        assert_eq!(parse(&body), None);
    }

    #[test]
    fn an_answer_names_its_cluster() {
        let mut body = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        body.extend_from_slice(&[0, 0, 0, 1, 0, 1, b'h', 0, 0, 0x23, 0x84, 0xff, 0xff]);
        body.extend_from_slice(&[0, 2, b'i', b'd']);
        assert_eq!(parse(&body), Some(Answer { cluster_id: Some("id".to_owned()) }));
        for cut in 0..body.len() {
            assert_eq!(parse(&body[..cut]), None, "cut at {cut}");
        }
    }
}
