//! Exports of a shop through the whole pipeline, checked against a few naive lines that read the same files.

use crate::support::{Space, both, output_of};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A row of a shop's export.
#[derive(Debug, Clone, Default)]
struct Row {
    client: String,
    page: String,
    referrer: String,
    time: String,
    event: String,
    data: String,
    agent: String,
}

/// A file of an export, with the header it has.
struct Export {
    name: String,
    header: Vec<&'static str>,
    rows: Vec<Row>,
}

/// What must come out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    rows: u64,
    rejected: u64,
    customers: u64,
    conversions: u64,
    repeated: u64,
    revenue_minor: i64,
}

impl Row {
    fn cell(&self, column: &str) -> &str {
        match column {
            "client_id" | "clientId" => &self.client,
            "page_url" => &self.page,
            "referrer" => &self.referrer,
            "timestamp" => &self.time,
            "event_name" => &self.event,
            "event_data" => &self.data,
            _ => &self.agent,
        }
    }

    fn data(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }
}

/// The naive lines: people are what devices and e-mails of one row join, an order counts once, by its earlier record.
fn expected(exports: &[Export]) -> Expected {
    let mut found = Expected::default();
    let mut people: HashMap<String, String> = HashMap::new();
    let mut orders: BTreeMap<String, (String, i64)> = BTreeMap::new();
    fn root(people: &HashMap<String, String>, mut id: String) -> String {
        while people[&id] != id {
            id = people[&id].clone();
        }
        id
    }
    for row in exports.iter().flat_map(|export| &export.rows) {
        found.rows += 1;
        let data = row.data();
        let mail = data["user_email"].as_str().unwrap_or("");
        let ids: Vec<String> = [("d", row.client.as_str()), ("m", mail)]
            .into_iter()
            .filter(|(_, id)| !id.is_empty())
            .map(|(kind, id)| format!("{kind}{id}"))
            .collect();
        if ids.is_empty() {
            found.rejected += 1;
            continue;
        }
        for id in &ids {
            people.entry(id.clone()).or_insert_with(|| id.clone());
        }
        let roots: Vec<String> = ids.iter().map(|id| root(&people, id.clone())).collect();
        people.insert(roots[roots.len() - 1].clone(), roots[0].clone());
        if row.event == "checkout_completed" {
            let value = data["revenue"].as_i64().unwrap() * 100;
            let order = data["transaction_id"].as_str().unwrap().to_owned();
            found.repeated += u64::from(orders.contains_key(&order));
            let kept = orders.entry(order).or_insert_with(|| (row.time.clone(), value));
            if row.time < kept.0 {
                *kept = (row.time.clone(), value);
            }
        }
    }
    found.customers = people.iter().filter(|(id, parent)| id == parent).count() as u64;
    found.conversions = orders.len() as u64;
    found.revenue_minor = orders.values().map(|(_, value)| value).sum();
    found
}

fn found(space: &Space) -> Expected {
    let sql = "SELECT (SELECT sum(records) FROM batches), (SELECT count() FROM dead_letters WHERE reason = 'no_identifier'), \
        (SELECT count() FROM customers), (SELECT count() FROM counted_conversions), \
        (SELECT count() FROM data_quality WHERE kind = 'repeated_order_id'), (SELECT sum(value_minor) FROM counted_conversions)";
    let row = space.query(sql).remove(0);
    let number = |at: usize| row[at].parse().unwrap();
    let holds = space.query("SELECT count() FROM conservation WHERE NOT holds");
    assert_eq!(holds[0][0], "0", "ST-1");
    Expected {
        rows: number(0),
        rejected: number(1),
        customers: number(2),
        conversions: number(3),
        repeated: number(4),
        revenue_minor: row[5].parse().unwrap(),
    }
}

fn write(folder: &Path, exports: &[Export]) -> Vec<PathBuf> {
    let path = |export: &Export| folder.join(&export.name);
    for export in exports {
        let mut writer = csv::Writer::from_path(path(export)).unwrap();
        writer.write_record(&export.header).unwrap();
        for row in &export.rows {
            writer.write_record(export.header.iter().map(|column| row.cell(column))).unwrap();
        }
        writer.flush().unwrap();
    }
    exports.iter().map(path).collect()
}

/// The same rows in other files: shuffled, split in two, columns in another order and spelling.
fn rearranged(exports: &[Export], rng: &mut StdRng) -> Vec<Export> {
    let mut parts = Vec::new();
    for (number, export) in exports.iter().enumerate() {
        let mut rows = export.rows.clone();
        rows.shuffle(rng);
        let mut header = export.header.clone();
        header.shuffle(rng);
        for column in &mut header {
            *column = match *column {
                "client_id" => "clientId",
                "clientId" => "client_id",
                other => other,
            };
        }
        let second = rows.split_off(rows.len() / 2);
        for (half, rows) in [rows, second].into_iter().enumerate() {
            parts.push(Export { name: format!("part-{number}-{half}.csv"), header: header.clone(), rows });
        }
    }
    parts.shuffle(rng);
    parts
}

