//! What the identity graph itself does in a second.

use anyhow::{Context, Result, ensure};
use identity::{Graph, Hasher, Rules};
use schemas::{Key, Resolved};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use crate::counting::bytes_in_use;
use crate::figures::say;
use crate::input::{self, Input, Kinds, MESSAGE_EDGES, Pair};
use crate::measure::{Histogram, Spent, median, resident_bytes, spent};

/// Messages that are made, then timed, at once: few enough to stay in the processor's cache, as fetched ones do.
const MESSAGES_AT_ONCE: u64 = 8;
const BATCH: usize = 32;

/// A graph that is being filled.
pub(crate) struct Applier {
    pub(crate) graph: Arc<Graph>,
    offset: i64,
}

impl Applier {
    pub(crate) fn new() -> Result<Self> {
        let hasher = Arc::new(Hasher::new(b"a secret of the benchmark", Rules::default())?);
        Ok(Applier { graph: Arc::new(Graph::new(hasher)), offset: 0 })
    }

    /// Without the journal of changes, which is as large for any graph beyond a million customers.
    fn without_journal() -> Result<Self> {
        let hasher = Arc::new(Hasher::new(b"a secret of the benchmark", Rules::default())?);
        Ok(Applier { graph: Arc::new(Graph::with_journal_capacity(hasher, 1)), offset: 0 })
    }

    pub(crate) fn kinds(&self) -> Kinds {
        Kinds::of(&Rules::default())
    }

    /// Applies edges in messages; the time is that of applying alone.
    pub(crate) fn apply(&mut self, pairs: impl Iterator<Item = Pair>) -> Result<Spent> {
        let mut pairs = pairs.peekable();
        let mut total = Spent::default();
        while pairs.peek().is_some() {
            let messages = input::messages(pairs.by_ref().take((MESSAGES_AT_ONCE * MESSAGE_EDGES) as usize));
            let (time, applied) = spent(|| {
                messages.iter().try_for_each(|commands| {
                    self.offset += 1;
                    self.graph
                        .apply(self.offset, 1_700_000_000_000, commands)
                        .map(|conflicts| drop(black_box(conflicts)))
                })
            });
            applied?;
            total += time;
        }
        Ok(total)
    }
}

/// Says a rate by processor time and by wall time.
pub(crate) fn say_rate(identifiers: u64, name: &str, count: u64, time: Spent) {
    say(identifiers, name, count as f64 / time.cpu_s, "/s");
    say(identifiers, &format!("{name} (wall)"), count as f64 / time.wall_s, "/s");
}

/// Links, merges, lookups of one size.
pub(crate) fn run(identifiers: u64, rounds: u32, snapshot: Option<&std::path::Path>) -> Result<()> {
    let mut applier = Applier::new()?;
    let input = Input::new(identifiers, applier.kinds());
    let (mut building, mut last_quarter, mut merging) = (Spent::default(), Spent::default(), Spent::default());
    // Small graphs are built again and again, so that there is something to measure.
    let repeats = (1_000_000 / identifiers).clamp(1, 300);
    let last_from = input.edges() * 3 / 4;
    let mut merged = 0;
    for _ in 0..repeats {
        applier = Applier::new()?;
        building += applier.apply((0..last_from).map(|place| input.pair(place)))?;
        last_quarter += applier.apply((last_from..input.edges()).map(|place| input.pair(place)))?;
        let before = applier.graph.stats().merges;
        merging += applier.apply((0..input.merges()).map(|place| input.merge(place)))?;
        merged += applier.graph.stats().merges - before;
    }
    building += last_quarter;
    let expected = input.merges() * repeats;
    ensure!(merged * 100 >= expected * 95, "{merged} of {expected} merges were merges");
    let in_last_quarter = (input.edges() - last_from) * repeats;
    say(identifiers, "links applied in the last quarter", in_last_quarter as f64 / last_quarter.cpu_s, "/s");
    say_rate(identifiers, "links applied", input.edges() * repeats, building);
    say_rate(identifiers, "merges", merged, merging);
    let stats = applier.graph.stats();
    ensure!(stats.identifiers * 100 >= input.identifiers() * 95, "{} identifiers are linked", stats.identifiers);
    say(identifiers, "conflicts found", stats.conflicts as f64, "rows");
    lookups(&applier.graph, &input, identifiers, rounds)?;
    if let Some(folder) = snapshot {
        crate::snapshot::run(&applier.graph, identifiers, folder, rounds)?;
    }
    Ok(())
}

