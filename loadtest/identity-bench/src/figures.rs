//! Figures as the processes of one run hand them on, and what is made of them: a table, a CSV, the goals.

use anyhow::{Context, Result};
use std::fmt::Write as _;

/// One measured number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Identifiers of the graph.
    pub(crate) identifiers: u64,
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
}

const MARK: &str = "figure\t";

/// Says a figure to whoever started this process.
pub(crate) fn say(identifiers: u64, name: &str, value: f64, unit: &str) {
    println!("{MARK}{identifiers}\t{name}\t{value}\t{unit}");
}

/// A line of a process that was started; `None` if it is not a figure.
pub(crate) fn heard(line: &str) -> Option<Figure> {
    let mut parts = line.strip_prefix(MARK)?.split('\t');
    Some(Figure {
        identifiers: parts.next()?.parse().ok()?,
        name: parts.next()?.to_owned(),
        value: parts.next()?.parse().ok()?,
        unit: parts.next()?.to_owned(),
    })
}

/// A number with three digits that say something.
pub(crate) fn readable(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{:.2} G", value / 1e9),
        v if v >= 1e6 => format!("{:.2} M", value / 1e6),
        v if v >= 1e4 => format!("{:.1} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn line(figure: &Figure) -> String {
    let Figure { identifiers, name, value, unit } = figure;
    format!("{:>9}  {name:<44} {:>10} {unit}", readable(*identifiers as f64), readable(*value))
}

pub(crate) fn csv(figures: &[Figure]) -> String {
    let mut text = String::from("identifiers,name,value,unit\n");
    for Figure { identifiers, name, value, unit } in figures {
        let _ = writeln!(text, "{identifiers},{name},{value},{unit}");
    }
    text
}

pub(crate) fn from_csv(text: &str) -> Result<Vec<Figure>> {
    let figure = |line: &str| heard(&format!("{MARK}{}", line.replace(',', "\t")));
    text.lines().skip(1).map(|line| figure(line).with_context(|| format!("`{line}` is no figure"))).collect()
}

/// A table with a row for each name and a column for each size.
pub(crate) fn markdown(figures: &[Figure]) -> String {
    let mut sizes: Vec<u64> = figures.iter().map(|figure| figure.identifiers).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut names: Vec<(&str, &str)> = Vec::new();
    for figure in figures {
        if !names.contains(&(&figure.name, &figure.unit)) {
            names.push((&figure.name, &figure.unit));
        }
    }
    let mut text = String::from("| figure | unit |");
    sizes.iter().for_each(|size| text += &format!(" {} |", readable(*size as f64)));
    text += "\n|---|---|";
    text += &"--:|".repeat(sizes.len());
    for (name, unit) in names {
        let _ = write!(text, "\n| {name} | {unit} |");
        for size in &sizes {
            let value = figures.iter().rfind(|f| f.identifiers == *size && f.name == name);
            let _ = write!(text, " {} |", value.map_or("–".to_owned(), |figure| readable(figure.value)));
        }
    }
    text + "\n"
}

/// What a figure should be.
struct Goal {
    name: &'static str,
    figure: &'static str,
    identifiers: u64,
    at_least: bool,
    target: f64,
}

const fn at_least(name: &'static str, figure: &'static str, millions: u64, target: f64) -> Goal {
    Goal { name, figure, identifiers: millions * 1_000_000, at_least: true, target }
}

const fn at_most(name: &'static str, figure: &'static str, millions: u64, target: f64) -> Goal {
    Goal { name, figure, identifiers: millions * 1_000_000, at_least: false, target }
}

const GOALS: [Goal; 8] = [
    at_least("hits_batch_10m", "lookup hit in batches of 32", 10, 20e6),
    at_least("hits_single_10m", "lookup hit one by one", 10, 8e6),
    at_least("hits_batch_100m", "lookup hit in batches of 32", 100, 15e6),
    at_least("links_10m", "links applied", 10, 2e6),
    at_most("bytes_per_identifier_10m", "bytes an identifier", 10, 48.0),
    at_most("bytes_per_edge_10m", "bytes an edge", 10, 24.0),
    at_most("lookup_p999_ns_under_load_10m", "lookup p99.9 while links are applied", 10, 2000.0),
    at_most("snapshot_load_s_10m", "snapshot load", 10, 2.0),
];

/// A line for each goal.
pub(crate) fn goals(figures: &[Figure]) -> String {
    let mut text = String::new();
    for goal in &GOALS {
        let sign = if goal.at_least { ">=" } else { "<=" };
        let figure = figures.iter().rfind(|f| f.identifiers == goal.identifiers && f.name == goal.figure);
        let _ = match figure.map(|figure| figure.value) {
            Some(value) => {
                let met = if goal.at_least { value >= goal.target } else { value <= goal.target };
                let said = if met { "met" } else { "missed" };
                writeln!(text, "goal {} value={value:.2} target={sign}{} {said}", goal.name, goal.target)
            }
            None => writeln!(text, "goal {} value=none target={sign}{} not measured", goal.name, goal.target),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn figures_survive_the_csv_and_decide_goals() {
        let figure = |millions: u64, name: &str, value| Figure {
            identifiers: millions * 1_000_000,
            name: name.to_owned(),
            value,
            unit: "/s".to_owned(),
        };
        let figures = vec![figure(10, "links applied", 2_500_000.0), figure(10, "lookup hit one by one", 7.9e6)];
        let text = csv(&figures);
        assert_eq!(from_csv(&text).unwrap(), figures);
        let goals = goals(&figures);
        assert!(goals.contains("goal links_10m value=2500000.00 target=>=2000000 met"), "{goals}");
        assert!(goals.contains("goal hits_single_10m value=7900000.00 target=>=8000000 missed"), "{goals}");
        assert!(goals.contains("goal snapshot_load_s_10m value=none"), "{goals}");
    }
}
