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
            Ok(Numbered { line, row }) => (line, Value::Object(row.0)),
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
    let (reader, _folder) = open("e.csv.gz", &packed[..packed.len() - 6], "").unwrap();
    let rows: Vec<_> = reader.take(10).collect();
    assert!(rows.len() < 10, "a broken file must end");
    assert!(rows.iter().any(|row| { row.as_ref().is_err_and(|bad| bad.reason.contains("cannot read")) }));
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
