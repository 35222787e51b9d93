//! Ports on the loopback address: free ones, and who holds the others.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

/// Whether a server could listen on this port now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Refuses a port on which somebody listens already.
pub(crate) fn require_free(port: u16, part: &'static str, flag: &'static str) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let holder = holder(port).unwrap_or_else(|| "another program".to_owned());
    Err(Error::PortTaken { port, part, holder, flag })
}

/// `count` different ports that are free now.
pub(crate) fn pick(count: usize) -> Result<Vec<u16>> {
    let pick = || -> std::io::Result<Vec<u16>> {
        // All are held until the last is known, so that none comes twice.
        let held: Vec<TcpListener> =
            (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
        held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
    };
    pick().map_err(|source| Error::Run { program: "a search for free ports".to_owned(), source })
}

/// The program that listens on a port, as "java (pid 123)", if the system lets this user see it.
fn holder(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_sockets(&table, port))
        .collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()));
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The names under which `/proc/<pid>/fd` shows the sockets that listen on `port`.
fn listening_sockets(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == LISTEN;
            listens.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_the_name_of_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let refusal = require_free(port, "Kafka", "--kafka-port").unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("port {port} for Kafka is taken by ")), "{refusal}");
        assert!(refusal.contains(&format!("(pid {})", std::process::id())), "{refusal}");
        assert!(refusal.ends_with("choose another port with --kafka-port"), "{refusal}");
        drop(listener);
        assert!(require_free(port, "Kafka", "--kafka-port").is_ok());
    }

    #[test]
    fn picked_ports_differ() {
        let mut ports = pick(8).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 8);
    }
}
