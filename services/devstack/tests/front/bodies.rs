//! Bodies of inserts: every byte as it was sent, all of them or none.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use ureq::SendBody;

use crate::running::{eventually, front, read};

#[test]
fn blank_lines_and_semicolons_are_data() {
    let front = front();
    front.run("CREATE DATABASE bytes");
    front.run("CREATE TABLE bytes.t (n UInt8, s String) ENGINE = MergeTree ORDER BY n");
    let text = "a;\n\nSELECT 1;\n\n';--\0\u{1}é\n\n";
    let mut binary = Vec::new();
    for n in 0..3 {
        binary.extend([n, u8::try_from(text.len()).unwrap()]);
        binary.extend(text.as_bytes());
    }
    let json = format!("{}\n\n\n", serde_json::json!({"n": 3, "s": text}));
    let cases: [(&str, &[u8]); 4] = [
        ("INSERT INTO bytes.t FORMAT RowBinary", &binary),
        ("INSERT INTO bytes.t FORMAT JSONEachRow", json.as_bytes()),
        ("INSERT INTO bytes.t VALUES", b"(4, 'a;\n\nSELECT 1;\n\n\\';--\\0\x01\xc3\xa9\n\n'), (5, 'other')"),
        ("INSERT INTO bytes.t FORMAT CSV", b"6,\"x;\n\ny\"\n"),
    ];
    for (statement, rows) in cases {
        let answer = front.insert(statement, &[], rows);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.body);
        // The same again with statement and rows in one body.
        let whole = [statement.as_bytes(), b"\n", rows].concat();
        let answer = read(front.post(&[], &[], SendBody::from_reader(&mut &whole[..])));
        assert_eq!(answer.status, 200, "{statement}: {}", answer.body);
    }
    let stored = front.run_with(
        "SELECT n, count(), any(s) = {text:String} FROM bytes.t GROUP BY n ORDER BY n",
        &[("param_text", &text.replace('\\', "\\\\").replace('\n', "\\n").replace('\0', "\\0"))],
    );
    assert_eq!(stored, "0\t2\t1\n1\t2\t1\n2\t2\t1\n3\t2\t1\n4\t2\t1\n5\t2\t0\n6\t2\t0\n");
    assert_eq!(front.run("SELECT DISTINCT s FROM bytes.t WHERE n = 6 FORMAT JSONCompactEachRow"), "[\"x;\\n\\ny\"]\n");
}

/// An ArrowStream of `pieces` record batches, and where each ends.
fn arrow_stream(pieces: u64, rows: u64) -> (Vec<u8>, Vec<usize>) {
    let select = |from: u64, rows: u64| {
        let query = format!("SELECT number + {from} AS a, toString(a) AS s FROM numbers({rows}) FORMAT ArrowStream");
        let mut response =
            front().post(&[("max_block_size", "10000000")], &[], SendBody::from_reader(&mut query.as_bytes()));
        response.body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap()
    };
    const END_BYTES: usize = 8;
    let schema = select(0, 0).len() - END_BYTES;
    let mut stream = select(0, 0)[..schema].to_vec();
    let mut ends = vec![stream.len()];
    for piece in 0..pieces {
        let part = select(piece * rows, rows);
        stream.extend_from_slice(&part[schema..part.len() - END_BYTES]);
        ends.push(stream.len());
    }
    stream.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    (stream, ends)
}

#[test]
fn a_body_cut_at_a_batch_boundary_stores_nothing() {
    let front = front();
    front.run("CREATE DATABASE cut");
    front.run("CREATE TABLE cut.t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    let statement = "INSERT INTO cut.t FORMAT ArrowStream";
    // More rows than the engine's block, so that half of a body fills whole blocks.
    let (stream, ends) = arrow_stream(4, 400_000);
    let log = |i: usize| format!("cut-{i}");
    let mut sent = 0;
    for (i, end) in ends.iter().enumerate() {
        for framing in [format!("Content-Length: {}", stream.len()), "Transfer-Encoding: chunked".into()] {
            let body = match framing.starts_with('C') {
                true => stream[..*end].to_vec(),
                false => [format!("{end:x}\r\n").as_bytes(), &stream[..*end], b"\r\n"].concat(),
            };
            let parameters = [("query", statement), ("log_comment", &log(i))];
            let mut stream = front.half_sent(&parameters, &framing, &body);
            stream.flush().unwrap();
            // Half of them say that they have no more to send, the others just go.
            if i % 2 == 0 {
                stream.shutdown(Shutdown::Write).unwrap();
            }
            sent += 1;
        }
    }
    assert_eq!(sent, 10);
    eventually("no insert runs", Duration::from_secs(10), || {
        front.run("SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE 'cut-%'") == "0\n"
    });
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(front.run("SELECT count() FROM cut.t"), "0\n");
    assert_eq!(front.insert(statement, &[], &stream).status, 200);
    assert_eq!(front.run("SELECT count(), uniqExact(a) FROM cut.t"), "1600000\t1600000\n");
    front.run("TRUNCATE TABLE cut.t");
}

#[test]
fn an_error_is_seen_by_a_client_that_still_sends() {
    let front = front();
    let rows = vec![b'1'; 20 << 20];
    for (name, value) in [("session_timeout", "99999"), ("query_id", "sends"), ("no_such_setting", "1")] {
        let answer = front.insert("INSERT INTO nowhere FORMAT TSV", &[(name, value), ("session_id", "sends")], &rows);
        assert!(answer.status >= 400 && answer.body.starts_with("Code: "), "{answer:?}");
    }
}

#[test]
fn a_packed_body_cut_short_stores_nothing() {
    let front = front();
    front.run("CREATE DATABASE packed");
    front.run("CREATE TABLE packed.t (a UInt64) ENGINE = MergeTree ORDER BY a");
    let rows: String = (0..50_000).map(|i| format!("{i}\n")).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(rows.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let send = |body: &[u8]| {
        let headers = [("content-encoding", "gzip")];
        read(front.post(
            &[("query", "INSERT INTO packed.t FORMAT TSV")],
            &headers,
            SendBody::from_reader(&mut &body[..]),
        ))
    };
    let cut = send(&gzip[..gzip.len() / 2]);
    assert!(cut.status >= 400 && cut.body.contains("nothing was run"), "{}", cut.body);
    assert_eq!(front.run("SELECT count() FROM packed.t"), "0\n");
    assert_eq!(send(&gzip).status, 200);
    assert_eq!(front.run("SELECT count() FROM packed.t"), "50000\n");
}