const HEADERS: [&[&str]; 3] = [
    &["client_id", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent"],
    &["clientId", "page_url", "referrer", "timestamp", "event_name", "event_data", "user_agent"],
    &["clientId", "page_url", "timestamp", "event_name", "event_data", "user_agent"],
];

/// Three days of a shop that does not exist. Every row is another one: two equal rows cannot be told apart once a file
/// is split between them.
fn made_up(rng: &mut StdRng, rows_a_day: usize) -> Vec<Export> {
    let mut sequence = 0;
    let mut day = |number: usize| {
        let rows = (0..rows_a_day).map(|_| {
            sequence += 1;
            made_up_row(rng, number, sequence)
        });
        Export { name: format!("day-{number}.csv"), header: HEADERS[number].to_vec(), rows: rows.collect() }
    };
    (0..3).map(&mut day).collect()
}

fn made_up_row(rng: &mut StdRng, day: usize, sequence: usize) -> Row {
    let device: usize = rng.random_range(0..800);
    let nobody = rng.random_bool(0.03);
    let mut row = Row {
        client: if nobody { String::new() } else { format!("device-{device}") },
        page: format!("https://shop.example/p{}?utm_source=s{}&utm_medium=cpc", device % 40, device % 5),
        time: format!(
            "2025-03-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            day + 1,
            sequence % 24,
            sequence / 24 % 60,
            sequence % 60,
            sequence % 1000
        ),
        event: "page_viewed".to_owned(),
        agent: "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/133.0".to_owned(),
        ..Row::default()
    };
    // Two devices share an e-mail now and then; some devices never tell theirs.
    let mail = blake3::hash(format!("{}", device / 2 * 2).as_bytes()).to_hex().to_string();
    match rng.random_range(0..100) {
        _ if nobody || device.is_multiple_of(3) => {}
        0..6 => {
            row.event = "email_filled_on_popup".to_owned();
            row.data = json!({"user_email": mail}).to_string();
        }
        6..9 => {
            row.event = "checkout_completed".to_owned();
            // One order in ten is recorded again later, sometimes with another value.
            let order = if rng.random_bool(0.1) { sequence.saturating_sub(300) / 10 } else { sequence };
            let data = json!({"transaction_id": format!("o-{order}"), "revenue": 10 + sequence % 900, "user_email": mail, "items": [{"item_id": "a", "quantity": 1}]});
            row.data = data.to_string();
        }
        _ => {}
    }
    row
}

/// The real days with every id renamed, every price scaled and the rows in another order; `None` where they are absent.
fn real_permuted(rng: &mut StdRng) -> Option<Vec<Export>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/clickstream");
    if !folder.exists() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    let salt: u64 = rng.random();
    let rename = |text: &str| blake3::hash(format!("{salt} {text}").as_bytes()).to_hex().to_string();
    let days = ["20250223", "20250227", "20250304"].into_iter().zip(HEADERS);
    let exports = days.map(|(day, header)| {
        let mut reader = csv::Reader::from_path(folder.join(format!("events_{day}.csv"))).unwrap();
        let columns = reader.headers().unwrap().clone();
        let mut rows: Vec<Row> = reader
            .records()
            .map(|record| {
                let record = record.unwrap();
                let cell = |name: &str| {
                    columns.iter().position(|column| column == name).map_or("", |at| &record[at]).to_owned()
                };
                let client = cell("client_id") + &cell("clientId");
                let mut data: Value = serde_json::from_str(&cell("event_data")).unwrap_or(Value::Null);
                if let Some(mail) = data["user_email"].as_str().map(rename) {
                    data["user_email"] = Value::from(mail);
                }
                if let (Some(order), Some(price)) =
                    (data["transaction_id"].as_str().map(rename), data["revenue"].as_i64())
                {
                    data["transaction_id"] = Value::from(order);
                    data["revenue"] = Value::from(price * 3);
                }
                Row {
                    client: if client.is_empty() { client } else { rename(&client)[..20].to_owned() },
                    page: cell("page_url"),
                    referrer: cell("referrer"),
                    time: cell("timestamp"),
                    event: cell("event_name"),
                    data: if data.is_null() { String::new() } else { data.to_string() },
                    agent: cell("user_agent"),
                }
            })
            .collect();
        rows.shuffle(rng);
        Export { name: format!("{day}.csv"), header: header.to_vec(), rows }
    });
    Some(exports.collect())
}

