use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;

use crate::avro::AvroWriter;
use crate::journey::{Planned, journey};
use crate::ledger::Fate;
use crate::person::Person;
use crate::{Ledger, Record, broken, campaigns};

/// What to generate.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Same seed, same records.
    pub seed: u64,
    /// Number of records, broken and redelivered ones included.
    pub records: u64,
    /// End of the month in which everything happens, ms since the epoch.
    pub now_ms: i64,
    /// Without shared devices, conflicting identifiers and junk: the outcome then does not depend on the order of arrival
    /// across partitions.
    pub order_free: bool,
}

/// People whose journeys run at the same time.
const PEOPLE_AT_ONCE: usize = 400;

/// Yields the records in the order of their event times within a group of people; knows the ledger at any time.
#[derive(Debug)]
pub struct Generator {
    scenario: Scenario,
    random: StdRng,
    avro: AvroWriter,
    people: u64,
    emitted: u64,
    ready: VecDeque<Planned>,
    /// Sent a moment ago, to be delivered again.
    again: VecDeque<Record>,
    ledger: Ledger,
}

impl Generator {
    /// Begins a scenario.
    pub fn new(scenario: Scenario) -> Self {
        Self {
            random: StdRng::seed_from_u64(scenario.seed),
            scenario,
            avro: AvroWriter::new(),
            people: 0,
            emitted: 0,
            ready: VecDeque::new(),
            again: VecDeque::new(),
            ledger: Ledger::default(),
        }
    }

    /// What must become of the records yielded so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The ledger of the whole scenario.
    pub fn into_ledger(self) -> Ledger {
        self.ledger
    }

    fn refill(&mut self) {
        let mut planned = Vec::new();
        if self.people == 0 {
            planned = campaigns::spend(&self.scenario, &mut self.random);
        }
        let tablet = format!("tablet-{:x}-{}", self.scenario.seed, self.people);
        let mut last: Option<Person> = None;
        for _ in 0..PEOPLE_AT_ONCE {
            let mut person = Person::new(self.scenario.seed, self.people, &mut self.random);
            self.people += 1;
            if let Some(last) = last.as_ref().filter(|_| !self.scenario.order_free) {
                person.mix_with(last, &tablet, &mut self.random);
            }
            planned.extend(journey(&person, &self.scenario, &self.avro, &mut self.random));
            last = Some(person);
        }
        planned.sort_by(|a, b| (a.time_ms, &a.event_id).cmp(&(b.time_ms, &b.event_id)));
        self.ready = planned.into();
    }

    /// One record in a hundred is broken, three in a hundred are a delivery of something sent before.
    fn choose(&mut self) -> Record {
        if self.random.random_bool(0.01) {
            let index = self.ledger.records;
            let (record, reason) = broken::record(&self.scenario, index, &mut self.random);
            self.ledger.add(&record, Fate::Rejected(reason));
            return record;
        }
        if self.again.len() > 200 || (!self.again.is_empty() && self.random.random_bool(0.03)) {
            let record = self.again.pop_front().expect("it is not empty in either case");
            self.ledger.add(&record, Fate::Duplicate);
            return record;
        }
        while self.ready.is_empty() {
            self.refill();
        }
        let planned = self.ready.pop_front().expect("it was refilled until it held something");
        self.ledger.add(&planned.record, Fate::Stored { event_id: planned.event_id, conversion: planned.conversion });
        if self.random.random_bool(0.03) {
            self.again.push_back(planned.record.clone());
        }
        planned.record
    }
}

impl Iterator for Generator {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.emitted == self.scenario.records {
            return None;
        }
        self.emitted += 1;
        Some(self.choose())
    }
}