/// Links from the log's bytes: what a start without a snapshot does once the broker has delivered them.
pub(crate) fn replay(identifiers: u64) -> Result<()> {
    let mut applier = Applier::new()?;
    let input = Input::new(identifiers, applier.kinds());
    let (mut total, mut bytes, mut place) = (Spent::default(), 0, 0);
    while place < input.edges() {
        let end = input.edges().min(place + MESSAGES_AT_ONCE * MESSAGE_EDGES);
        let messages = input::messages((place..end).map(|place| input.pair(place)));
        let messages: Vec<Vec<u8>> =
            messages.iter().map(|commands| schemas::command::encode_commands(commands)).collect();
        bytes += messages.iter().map(Vec::len).sum::<usize>();
        let (time, applied) = spent(|| -> Result<()> {
            for message in &messages {
                applier.offset += 1;
                let commands = schemas::command::decode_commands(message)?;
                black_box(applier.graph.apply(applier.offset, 1_700_000_000_000, &commands)?);
            }
            Ok(())
        });
        applied?;
        total += time;
        place = end;
    }
    say_rate(identifiers, "replay: links decoded and applied", input.edges(), total);
    say(identifiers, "log bytes a link", bytes as f64 / input.edges() as f64, "B");
    Ok(())
}

/// Random linked keys.
pub(crate) fn hits(input: &Input, count: u64, seed: u64) -> Vec<Key> {
    let number = |n: u64| input.linked(input::mix(n ^ input::mix(seed)) % input.identifiers());
    (0..count).map(|n| input::key(number(n))).collect()
}

fn lookups(graph: &Graph, input: &Input, identifiers: u64, rounds: u32) -> Result<()> {
    let count = input.identifiers().clamp(200_000, 4_000_000);
    let known = |answer: &Resolved| u64::from(answer.customer_version > 0);
    let one_by_one = |keys: &[Key]| keys.iter().map(|key| known(&graph.resolve(*key))).sum::<u64>();
    let in_batches = |keys: &[Key]| {
        let mut answers = Vec::with_capacity(BATCH);
        let of_batch = |keys: &[Key]| {
            answers.clear();
            graph.resolve_many(keys, &mut answers);
            answers.iter().map(known).sum::<u64>()
        };
        keys.chunks(BATCH).map(of_batch).sum::<u64>()
    };
    type Questions<'a> = &'a dyn Fn(&[Key]) -> u64;
    let ways: [(&str, Questions<'_>); 2] = [("one by one", &one_by_one), ("in batches of 32", &in_batches)];
    for (what, expected) in [("hit", count), ("miss", 0)] {
        let mut times: [Vec<Spent>; 2] = Default::default();
        for round in 0..u64::from(rounds) {
            let keys = match what {
                "hit" => hits(input, count, round),
                _ => (0..count).map(|n| input::absent_key(n ^ round << 40)).collect(),
            };
            for ((_, ask), times) in ways.iter().zip(&mut times) {
                let (time, found) = spent(|| ask(&keys));
                ensure!(found == expected, "{found} of {count} keys were found, expected {expected}");
                times.push(time);
            }
        }
        for ((way, _), times) in ways.iter().zip(times) {
            let middle = |of: fn(&Spent) -> f64| median(times.iter().map(of).collect());
            let time = Spent { cpu_s: middle(|t| t.cpu_s), wall_s: middle(|t| t.wall_s) };
            say_rate(identifiers, &format!("lookup {what} {way}"), count, time);
        }
    }
    Ok(())
}

/// How long single lookups take while another thread applies the second half of the links: the index grows meanwhile.
pub(crate) fn latency(identifiers: u64) -> Result<()> {
    let mut applier = Applier::new()?;
    let input = Input::new(identifiers, applier.kinds());
    let half = input.edges() / 2;
    applier.apply((0..half).map(|place| input.pair(place)))?;
    // Ends of edges of the first half: linked already.
    let keys: Vec<Key> = (0..half.min(4_000_000))
        .map(|n| input.pair(input::mix(n) % half))
        .map(|pair| input::key(if pair.hub & 1 == 0 { pair.hub } else { pair.other }))
        .collect();
    let (graph, done) = (applier.graph.clone(), AtomicBool::new(false));
    let alone = lookup_times(&graph, &keys, |asked| asked >= 1_000_000);
    let (under_load, applied) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| lookup_times(&graph, &keys, |_| done.load(Relaxed)));
        let applied = applier.apply((half..input.edges()).map(|place| input.pair(place)));
        done.store(true, Relaxed);
        reader.join().map(|times| (times, applied)).ok()
    })
    .context("the reader panicked")?;
    let links = input.edges() - half;
    say(identifiers, "links applied beside a reader", links as f64 / applied?.cpu_s, "/s");
    say(identifiers, "clock's own time", clock_ns(), "ns");
    for (what, times) in [("alone", &alone), ("while links are applied", &under_load)] {
        ensure!(times.count() > 1000, "{} lookups are too few to tell", times.count());
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            say(identifiers, &format!("lookup {name} {what}"), times.quantile_ns(share) as f64, "ns");
        }
        say(identifiers, &format!("lookup slowest {what}"), times.longest_ns() as f64, "ns");
    }
    Ok(())
}