fn mapping() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/imports/shop_clickstream.toml")
}

/// Imports and returns how many records were sent.
#[track_caller]
fn import(space: &Space, files: &[PathBuf]) -> u64 {
    let said = output_of(space.run().arg("import").arg("--wait").arg(mapping()).args(files));
    let sent = said.lines().find_map(|line| line.strip_prefix("sent")).unwrap_or_else(|| panic!("{said}"));
    sent.trim().parse().unwrap()
}

/// A window of nothing: as if every record had been received a day ago, so that only the import itself can know.
const NO_WINDOW: &str = "[resolver]\nevent_id_window_ms = 0\n";

fn comes_out_as_expected(exports: &[Export], rng: &mut StdRng) {
    let mut space = Space::new(NO_WINDOW);
    let wanted = expected(exports);
    space.start_resolver();
    assert_eq!(import(&space, &write(&space.path(""), exports)), wanted.rows);
    space.settle();
    assert_eq!(found(&space), wanted);

    assert_eq!(import(&space, &write(&space.path(""), exports)), 0, "the same files");
    space.start_resolver();
    let parts = rearranged(exports, rng);
    assert_eq!(import(&space, &write(&space.path(""), &parts)), 0, "shuffled, split, renamed, after a restart");
    space.settle();
    assert_eq!(found(&space), wanted);
}

#[test]
fn a_made_up_shop_is_imported_once_however_often() {
    let mut rng = StdRng::seed_from_u64(11);
    let exports = made_up(&mut rng, 1_500);
    comes_out_as_expected(&exports, &mut rng);
}

#[test]
fn the_real_days_permuted_come_out_as_a_naive_script_says() {
    let mut rng = StdRng::seed_from_u64(12);
    let Some(exports) = real_permuted(&mut rng) else { return };
    let wanted = expected(&exports);
    assert_eq!((wanted.rows, wanted.rejected, wanted.customers), (11_001, 356, 8_600));
    assert_eq!((wanted.conversions, wanted.repeated, wanted.revenue_minor), (61, 1, 3 * 4_837_200));
    comes_out_as_expected(&exports, &mut rng);
}

#[test]
fn a_killed_import_goes_on_and_sends_every_row_once() {
    let mut rng = StdRng::seed_from_u64(13);
    let exports = made_up(&mut rng, 12_000);
    let wanted = expected(&exports);
    let mut space = Space::new(NO_WINDOW);
    space.start_resolver();
    let files = write(&space.path(""), &exports);
    for _ in 0..2 {
        let mut child = space
            .run()
            .arg("import")
            .arg(mapping())
            .args(&files)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let marks = || std::fs::read_dir(space.path(".tributary/imports")).map_or(0, Iterator::count);
        let (begun, before) = (Instant::now(), marks());
        while marks() == before && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    import(&space, &files);
    space.settle();
    assert_eq!(found(&space), wanted);
    assert_eq!(
        std::fs::read_dir(space.path(".tributary/imports")).map_or(0, Iterator::count),
        0,
        "no mark stays behind"
    );
}

#[test]
fn bad_rows_are_named_and_the_rest_is_imported() {
    let mut space = Space::new("");
    space.start_resolver();
    let path = space.path("bad.csv");
    let good = |client: &str| format!("{client},https://shop.example/,2025-03-01T00:00:00Z,page_viewed,,M\n");
    let text = format!(
        "clientId,page_url,timestamp,event_name,event_data,user_agent\n{}c2,x,soon,page_viewed,,M\nc3,too few\n{}",
        good("c1"),
        good("c4")
    );
    std::fs::write(&path, text).unwrap();
    let output = space.run().args(["import", "--wait", "--strict"]).arg(mapping()).arg(&path).output().unwrap();
    let said = both(&output);
    assert!(!output.status.success(), "--strict fails: {said}");
    assert!(
        said.contains("bad.csv:3: event_time: expected a date")
            && said.contains("bad.csv:4: expected 6 columns, found 2"),
        "{said}"
    );
    let rejects = std::fs::read_to_string(space.path("import-rejects.ndjson")).unwrap();
    assert_eq!(rejects.lines().count(), 2, "{rejects}");
    assert_eq!(space.query("SELECT count() FROM events")[0][0], "2");

    let customer = output_of(space.run().args(["customer", "c1"]));
    assert!(customer.contains("found as     anonymous_id") && customer.contains("page_viewed"), "{customer}");
    let nobody = space.run().args(["customer", "c2"]).output().unwrap();
    assert!(!nobody.status.success() && both(&nobody).contains("nobody is known"), "{}", both(&nobody));
}
