//! What one would use instead, on the same input.

use anyhow::{Result, ensure};
use dashmap::DashMap;
use petgraph::unionfind::UnionFind;
use rustc_hash::FxBuildHasher;
use schemas::Key;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use crate::counting::bytes_in_use;
use crate::figures::say;
use crate::graph::{hits, say_rate};
use crate::input::{self, Input, Kinds};
use crate::measure::{Spent, median, spent};

/// Edges that are made, then timed, at once.
const EDGES_AT_ONCE: u64 = 4_000;

fn input_of(identifiers: u64) -> Input {
    Input::new(identifiers, Kinds::of(&identity::Rules::default()))
}

/// Runs `link` over pairs of keys; the time is its own.
fn link_all(count: u64, pair: impl Fn(u64) -> input::Pair, mut link: impl FnMut(u128, u128)) -> Spent {
    let mut total = Spent::default();
    let mut place = 0;
    while place < count {
        let end = count.min(place + EDGES_AT_ONCE);
        let keys: Vec<(u128, u128)> =
            (place..end).map(&pair).map(|pair| (input::key(pair.hub).0, input::key(pair.other).0)).collect();
        total += spent(|| keys.iter().for_each(|(hub, other)| link(*hub, *other))).0;
        place = end;
    }
    total
}

fn lookups(name: &str, input: &Input, identifiers: u64, rounds: u32, ask: impl Fn(u128) -> Option<u128>) -> Result<()> {
    let count = input.identifiers().clamp(200_000, 4_000_000);
    for (what, expected) in [("hit", count), ("miss", 0)] {
        let mut times = Vec::new();
        for round in 0..u64::from(rounds) {
            let keys = match what {
                "hit" => hits(input, count, round),
                _ => (0..count).map(|n| input::absent_key(n ^ round << 40)).collect::<Vec<Key>>(),
            };
            let found_by = || keys.iter().filter(|key| black_box(ask(key.0)).is_some()).count() as u64;
            let (time, found) = spent(found_by);
            ensure!(found == expected, "{name}: {found} of {count} keys were found, expected {expected}");
            times.push(time);
        }
        let middle = |of: fn(&Spent) -> f64| median(times.iter().map(of).collect());
        let time = Spent { cpu_s: middle(|t| t.cpu_s), wall_s: middle(|t| t.wall_s) };
        say_rate(identifiers, &format!("{name}: lookup {what} one by one"), count, time);
    }
    Ok(())
}

/// `HashMap` from keys to numbers and `petgraph::UnionFind` over them: no limits, no removal, no readers beside.
pub(crate) fn union_find(identifiers: u64, rounds: u32) -> Result<()> {
    const NAME: &str = "HashMap + UnionFind";
    let input = input_of(identifiers);
    let start = bytes_in_use();
    let mut numbers: HashMap<u128, u32, FxBuildHasher> = HashMap::default();
    let mut keys: Vec<u128> = Vec::new();
    let mut sets: UnionFind<u32> = UnionFind::new_empty();
    let mut link = |hub: u128, other: u128| {
        let mut number = |key| match numbers.entry(key) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                keys.push(key);
                *entry.insert(sets.new_set())
            }
        };
        let (hub, other) = (number(hub), number(other));
        sets.union(hub, other);
    };
    let time = link_all(input.edges(), |place| input.pair(place), &mut link);
    say_rate(identifiers, &format!("{NAME}: links applied"), input.edges(), time);
    let time = link_all(input.merges(), |place| input.merge(place), &mut link);
    say_rate(identifiers, &format!("{NAME}: merges"), input.merges(), time);
    let each = (bytes_in_use() - start) as f64 / keys.len() as f64;
    say(identifiers, &format!("{NAME}: bytes an identifier"), each, "B");
    lookups(NAME, &input, identifiers, rounds, |key| Some(keys[sets.find(*numbers.get(&key)?) as usize]))
}

/// `DashMap` from keys to customer ids: many threads, but a merge would have to find and rewrite every member.
pub(crate) fn dash_map(identifiers: u64, rounds: u32) -> Result<()> {
    const NAME: &str = "DashMap";
    let input = input_of(identifiers);
    let start = bytes_in_use();
    let map: DashMap<u128, u128, FxBuildHasher> = DashMap::default();
    let link = |hub: u128, other: u128| {
        let customer = *map.entry(hub).or_insert(hub);
        map.insert(other, customer);
    };
    let time = link_all(input.edges(), |place| input.pair(place), link);
    say_rate(identifiers, &format!("{NAME}: links applied"), input.edges(), time);
    let each = (bytes_in_use() - start) as f64 / map.len() as f64;
    say(identifiers, &format!("{NAME}: bytes an identifier"), each, "B");
    lookups(NAME, &input, identifiers, rounds, |key| map.get(&key).map(|entry| *entry))
}

/// Writes the edges as pairs of numbers (u32, little endian) for SciPy, which gets them dense and without keys.
pub(crate) fn write_edges(identifiers: u64, file: &Path) -> Result<()> {
    let input = input_of(identifiers);
    let mut out = std::io::BufWriter::with_capacity(1 << 20, std::fs::File::create(file)?);
    let pairs = (0..input.edges()).map(|place| input.pair(place));
    for pair in pairs.chain((0..input.merges()).map(|place| input.merge(place))) {
        out.write_all(&u32::try_from(pair.hub)?.to_le_bytes())?;
        out.write_all(&u32::try_from(pair.other)?.to_le_bytes())?;
    }
    Ok(out.flush()?)
}