/// Each lookup's time; the clock's own is in it.
fn lookup_times(graph: &Graph, keys: &[Key], enough: impl Fn(u64) -> bool) -> Histogram {
    let mut times = Histogram::new();
    for keys in keys.chunks(256).cycle() {
        if enough(times.count()) {
            break;
        }
        for key in keys {
            let started = Instant::now();
            black_box(graph.resolve(*key));
            times.add(started.elapsed().as_nanos() as u64);
        }
    }
    times
}

fn clock_ns() -> f64 {
    let started = Instant::now();
    (0..100_000).for_each(|_| {
        black_box(Instant::now());
    });
    started.elapsed().as_nanos() as f64 / 1e5
}

/// Sizes at which bytes are counted, between half and all: an index that has just grown is as likely as a full one.
const STOPS: u64 = 16;

/// Bytes of an identifier and of an edge: two graphs with as many identifiers and 0.5 and 1.5 edges an identifier are
/// counted at the same sizes, and the difference is the edges'.
pub(crate) fn bytes(identifiers: u64) -> Result<()> {
    let (few_ids, few_bytes, few_resident) = counted(identifiers, false)?;
    let (many_ids, many_bytes, _) = counted(identifiers, true)?;
    ensure!(few_ids == many_ids, "the graphs differ in size: {few_ids} and {many_ids}");
    let an_edge = many_bytes - few_bytes;
    say(identifiers, "bytes an edge", an_edge, "B");
    say(identifiers, "bytes an identifier", few_bytes - an_edge / 2.0, "B");
    say(identifiers, "resident bytes an identifier with half an edge", few_resident, "B");
    Ok(())
}

/// Identifiers in the end; bytes for each, and of resident memory, averaged over the stops.
fn counted(identifiers: u64, all_edges: bool) -> Result<(u64, f64, f64)> {
    let (start, resident) = (bytes_in_use(), resident_bytes());
    let mut applier = Applier::without_journal()?;
    let kinds = applier.kinds();
    let (mut done, mut for_each, mut resident_each) = (0, Vec::new(), Vec::new());
    for stop in STOPS..=2 * STOPS {
        let fours = identifiers / 4 * stop / (2 * STOPS);
        applier.apply((done..fours).flat_map(|four| input::pairs_of_four(kinds, four, all_edges)))?;
        done = fours;
        let linked = applier.graph.stats().identifiers;
        ensure!(linked == fours * 4, "{linked} identifiers are linked, expected {}", fours * 4);
        for_each.push((bytes_in_use() - start) as f64 / linked as f64);
        resident_each.push(resident_bytes().saturating_sub(resident) as f64 / linked as f64);
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Ok((done * 4, mean(&for_each), mean(&resident_each)))
}
