//! Results: whole in every format, in little memory, and gone with the client that asked.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::SendBody;

use crate::running::{Front, eventually, front, read};

const ROWS: u64 = 1_000_000;

/// So that a test that fails ends.
const LIMIT: (&str, &str) = ("max_execution_time", "60");

const COLUMNS: &str = "n UInt64, s String, word LowCardinality(String), maybe Nullable(Int32), list Array(Int64), \
    map Map(LowCardinality(String), UInt16), at DateTime64(3, 'UTC'), id UUID, wide UInt128, yes Bool, money Decimal(18, 4)";

#[test]
fn a_million_rows_are_the_same_in_every_format() {
    let front = front();
    front.run("CREATE DATABASE formats");
    for table in ["source", "copy"] {
        front.run(&format!("CREATE TABLE formats.{table} ({COLUMNS}) ENGINE = MergeTree ORDER BY n"));
    }
    front.run(&format!(
        "INSERT INTO formats.source SELECT number, concat('a;\\n\\n\\t\\'\"\\\\é', toString(number)), \
         ['web', 'form', ''][number % 3 + 1], if(number % 5 = 0, NULL, number), [number, -number], \
         map('k', number % 60000), fromUnixTimestamp64Milli(toInt64(1700000000000 + number), 'UTC'), \
         toUUID('00112233-4455-6677-8899-aabbccddeeff'), toUInt128(number) * toUInt128('18446744073709551616') + 1, \
         number % 2 = 0, number / 7 FROM numbers({ROWS})"
    ));
    let digest = |table: &str| front.run(&format!("SELECT count(), sum(cityHash64(*)), max(n) FROM formats.{table}"));
    let expected = digest("source");
    assert!(expected.starts_with("1000000\t"));
    let settings = [("date_time_input_format", "best_effort")];
    let formats = [
        "Native",
        "RowBinaryWithNamesAndTypes",
        "ArrowStream",
        "JSONEachRow",
        "CSVWithNames",
        "TabSeparatedWithNamesAndTypes",
        "Parquet",
    ];
    for format in formats {
        let query = format!("SELECT * FROM formats.source FORMAT {format}");
        let result = front.post(&[], &[], SendBody::from_reader(&mut query.as_bytes()));
        assert_eq!(result.headers()["x-clickhouse-format"], format);
        let statement = format!("INSERT INTO formats.copy FORMAT {format}");
        let parameters = [&settings[..], &[("query", &statement)]].concat();
        // Out of one request and into the next.
        let answer = read(front.post(&parameters, &[], SendBody::from_owned_reader(result.into_body().into_reader())));
        assert_eq!(answer.status, 200, "{format}: {}", answer.body);
        assert_eq!(digest("copy"), expected, "{format}");
        front.run("TRUNCATE TABLE formats.copy");
    }
    let json = front.post(&[], &[], SendBody::from_reader(&mut &b"SELECT n FROM formats.source FORMAT JSON"[..]));
    let json: serde_json::Value = serde_json::from_reader(json.into_body().into_reader()).unwrap();
    assert_eq!(json["rows"], ROWS);
    assert_eq!(json["data"].as_array().unwrap().len() as u64, ROWS);
    front.run("DROP DATABASE formats");
}

#[test]
fn two_gigabytes_pass_through_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let front = Front::start(folder.path());
    let query = "SELECT number, repeat('x', 1000) FROM numbers(2100000) FORMAT RowBinary";
    let mut body = front.post(&[], &[], SendBody::from_reader(&mut query.as_bytes())).into_body().into_reader();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0u64;
    loop {
        match body.read(&mut buffer).unwrap() {
            0 => break,
            n => bytes += n as u64,
        }
    }
    assert_eq!(bytes, 2_100_000 * (8 + 2 + 1000));
    let peak = front.peak_memory();
    assert!(peak < 1 << 30, "{} MB", peak >> 20);
}

#[test]
fn a_query_ends_with_its_client() {
    let front = front();
    let queries = [
        "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(cityHash64(number))",
        "SELECT number FROM numbers(1000000000000)",
        "INSERT INTO FUNCTION null('a UInt64') SELECT number FROM numbers(1000000000000)",
    ];
    for query in queries {
        let running =
            || front.run("SELECT count() FROM system.processes WHERE Settings['log_comment'] = 'left alone'") == "1\n";
        let parameters = [("log_comment", "left alone"), ("max_threads", "1"), LIMIT];
        let client = front.half_sent(&parameters, &format!("Content-Length: {}", query.len()), query.as_bytes());
        eventually(query, Duration::from_secs(10), running);
        drop(client);
        let left = Instant::now();
        eventually(query, Duration::from_secs(5), || !running());
        println!("gone {:?} after its client: {query}", left.elapsed());
    }
}

#[test]
fn a_query_is_killed_by_its_clients_id() {
    let front = front();
    std::thread::scope(|scope| {
        let id = [("query_id", "to be killed"), LIMIT];
        let query = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(cityHash64(number))";
        let killed = scope.spawn(move || front.ask(query, &id));
        eventually("the query runs", Duration::from_secs(10), || {
            front.run("SELECT count() FROM system.processes WHERE Settings['chdb_client_name'] = 'to be killed'")
                == "1\n"
        });
        let same = front.ask("SELECT 1", &id);
        assert_eq!(same.header("x-clickhouse-exception-code"), "216");
        front.run("KILL QUERY WHERE query_id = 'to be killed'");
        assert_eq!(killed.join().unwrap().header("x-clickhouse-exception-code"), "394");
    });
}

#[test]
fn a_failure_in_the_middle_is_seen() {
    let front = front();
    let query = "SELECT number, throwIf(number = 900000, 'too late') FROM numbers(1000000) FORMAT RowBinary";
    // Its beginning has gone out: the transfer breaks, and its last words are the error.
    let response = front.post(&[], &[], SendBody::from_reader(&mut query.as_bytes()));
    assert_eq!(response.status(), 200);
    let tag = response.headers()["x-clickhouse-exception-tag"].to_str().unwrap().to_owned();
    let mut bytes = Vec::new();
    assert!(response.into_body().into_reader().read_to_end(&mut bytes).is_err());
    let end = String::from_utf8_lossy(&bytes[bytes.len() - 400..]).into_owned();
    assert!(end.contains("Code: 395. DB::Exception: too late"), "{end}");
    assert!(end.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{end}");
    // Held back until its end, it is an error from the first word.
    let answer = front.ask(query, &[("wait_end_of_query", "1")]);
    assert_eq!((answer.status, answer.header("x-clickhouse-exception-code")), (500, "395"));
    let whole = front.ask("SELECT number FROM numbers(1000000)", &[("wait_end_of_query", "1")]);
    assert_eq!((whole.summary("result_rows"), whole.body.lines().count()), (1_000_000, 1_000_000));
}
