//! How many records came in, as Kafka's own tool reports it.

use devstack::Stack;
use schemas::Source;
use std::collections::BTreeMap;

use super::{Site, Space};
use crate::error::{Error, Result};

const TOOL: &str = "org.apache.kafka.tools.GetOffsetShell";

/// What a source's topic holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicCount {
    /// Whose records.
    pub source: Source,
    /// End minus begin offsets, over all partitions.
    pub records: u64,
}

/// End minus begin offsets of every source topic, in the order of the sources.
pub fn offsets(site: &Site, space: &Space) -> Result<Vec<TopicCount>> {
    let brokers = &space.config.kafka.brokers;
    let names: Vec<&str> = Source::ALL.iter().map(|source| space.topics.source(*source).name.as_str()).collect();
    let begins = ask(site.stack(), brokers, &names, "-2")?;
    let ends = ask(site.stack(), brokers, &names, "-1")?;
    let count = |source: Source| {
        let name = &space.topics.source(source).name;
        let sum = |of: &BTreeMap<(String, u32), u64>| {
            of.iter().filter(|((topic, _), _)| topic == name).map(|(_, at)| at).sum::<u64>()
        };
        TopicCount { source, records: sum(&ends).saturating_sub(sum(&begins)) }
    };
    Ok(Source::ALL.map(count).into())
}

/// `--time -1` asks for ends, `-2` for beginnings. The tool prints `topic:partition:offset` lines.
fn ask(stack: &Stack, brokers: &str, topics: &[&str], time: &str) -> Result<BTreeMap<(String, u32), u64>> {
    let pattern: Vec<String> = topics.iter().map(|name| name.replace('.', "\\.")).collect();
    let arguments = ["--bootstrap-server", brokers, "--topic-partitions", &pattern.join(","), "--time", time];
    let printed = stack.kafka_tool(TOOL, &arguments)?;
    parse(&printed).ok_or_else(|| Error::Unequal {
        what: format!("output of {TOOL}"),
        expected: "lines of topic:partition:offset".to_owned(),
        found: printed,
    })
}

fn parse(printed: &str) -> Option<BTreeMap<(String, u32), u64>> {
    let line = |line: &str| {
        let (rest, offset) = line.rsplit_once(':')?;
        let (topic, partition) = rest.rsplit_once(':')?;
        Some(((topic.to_owned(), partition.parse().ok()?), offset.parse().ok()?))
    };
    let offsets: BTreeMap<_, _> =
        printed.lines().filter(|text| !text.trim().is_empty()).map(line).collect::<Option<_>>()?;
    (!offsets.is_empty()).then_some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tool() {
        let offsets = parse("events.web:0:120\nevents.web:1:7\n\nad.spend:0:0\n").unwrap();
        assert_eq!(offsets[&("events.web".to_owned(), 1)], 7);
        assert_eq!(offsets.len(), 3);
        assert_eq!(parse(""), None);
        assert_eq!(parse("Error occurred: no broker\n"), None);
    }
}
