//! Servers of the user's own, named by the environment: looked at, never started or stopped.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::Url;

use crate::part::Part;

/// Names Kafka's bootstrap brokers.
pub(crate) const KAFKA_VARIABLE: &str = "KAFKA_BROKERS";
/// Names ClickHouse's HTTP interface.
pub(crate) const CLICKHOUSE_VARIABLE: &str = "CLICKHOUSE_URL";

/// The variable that names the user's own server for a part.
pub(crate) fn variable(part: Part) -> &'static str {
    match part {
        Part::Kafka => KAFKA_VARIABLE,
        Part::ClickHouse => CLICKHOUSE_VARIABLE,
    }
}

/// Whether somebody listens there. Credentials and TLS are the business of the real clients.
pub(crate) fn answers(part: Part, address: &str) -> Result<(), String> {
    match part {
        Part::Kafka => {
            let answer = |broker: &str| connect(broker.trim());
            let mut last = Err("it names no broker".to_owned());
            for broker in address.split(',').filter(|broker| !broker.trim().is_empty()) {
                last = answer(broker);
                if last.is_ok() {
                    break;
                }
            }
            last
        }
        Part::ClickHouse => {
            let url = Url::parse(address).map_err(|error| format!("it is not a URL: {error}"))?;
            let host = url.host_str().ok_or("the URL names no host")?;
            let port = url.port_or_known_default().unwrap_or(8123);
            connect(&format!("{host}:{port}"))
        }
    }
}

/// The port of an address that names one server on this machine.
pub(crate) fn local_port(part: Part, address: &str) -> Option<u16> {
    let url = match part {
        Part::Kafka => Url::parse(&format!("kafka://{}", address.trim())),
        Part::ClickHouse => Url::parse(address.trim()),
    };
    let url = url.ok()?;
    let is_local = matches!(url.host_str()?, "127.0.0.1" | "localhost");
    let port = url.port_or_known_default()?;
    (is_local && url.scheme() != "https").then_some(port)
}

fn connect(address: &str) -> Result<(), String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let resolved = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let mut last = "the name has no address".to_owned();
    for address in resolved {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => return Ok(()),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// An address that may be shown: URLs may hold a user and password.
pub(crate) fn without_credentials(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if url.has_host() => {
            // Both fail only for URLs without a host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.as_str().trim_end_matches('/').to_owned()
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        assert_eq!(without_credentials("https://me:secret@ch.example:8443/?password=x"), "https://ch.example:8443");
        assert_eq!(without_credentials("kafka-1:9092,kafka-2:9092"), "kafka-1:9092,kafka-2:9092");
    }

    #[test]
    fn ports_of_this_machine_are_read_from_addresses() {
        let kafka = |address| local_port(Part::Kafka, address);
        assert_eq!((kafka("127.0.0.1:9092"), kafka(" localhost:9092 ")), (Some(9092), Some(9092)));
        for other in ["", "127.0.0.1", "kafka-1:9092", "127.0.0.1:9092,127.0.0.1:9093", "10.0.0.1:9092"] {
            assert_eq!(kafka(other), None, "{other}");
        }
        let clickhouse = |address| local_port(Part::ClickHouse, address);
        assert_eq!((clickhouse("http://127.0.0.1:8123/"), clickhouse("http://localhost")), (Some(8123), Some(80)));
        for other in ["127.0.0.1:8123", "https://localhost:8443", "http://ch.example:8123"] {
            assert_eq!(clickhouse(other), None, "{other}");
        }
    }

    #[test]
    fn a_server_that_is_not_there_is_said_to_be_so() {
        assert!(answers(Part::Kafka, "127.0.0.1:1").is_err());
        assert!(answers(Part::ClickHouse, "127.0.0.1:1").unwrap_err().contains("URL"));
        assert_eq!(answers(Part::Kafka, " , "), Err("it names no broker".to_owned()));
    }
}
