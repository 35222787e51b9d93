//! An export of site events as rows, its disguises, and what must come of it, counted naively.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// What must come of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) rejected: u64,
    pub(crate) customers: u64,
    pub(crate) conversions: u64,
    pub(crate) revenue_minor: i64,
    pub(crate) quality: u64,
}

/// Files of rows.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    files: Vec<Rows>,
}

#[derive(Debug, Clone)]
struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Export {
    /// The CSV files of a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let files = paths.iter().map(|path| {
            let mut reader = csv::Reader::from_path(path).unwrap();
            let text = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
            let header = text(reader.headers().unwrap());
            Rows { header, rows: reader.records().map(|record| text(&record.unwrap())).collect() }
        });
        Self { files: files.collect() }
    }

    /// Writes the files into a folder.
    pub(crate) fn write(&self, folder: &Path) -> Vec<PathBuf> {
        std::fs::create_dir_all(folder).unwrap();
        let write = |(number, file): (usize, &Rows)| {
            let path = folder.join(format!("part-{number}.csv"));
            let mut writer = csv::Writer::from_path(&path).unwrap();
            writer.write_record(&file.header).unwrap();
            file.rows.iter().for_each(|row| writer.write_record(row).unwrap());
            writer.flush().unwrap();
            path
        };
        self.files.iter().enumerate().map(write).collect()
    }

    /// Each file's rows in another order.
    pub(crate) fn shuffled(&self, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut shuffled = self.clone();
        shuffled.files.iter_mut().for_each(|file| file.rows.shuffle(&mut random));
        shuffled
    }

    /// Each file as two.
    pub(crate) fn split(&self) -> Self {
        let halves = self.files.iter().flat_map(|file| {
            let (first, second) = file.rows.split_at(file.rows.len() / 2);
            [first, second].map(|rows| Rows { header: file.header.clone(), rows: rows.to_vec() })
        });
        Self { files: halves.collect() }
    }

    /// The first file with its first row again, a second later.
    pub(crate) fn with_one_more_row(&self) -> Self {
        let mut file = self.files[0].clone();
        let mut row = file.rows[0].clone();
        let time =
            file.column(&row, "timestamp").parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(1);
        file.set(&mut row, "timestamp", time.to_string());
        file.rows = vec![row];
        Self { files: vec![file] }
    }

    /// Rows in another order, all ids renamed, all prices scaled.
    pub(crate) fn disguised(&self, seed: u64) -> Self {
        let factor = StdRng::seed_from_u64(seed).random_range(2..9_i64);
        let mut disguised = self.shuffled(seed);
        for file in &mut disguised.files {
            let mut rows = std::mem::take(&mut file.rows);
            for row in &mut rows {
                let client = renamed(seed, file.client(row));
                file.set(row, file.client_column(), client);
                let Some(mut data) = file.data(row) else { continue };
                for id in ["user_email", "transaction_id"] {
                    if let Some(text) = data[id].as_str() {
                        data[id] = Value::from(renamed(seed, text));
                    }
                }
                if !data["revenue"].is_null() {
                    let minor = minor(&data["revenue"]) * factor;
                    data["revenue"] = serde_json::from_str(&format!("{}.{:02}", minor / 100, minor % 100)).unwrap();
                }
                file.set(row, "event_data", data.to_string());
            }
            file.rows = rows;
        }
        disguised
    }

    /// What must come of it: one pass with maps, nothing of the pipeline.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { records: 0, rejected: 0, customers: 0, conversions: 0, revenue_minor: 0, quality: 0 };
        let mut people = Groups::default();
        // Of each order, the earliest record's time and value.
        let mut orders: BTreeMap<String, (String, i64)> = BTreeMap::new();
        for file in &self.files {
            for row in &file.rows {
                counts.records += 1;
                let data = file.data(row).unwrap_or_default();
                let (client, email) = (file.client(row), data["user_email"].as_str().unwrap_or_default());
                match (client.is_empty(), email.is_empty()) {
                    (true, true) => {
                        counts.rejected += 1;
                        continue;
                    }
                    (false, false) => people.join(&format!("c{client}"), &format!("e{email}")),
                    (false, true) => people.add(&format!("c{client}")),
                    (true, false) => people.add(&format!("e{email}")),
                }
                if file.column(row, "event_name") == "checkout_completed" {
                    let order = data["transaction_id"].as_str().unwrap().to_owned();
                    let record = (file.column(row, "timestamp").to_owned(), minor(&data["revenue"]));
                    counts.quality += u64::from(orders.contains_key(&order));
                    let kept = orders.entry(order).or_insert_with(|| record.clone());
                    *kept = record.min(kept.clone());
                }
            }
        }
        counts.customers = people.count();
        counts.conversions = orders.len() as u64;
        counts.revenue_minor = orders.values().map(|(_, value)| value).sum();
        counts
    }
}

impl Rows {
    fn index(&self, name: &str) -> usize {
        self.header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no column {name}"))
    }

    fn column<'a>(&self, row: &'a [String], name: &str) -> &'a str {
        &row[self.index(name)]
    }

    fn set(&self, row: &mut [String], name: &str, value: String) {
        row[self.index(name)] = value;
    }

    fn client_column(&self) -> &'static str {
        if self.header.iter().any(|column| column == "clientId") { "clientId" } else { "client_id" }
    }

    fn client<'a>(&self, row: &'a [String]) -> &'a str {
        self.column(row, self.client_column())
    }

    fn data(&self, row: &[String]) -> Option<Value> {
        serde_json::from_str(self.column(row, "event_data")).ok()
    }
}

/// Another id for the same thing; nothing stays nothing.
fn renamed(seed: u64, id: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    Sha256::digest(format!("{seed} {id}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn minor(amount: &Value) -> i64 {
    let amount = amount.as_f64().or_else(|| amount.as_str()?.parse().ok()).unwrap();
    (amount * 100.0).round() as i64
}

/// Groups of names that were seen together.
#[derive(Debug, Default)]
struct Groups {
    parents: HashMap<String, String>,
}

impl Groups {
    fn add(&mut self, name: &str) {
        self.parents.entry(name.to_owned()).or_insert_with(|| name.to_owned());
    }

    fn root(&self, name: &str) -> String {
        let mut at = name;
        while self.parents[at] != at {
            at = &self.parents[at];
        }
        at.to_owned()
    }

    fn join(&mut self, a: &str, b: &str) {
        self.add(a);
        self.add(b);
        let (a, b) = (self.root(a), self.root(b));
        self.parents.insert(a, b);
    }

    fn count(&self) -> u64 {
        self.parents.iter().filter(|(name, parent)| name == parent).count() as u64
    }
}
