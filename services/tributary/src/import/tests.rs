//! Whole files through the shipped mappings: exports made here, and the real ones where they are at hand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::apply::{Mapped, Occurrences, Outcome};
use super::dry_run::mapped;
use super::mapping::Mapping;
use super::reader::RowReader;
use super::wire;
use schemas::Source;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn shipped(name: &str) -> Mapping {
    Mapping::load(&repository().join("examples/imports").join(name)).unwrap()
}

/// The real exports' folder, or a message that the test is skipped.
fn real(name: &str) -> Option<PathBuf> {
    let path = repository().join("../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

fn read(mapping: &Mapping, files: &[PathBuf]) -> (Vec<Mapped>, u64) {
    let (mut records, mut bad) = (Vec::new(), 0);
    for path in files {
        let mut occurrences = Occurrences::default();
        for row in RowReader::open(path, mapping).unwrap() {
            match mapped(mapping, row, &mut occurrences, 1 << 20) {
                Ok(Outcome::Record(record)) => records.push(*record),
                Ok(Outcome::Skipped(_)) => {}
                Err(_) => bad += 1,
            }
        }
    }
    (records, bad)
}

fn ids(records: &[Mapped]) -> HashSet<String> {
    records.iter().map(|mapped| mapped.event_id.clone()).collect()
}

fn shop_files() -> Option<Vec<PathBuf>> {
    let folder = real("clickstream")?;
    Some(["20250223", "20250227", "20250304"].map(|day| folder.join(format!("events_{day}.csv"))).into())
}

#[test]
fn real_shop_counts() {
    let Some(files) = shop_files() else { return };
    let (records, bad) = read(&shipped("shop_clickstream.toml"), &files);
    assert_eq!((records.len(), bad), (11_001, 0));
    assert_eq!(ids(&records).len(), 11_001);
    let named =
        |path: &str| -> HashSet<&str> { records.iter().filter_map(|mapped| mapped.record.text(path)).collect() };
    assert_eq!(named("anonymous_id").len(), 8_602);
    assert_eq!(named("email").len(), 159);
    let nobody =
        records.iter().filter(|mapped| mapped.record.text("anonymous_id").or(mapped.record.text("email")).is_none());
    assert_eq!(nobody.count(), 356);
    // The earlier record of the repeated order counts.
    let mut orders: HashMap<&str, (&str, i64)> = HashMap::new();
    let mut checkouts = 0;
    for mapped in &records {
        let Some((minor, currency)) = wire::amount(mapped.source, &mapped.record) else {
            continue;
        };
        assert_eq!(currency, "USD");
        checkouts += 1;
        let time = mapped.record.text("event_time").unwrap();
        let order = orders.entry(mapped.record.text("order.order_id").unwrap()).or_insert((time, minor));
        *order = (*order).min((time, minor));
    }
    assert_eq!((checkouts, orders.len()), (62, 61));
    assert_eq!(orders.values().map(|(_, minor)| minor).sum::<i64>(), 4_837_200);
    let forms: BTreeMap<&str, usize> =
        records.iter().filter(|mapped| mapped.source == Source::Form).fold(BTreeMap::new(), |mut counts, mapped| {
            *counts.entry(mapped.record.text("event").unwrap()).or_insert(0) += 1;
            counts
        });
    assert_eq!(forms, [("email_captured", 108)].into());
    assert!(records.iter().all(|mapped| { mapped.record.text("anonymous_id").is_none_or(|id| id == mapped.key) }));
}

#[test]
fn real_shop_ids_survive_shuffling_splitting_and_renaming() {
    let Some(files) = shop_files() else { return };
    let mapping = shipped("shop_clickstream.toml");
    let whole = ids(&read(&mapping, &files).0);
    let folder = tempfile::tempdir().unwrap();
    let mut parts = Vec::new();
    for (at, path) in files.iter().enumerate() {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let header: Vec<String> =
            reader.headers().unwrap().iter().map(|name| name.replace("client_id", "clientId")).collect();
        let mut rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        rows.sort_by_key(|row| blake3::hash(row.as_slice().as_bytes()).to_hex().to_string());
        for (half, rows) in rows.chunks(rows.len() / 2 + 1).enumerate() {
            let part = folder.path().join(format!("other-{at}-{half}.csv"));
            let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_path(&part).unwrap();
            writer.write_record(header.iter().rev()).unwrap();
            rows.iter().for_each(|row| writer.write_record(row.iter().rev()).unwrap());
            writer.flush().unwrap();
            parts.push(part);
        }
    }
    assert_eq!(parts.len(), 6);
    assert_eq!(ids(&read(&mapping, &parts).0), whole);
}

#[test]
fn real_till_counts() {
    let Some(file) = real("cdnow_sample.txt") else {
        return;
    };
    let (records, bad) = read(&shipped("cdnow.toml"), &[file]);
    assert_eq!((records.len(), bad), (6_919, 0));
    assert_eq!(ids(&records).len(), 6_919, "identical rows keep ids of their own");
    let customers: HashSet<&str> = records.iter().filter_map(|mapped| mapped.record.text("loyalty_id")).collect();
    assert_eq!(customers.len(), 2_357);
    let first = &records[0];
    assert_eq!(first.key, "00004");
    assert_eq!(first.record.text("event_time"), Some("1997-01-01T05:00:00.000Z"));
    assert_eq!(wire::amount(first.source, &first.record), Some((2_933, "USD")));
}

#[test]
fn a_made_up_export_with_every_kind_of_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.csv");
    let rows = [
        "clientId,page_url,timestamp,event_name,event_data,user_agent",
        "c1,https://shop.example/?utm_source=n,2025-03-04T00:00:01Z,page_viewed,,Mozilla",
        "c1,https://shop.example/,2025-03-04T00:00:02Z,email_filled_on_popup,\"{\"\"user_email\"\":\"\"a@b.example\"\"}\",Mozilla",
        "c1,https://shop.example/,2025-03-04T00:00:03Z,checkout_completed,\"{\"\"transaction_id\"\":\"\"o1\"\",\"\"revenue\"\":12.5,\"\"user_email\"\":\"\"a@b.example\"\"}\",Mozilla",
        ",https://shop.example/,2025-03-04T00:00:04Z,page_viewed,,Mozilla",
        "c2,https://shop.example/,not a time,page_viewed,,Mozilla",
        "c2,https://shop.example/,2025-03-04T00:00:05Z,checkout_completed,{broken,Mozilla",
        "c2,too short",
        "c1,https://shop.example/?utm_source=n,2025-03-04T00:00:01Z,page_viewed,,Mozilla",
    ];
    std::fs::write(&path, rows.join("\n")).unwrap();
    let mapping = shipped("shop_clickstream.toml");
    let (records, bad) = read(&mapping, std::slice::from_ref(&path));
    assert_eq!((records.len(), bad), (5, 3));
    assert_eq!(ids(&records).len(), 5, "the repeated row is a row of its own");
    let kinds: Vec<_> = records.iter().map(|mapped| (mapped.source, mapped.record.text("event").unwrap())).collect();
    assert_eq!(
        kinds,
        [
            (Source::Web, "page_viewed"),
            (Source::Form, "email_captured"),
            (Source::Web, "order_completed"),
            (Source::Web, "page_viewed"),
            (Source::Web, "page_viewed"),
        ]
    );
    assert_eq!(wire::amount(Source::Web, &records[2].record), Some((1_250, "USD")));

    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    super::dry_run(&mapping, &[path], 1, &mut out, &mut |line| complaints.push(line.to_owned())).unwrap();
    let out = String::from_utf8(out).unwrap();
    for expected in [
        "rows                    8",
        "bad rows                3",
        "without identifier      1",
        "amounts in USD          1, together 1250 minor units",
        "Dry run: nothing was sent.",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert!(complaints.iter().any(|line| line.contains("shop.csv:6: event_time: expected a date")), "{complaints:?}");
    assert!(complaints.iter().any(|line| line.contains("no column referrer (for page.referrer)")), "{complaints:?}");
}

/// Runs a dry run over one CSV file; what it says of bad rows, and how it ends.
fn dry_run_of(text: &str) -> (Vec<String>, String, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.csv");
    std::fs::write(&path, text).unwrap();
    let toml = "source = \"web\"\nevent.constant = \"x\"\n[fields]\nevent_time = \"t\"\nanonymous_id = \"a\"\n\
                [properties]\nnote = \"n\"\n";
    let mapping = Mapping::parse(toml, Path::new("m.toml")).unwrap();
    let (mut complaints, mut out) = (Vec::new(), Vec::new());
    let result = super::dry_run(&mapping, &[path], 0, &mut out, &mut |line| complaints.push(line.to_owned()));
    (complaints, String::from_utf8(out).unwrap(), result.map_err(|error| error.to_string()))
}

#[test]
fn a_row_too_long_for_kafka_is_a_bad_row_among_good_ones() {
    let time = "2026-03-01T00:00:00Z";
    let (fits, quotes, long) = ("z".repeat(1_000_000), "\"\"".repeat(600_000), "z".repeat(5_000_000));
    let text = format!("t,a,n\n{time},1,{fits}\n{time},2,\"{quotes}\"\n{time},3,{long}\n{time},4,\n");
    let (complaints, out, result) = dry_run_of(&text);
    assert_eq!(result, Ok(()));
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    for (complaint, line) in complaints.iter().zip([3, 4]) {
        assert!(complaint.contains(&format!("e.csv:{line}: makes a record of ")), "{complaint}");
        assert!(complaint.ends_with(" bytes, at most 1048576 are stored"), "{complaint}");
    }
    assert!(out.contains("Dry run"), "{out}");
}

#[test]
fn a_file_that_breaks_off_fails_after_its_rows() {
    let (complaints, out, result) = dry_run_of("t,a,n\n2026-03-01T00:00:00Z,1,\n2026-03-01T00:00:00Z,2,\"open\nx,3,\n");
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(out.contains("Dry run"), "{out}");
    let refusal = result.unwrap_err();
    assert!(refusal.contains("e.csv: line 3: a quotation mark opened in this row is never closed"), "{refusal}");
}

#[test]
fn the_guide_names_every_field_and_its_mapping_loads() {
    let text = std::fs::read_to_string(repository().join("examples/imports/README.md")).unwrap();
    let block = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    Mapping::parse(block, Path::new("README.md")).unwrap();
    for source in Source::ALL {
        for (field, _) in wire::fields(source) {
            assert!(text.contains(&format!("`{field}`")), "{source}: {field}");
        }
    }
}
