use super::*;
use serde_json::json;
use std::io::Write;

const WEB: &str = "source = \"web\"\nevent.constant = \"x\"\n[fields]\nevent_time = \"t\"\nanonymous_id = \"a | b\"\n";

/// Rows as `line: json` or `line! reason`.
#[track_caller]
fn check(name: &str, bytes: &[u8], extra: &str, expected: &[(u64, Value)]) -> RowReader {
    let (mut reader, _folder) = open(name, bytes, extra).unwrap();
    let found: Vec<(u64, Value)> = reader
        .by_ref()
        .map(|row| match row {
            Ok(Numbered { line, row, .. }) => (line, Value::Object(row.0)),
            Err(bad) => (bad.line, Value::from(bad.reason)),
        })
        .collect();
    assert_eq!(found, expected);
    reader
}

fn open(name: &str, bytes: &[u8], extra: &str) -> Result<(RowReader, tempfile::TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mapping = Mapping::parse(&format!("{WEB}{extra}"), Path::new("m.toml"))?;
    Ok((RowReader::open(&path, &mapping)?, folder))
}

#[test]
fn csv_with_quotes_newlines_and_a_byte_order_mark() {
    let text = "\u{feff}t, a ,x\r\n1,\"say \"\"hi\"\"\",\"two\nlines\"\r\n2,b,\r\n\r\n3,c,d\r\n";
    let reader = check(
        "e.csv",
        text.as_bytes(),
        "",
        &[
            (2, json!({"t": "1", "a": "say \"hi\"", "x": "two\nlines"})),
            (4, json!({"t": "2", "a": "b", "x": ""})),
            (6, json!({"t": "3", "a": "c", "x": "d"})),
        ],
    );
    assert!(reader.absent.is_empty());
    assert_eq!(reader.bytes_read(), text.len() as u64);
}

#[test]
fn bad_rows_do_not_stop_the_file() {
    check(
        "e.csv",
        b"t;a\n1;x\n2\n3;\xff\n4;y;z\n5;v\n",
        "[file]\ndelimiter = \";\"\n",
        &[
            (2, json!({"t": "1", "a": "x"})),
            (3, json!("expected 2 columns, found 1")),
            (4, json!("column 2 is not UTF-8")),
            (5, json!("expected 2 columns, found 3")),
            (6, json!({"t": "5", "a": "v"})),
        ],
    );
}

#[test]
fn blanks_without_a_header() {
    check(
        "e.txt",
        b" 1   x\n\n 2\ty \n 3\n",
        "[file]\ndelimiter = \"whitespace\"\nheader = false\ncolumns = [\"t\", \"a\"]\n",
        &[
            (1, json!({"t": "1", "a": "x"})),
            (3, json!({"t": "2", "a": "y"})),
            (4, json!("expected 2 columns, found 1")),
        ],
    );
}

#[test]
fn ndjson() {
    let (reader, _folder) = open("e.ndjson", b"{\"t\": 1, \"o\": {\"p\": 2}}\n\n[1]\n{\"t\":\n{\"t\": 2}", "").unwrap();
    let rows: Vec<_> = reader.collect();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0].as_ref().ok().map(|found| found.line), Some(1));
    assert_eq!(rows[1].as_ref().err().map(|bad| bad.line), Some(3));
    assert_eq!(rows[2].as_ref().err().map(|bad| bad.line), Some(4));
    assert_eq!(rows[3].as_ref().ok().map(|found| found.line), Some(5));
}

#[test]
fn gzip_whole_and_cut_short() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(b"t,a\n1,x\n").unwrap();
    let packed = packer.finish().unwrap();
    check("e.csv.gz", &packed, "", &[(2, json!({"t": "1", "a": "x"}))]);
    for (name, cut) in [("e.csv.gz", 6), ("e.ndjson.gz", 6)] {
        let (mut reader, _folder) = open(name, &packed[..packed.len() - cut], "").unwrap();
        assert!(reader.by_ref().take(10).count() < 10, "a broken file must end");
        let broken = reader.broken().unwrap();
        assert!(broken.contains("cannot be read to its end"), "{broken}");
    }
}

#[test]
fn an_unclosed_quote_is_the_end_of_what_can_be_read() {
    let reader =
        check("e.csv", b"t,a,x\n1,\"b\",\n2,c,\"open\n3,d,\n4,e,\n", "", &[(2, json!({"t": "1", "a": "b", "x": ""}))]);
    let broken = reader.broken().unwrap();
    assert!(broken.starts_with("line 3: a quotation mark opened in this row is never closed"), "{broken}");
    for closed in ["t,a\n1,\"b\"", "t,a\n1,\"b\"\n", "t,a\n1,\"b\"\"\"\r\n\r\n", "t,a\n1,b\"\n", "t,a\n", "t,a"] {
        let (mut reader, _folder) = open("e.csv", closed.as_bytes(), "").unwrap();
        assert_eq!(reader.by_ref().filter(Result::is_err).count(), 0, "{closed}");
        assert_eq!(reader.broken(), None, "{closed}");
    }
}

#[test]
fn rows_without_end_cost_little_memory() {
    let long = "z".repeat(MAX_ROW_BYTES + 200_000);
    let lines = format!("{{\"t\":\"{long}\"}}\n{{\"t\":2}}\n");
    check("e.ndjson", lines.as_bytes(), "", &[(1, json!("longer than 16 MiB")), (2, json!({"t": 2}))]);
    let rows = format!("t,a\n1,b\n2,\"{long}\n\"\n3,c\n");
    let reader = check("e.csv", rows.as_bytes(), "", &[(2, json!({"t": "1", "a": "b"}))]);
    let broken = reader.broken().unwrap();
    assert!(broken.starts_with("line 3: the row is longer than 16 MiB"), "{broken}");
}

#[test]
fn headers_that_cannot_be_used_say_why() {
    let refusal = |text: &str| open("e.csv", text.as_bytes(), "").err().unwrap().to_string();
    for (text, expected) in [
        ("", "e.csv: is empty"),
        ("x,y\n", "e.csv: has no column `t`, which the mapping needs. Its columns are: x, y"),
        (
            "time;a;b\n",
            "e.csv: has no column `t`, which the mapping needs. Its only column is `time;a;b`: \
          set `delimiter = \";\"` under [file]",
        ),
        ("t,a,t\n", "e.csv: has two columns `t`, which the mapping uses: rename one"),
    ] {
        assert!(refusal(text).ends_with(expected), "{}", refusal(text));
    }
    assert!(open("e.csv", b"t,a,,\n", "").is_ok(), "columns that are not used may have any name");
}

#[test]
fn columns_are_checked_at_once() {
    let message = open("e.csv", b"time,a\n1,x\n", "").err().unwrap().to_string();
    assert!(message.contains("no column `t`"), "{message}");
    let (reader, _folder) = open("e.csv", b"t,c\n1,x\n", "").unwrap();
    assert_eq!(reader.absent, ["a | b (for anonymous_id)"]);
    let message = open("e.csv", b"\xff\xfet\0", "").err().unwrap().to_string();
    assert!(message.contains("UTF-16"), "{message}");
}

#[test]
fn endings() {
    assert_eq!(format_of(Path::new("a/b.JSONL.gz")), FileFormat::Ndjson);
    assert_eq!(format_of(Path::new("b.txt")), FileFormat::Csv);
}
