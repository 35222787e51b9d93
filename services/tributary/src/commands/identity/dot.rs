//! An explanation as Graphviz.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::explain::{Edge, Explanation};
use super::names::Named;

/// A graph of the customer: dormant edges dotted, the path bold.
pub(super) fn render(explanation: &Explanation) -> String {
    let mut text = "graph customer {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"]\n  edge [fontname=\"sans-serif\", fontsize=10]\n".to_owned();
    let mut nodes: BTreeSet<(String, String)> = BTreeSet::new();
    let edges = || explanation.edges.iter().chain(&explanation.dormant);
    for named in explanation.identifiers.iter().chain(edges().flat_map(|edge| [&edge.a, &edge.b])) {
        nodes.insert((id(named), named.to_string()));
    }
    // Writing into a text cannot fail.
    for (id, label) in &nodes {
        let anchor = *id == explanation.customer_id.0.to_string();
        let _ = writeln!(text, "  \"{id}\" [label=\"{}\"{}]", escaped(label), if anchor { ", penwidth=2" } else { "" });
    }
    let on_path =
        |edge: &Edge| explanation.path.iter().any(|step| step.log_offset == edge.log_offset && same_ends(step, edge));
    for edge in edges() {
        let style = match &edge.refused_by {
            Some(_) => "style=dotted",
            None if edge.class == "closed" => "style=dashed",
            None if on_path(edge) => "penwidth=2",
            None => "style=solid",
        };
        let _ = writeln!(
            text,
            "  \"{}\" -- \"{}\" [label=\"{}\", {style}]",
            id(&edge.a),
            id(&edge.b),
            escaped(&label(edge))
        );
    }
    text + "}\n"
}

fn label(edge: &Edge) -> String {
    let why = edge.refused_by.as_ref().map(|rule| format!(" refused: {rule}")).unwrap_or_default();
    match &edge.evidence {
        Some(evidence) => format!("{} {} {}{why}", evidence.source, evidence.event_id, evidence.event_time),
        None => format!("{} at offset {}{why}", edge.class, edge.log_offset),
    }
}

fn id(named: &Named) -> String {
    named.key.0.to_string()
}

fn same_ends(a: &Edge, b: &Edge) -> bool {
    let ends = |edge: &Edge| (edge.a.key.min(edge.b.key), edge.a.key.max(edge.b.key));
    ends(a) == ends(b)
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " ")
}
