//! Prints how fast batches of synthetic web events get into ClickHouse:
//! `insert_rate <url> [rows per batch] [batches]`.

#![allow(clippy::unwrap_used, reason = "a tool for developers")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;
use store::{ClickHouseConfig, Mode, Store};
use uuid::Uuid;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: i64| arguments.get(index).map_or(default, |text| text.parse().unwrap());
    let (rows, batches) = (number(1, 100_000), number(2, 5));
    for compression in [false, true] {
        let database = format!("rate_{}", Uuid::new_v4().simple());
        let config = ClickHouseConfig { url: arguments[0].clone(), database, compression, ..Default::default() };
        let store = Store::connect(&config).await.unwrap();
        store.migrate().await.unwrap();
        let db = support::Database { store, config };
        let mut writer = db.store.writer(support::type_names());
        let topic_id = Uuid::new_v4();
        for index in 0..batches {
            let batch = support::batch(topic_id, index * rows, (index + 1) * rows, 7);
            let began = Instant::now();
            let written = writer.write(batch.clone(), Mode::First).await.unwrap();
            let took = began.elapsed();
            let began = Instant::now();
            writer.write(batch, Mode::Replay).await.unwrap();
            println!(
                "compression {compression}: {rows} records, {} MB in {took:.2?}, {:.0} records/s; replayed in {:.2?}",
                written.bytes / 1_000_000,
                rows as f64 / took.as_secs_f64(),
                began.elapsed()
            );
        }
    }
}
