//! Fetching a file over HTTPS by ourselves, for machines that lack the program that would fetch it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::error::{Error, FileContext, Result};

/// How often a transfer that makes no headway is tried again.
const ATTEMPTS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(30);

/// Fetches `url` into `file`; a cut transfer goes on where it stopped. `seen` hears how many bytes are there.
///
/// Proxies come from the environment and certificates from the system. The caller checks what came.
pub(super) fn download(part: &str, url: &str, file: &Path, mut seen: impl FnMut(u64)) -> Result<()> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .timeout_connect(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .build()
        .into();
    let mut target = OpenOptions::new().create(true).append(true).open(file).during("open", file)?;
    let (mut failures, mut had) = (0, 0);
    loop {
        let cause = match transfer(&agent, url, &mut target, &mut seen) {
            Ok(()) => return Ok(()),
            Err(Failure::Disk(error)) => return Err(error).during("write", file),
            Err(Failure::Refused(status)) => {
                return Err(not_fetched(part, url, &format!("the server answers {status}")));
            }
            Err(Failure::Cut(cause)) => cause,
        };
        let have = length(&target);
        failures = if have > had { 1 } else { failures + 1 };
        had = have;
        if failures == ATTEMPTS {
            return Err(not_fetched(part, url, &cause));
        }
        std::thread::sleep(Duration::from_millis(300) * failures);
    }
}

enum Failure {
    /// Worth another try.
    Cut(String),
    /// The server will say the same again.
    Refused(u16),
    /// The file cannot be written.
    Disk(io::Error),
}

/// One request for what is still missing.
fn transfer(
    agent: &Agent,
    url: &str,
    target: &mut File,
    seen: &mut impl FnMut(u64),
) -> std::result::Result<(), Failure> {
    let cut = |error: &dyn std::fmt::Display| Failure::Cut(error.to_string());
    let mut have = length(target);
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| cut(&error))?;
    match response.status().as_u16() {
        206 if have > 0 => {}
        // The server begins anew, with or without having been asked to go on.
        200 => {
            target.set_len(0).map_err(Failure::Disk)?;
            have = 0;
        }
        status @ (408 | 425 | 429 | 500..) => {
            return Err(cut(&format!("the server answers {status}")));
        }
        status => return Err(Failure::Refused(status)),
    }
    let missing = response.body().content_length();
    let mut body = response.into_body().into_reader();
    let mut block = vec![0; 1 << 16];
    let whole = missing.map(|missing| have + missing);
    loop {
        let read = body.read(&mut block).map_err(|error| cut(&error))?;
        if read == 0 {
            break;
        }
        target.write_all(&block[..read]).map_err(Failure::Disk)?;
        have += read as u64;
        seen(have);
    }
    match whole {
        Some(whole) if have < whole => Err(cut(&"the connection was cut")),
        _ => Ok(()),
    }
}

fn length(file: &File) -> u64 {
    file.metadata().map_or(0, |entry| entry.len())
}

fn not_fetched(part: &str, url: &str, cause: &str) -> Error {
    Error::Fetch { part: part.to_owned(), cause: format!("{url}: {cause}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    /// A server that gives each answer in turn, closing after each; returns its address and what it was asked for.
    fn server(answers: Vec<Vec<u8>>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/part", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let serve = |answer: Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(&stream).lines().map_while(io::Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                stream.write_all(&answer).unwrap();
                let range = head.iter().find(|line| line.to_lowercase().starts_with("range:"));
                range.map_or_else(String::new, |line| line.to_lowercase())
            };
            answers.into_iter().map(serve).collect()
        });
        (url, asked)
    }

    fn answer(head: &str, body: &[u8]) -> Vec<u8> {
        [format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n").as_bytes(), body].concat()
    }

    fn fetched(url: &str) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        download("the part", url, &file, |_| {})?;
        Ok(std::fs::read(file).unwrap())
    }

    #[test]
    fn a_cut_transfer_goes_on_where_it_stopped() {
        let (url, asked) = server(vec![
            answer("200 OK\r\nContent-Length: 10", b"01234"),
            answer("503 Busy\r\nContent-Length: 0", b""),
            answer("206 Partial\r\nContent-Length: 5", b"56"),
            answer("206 Partial\r\nContent-Length: 3", b"789"),
        ]);
        assert_eq!(fetched(&url).unwrap(), b"0123456789");
        assert_eq!(asked.join().unwrap(), ["", "range: bytes=5-", "range: bytes=5-", "range: bytes=7-"]);
    }

    #[test]
    fn a_server_that_cannot_go_on_begins_anew() {
        let (url, _) = server(vec![
            answer("200 OK\r\nContent-Length: 10", b"01234"),
            answer("200 OK\r\nContent-Length: 10", b"0123456789"),
        ]);
        assert_eq!(fetched(&url).unwrap(), b"0123456789");
    }

    #[test]
    fn a_missing_file_is_not_asked_for_again() {
        let (url, asked) = server(vec![answer("404 Not Found\r\nContent-Length: 0", b"")]);
        let error = fetched(&url).unwrap_err().to_string();
        assert!(error.contains("/part: the server answers 404; check the network"), "{error}");
        assert_eq!(asked.join().unwrap().len(), 1);
    }

    #[test]
    fn a_server_that_is_not_there_is_given_up() {
        let error = fetched("http://127.0.0.1:1/part").unwrap_err().to_string();
        assert!(error.starts_with("could not fetch the part: http://127.0.0.1:1/part: "), "{error}");
    }
}
