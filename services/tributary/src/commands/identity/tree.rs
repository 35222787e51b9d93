//! An explanation as text: the path as a ladder, the customer as a tree.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::explain::{Edge, Explanation};
use super::names::{Key16, Named};

/// Everything about the identifier; at most `limit` identifiers of its customer.
pub(super) fn render(explanation: &Explanation, limit: usize) -> String {
    let mut text = head(explanation);
    text += &why(explanation);
    text += &customer(explanation, limit);
    let dormant = explanation.dormant.iter().map(|edge| {
        let rule = edge.refused_by.as_deref().unwrap_or_default();
        format!("{} – {}: {rule} ({})", edge.a, edge.b, origin(edge))
    });
    text += &section("edges that were refused", dormant, limit);
    text += &section("never one customer with", explanation.vetoes.iter().map(ToString::to_string), limit);
    let events = explanation.events.iter().map(|event| {
        format!(
            "{} {} by the rule {}, because of {}, at log offset {}",
            event.a, event.kind, event.rule, event.b, event.log_offset
        )
    });
    text += &section("what the rules did", events, limit);
    let generations = explanation.generations.iter().filter(|_| explanation.generations.len() > 1);
    let generations = generations.map(|generation| {
        let state = if generation.closed { "closed" } else { "current" };
        format!("{}  {}  {state}, customer {}", generation.number, generation.identity_key.0, generation.customer_id.0)
    });
    text += &section("generations", generations, limit);
    let told = explanation.told.iter().map(|told| {
        let note = if told.note.is_empty() { String::new() } else { format!(": {}", told.note) };
        format!("{}  {} at log offset {}{note}", told.logged_at, told.command, told.log_offset)
    });
    text += &section("what operators said", told, limit);
    if let Some(reason) = &explanation.without_records {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "\nthe records behind the edges are not named: {reason}");
    }
    text
}

fn head(explanation: &Explanation) -> String {
    let mut text = format!("{}  {}\n", explanation.identifier, explanation.identifier.key.0);
    let changed = match explanation.changed_at {
        Some(offset) => format!(", last changed at log offset {offset}"),
        None => ", never linked".to_owned(),
    };
    let count = explanation.identifiers.len();
    let _ = writeln!(
        text,
        "customer {}  {count} identifier{}{changed}",
        explanation.customer_id.0,
        if count == 1 { "" } else { "s" }
    );
    if explanation.shared {
        text += "shared: several people use it, it links nobody\n";
    }
    if explanation.suppressed {
        text += "suppressed: erased for ever, it links nobody\n";
    }
    if let Some(at_ms) = explanation.erased_at_ms {
        let at = jiff::Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string());
        let _ = writeln!(text, "erased at {at}: links of older records are refused");
    }
    text
}

fn why(explanation: &Explanation) -> String {
    let (from, to) = (&explanation.identifier, &explanation.to);
    if !explanation.same_customer {
        return format!("\n{from} and {to} are two customers\n");
    }
    if explanation.path.is_empty() {
        return String::new();
    }
    let count = explanation.path.len();
    let anchor = if to.key == explanation.customer_id { ", the customer's anchor" } else { "" };
    let mut text = format!(
        "\nwhy {from} is one customer with {to}{anchor}: {count} edge{}\n  {from}\n",
        if count == 1 { "" } else { "s" }
    );
    for (depth, edge) in explanation.path.iter().enumerate() {
        let indent = "   ".repeat(depth);
        let _ = writeln!(text, "  {indent}└─ {}", origin(edge));
        let _ = writeln!(text, "  {indent}   {}", edge.b);
    }
    text
}

/// The customer as a tree of its active edges, from the anchor on.
fn customer(explanation: &Explanation, limit: usize) -> String {
    let Some(anchor) = explanation.identifiers.first().filter(|_| explanation.identifiers.len() > 1) else {
        return String::new();
    };
    let mut around: HashMap<Key16Id, Vec<(&Named, &Edge)>> = HashMap::new();
    for edge in &explanation.edges {
        around.entry(id(edge.a.key)).or_default().push((&edge.b, edge));
        around.entry(id(edge.b.key)).or_default().push((&edge.a, edge));
    }
    let mut lines = vec![format!("{anchor}  (anchor)")];
    let mut seen = HashSet::from([id(anchor.key)]);
    // Depth first, on a stack of its own: a customer can be a chain of hundreds.
    let mut waiting: Vec<(&Named, Option<&Edge>, String, bool)> = Vec::new();
    push_children(anchor, "", &around, &mut seen, &mut waiting);
    while let Some((named, edge, indent, last)) = waiting.pop() {
        let branch = if last { "└─" } else { "├─" };
        let said = edge.map(origin).unwrap_or_default();
        lines.push(format!("{indent}{branch} {named}  · {said}"));
        let indent = format!("{indent}{}", if last { "   " } else { "│  " });
        push_children(named, &indent, &around, &mut seen, &mut waiting);
    }
    section("everything of this customer", lines.into_iter(), limit)
}

type Key16Id = u128;

fn id(key: Key16) -> Key16Id {
    key.0.0
}

fn push_children<'a>(
    of: &Named,
    indent: &str,
    around: &HashMap<Key16Id, Vec<(&'a Named, &'a Edge)>>,
    seen: &mut HashSet<Key16Id>,
    waiting: &mut Vec<(&'a Named, Option<&'a Edge>, String, bool)>,
) {
    let mut children: Vec<(&Named, &Edge)> = around.get(&id(of.key)).cloned().unwrap_or_default();
    children.retain(|(child, _)| seen.insert(id(child.key)));
    for (place, (child, edge)) in children.into_iter().rev().enumerate() {
        waiting.push((child, Some(edge), indent.to_owned(), place == 0));
    }
}

/// Where an edge comes from, as far as it is known.
fn origin(edge: &Edge) -> String {
    let kind = match edge.class {
        "forced" => "merged by an operator",
        "closed" => "kept from before its generation was closed",
        class => class,
    };
    match &edge.evidence {
        Some(evidence) if edge.class == "forced" && evidence.source == "operator" => {
            let note = if evidence.note.is_empty() { String::new() } else { format!(" · {}", evidence.note) };
            format!("{kind} · {}{note} · log offset {}", evidence.event_time, edge.log_offset)
        }
        Some(evidence) => {
            format!(
                "{kind} · {} {} · {} · log offset {}",
                evidence.source, evidence.event_id, evidence.event_time, edge.log_offset
            )
        }
        None => format!("{kind} · log offset {}", edge.log_offset),
    }
}

fn section(title: &str, lines: impl Iterator<Item = String>, limit: usize) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for line in lines.iter().take(limit) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > limit {
        let _ = writeln!(text, "  … and {} more (--limit)", lines.len() - limit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Evidence;
    use super::*;
    use schemas::Key;

    fn named(kind: &str, key: u128, value: Option<&str>) -> Named {
        Named { kind: kind.to_owned(), key: Key16(Key(key << 96)), value: value.map(str::to_owned) }
    }

    fn edge(a: &Named, b: &Named, class: &'static str, log_offset: i64, source: Option<&str>) -> Edge {
        let evidence = source.map(|source| Evidence {
            source: source.to_owned(),
            event_id: if source == "operator" { String::new() } else { "e-1".to_owned() },
            event_time: "2026-10-01 09:00:00.000".to_owned(),
            note: if source == "operator" { "jo: ticket 812".to_owned() } else { String::new() },
        });
        Edge { a: a.clone(), b: b.clone(), class, log_offset, refused_by: None, evidence }
    }

    #[test]
    fn a_ladder_and_a_tree() {
        let user = named("user_id", 0x41, None);
        let other = named("user_id", 0x42, None);
        let email = named("email", 0xe, Some("jane@example.com"));
        let device = named("anonymous_id", 0xd, None);
        let edges = [
            edge(&user, &email, "contact", 1, Some("form")),
            edge(&user, &other, "forced", 7, Some("operator")),
            edge(&other, &device, "device", 3, None),
        ];
        let refused = Edge { refused_by: Some("max_per_customer, at log offset 4".to_owned()), ..edges[0].clone() };
        let turned = Edge { a: other.clone(), b: user.clone(), ..edges[1].clone() };
        let explanation = Explanation {
            identifier: device.clone(),
            customer_id: user.key,
            changed_at: Some(7),
            log_offset: 9,
            generations: Vec::new(),
            shared: false,
            suppressed: false,
            erased_at_ms: Some(0),
            vetoes: vec![named("user_id", 0x43, None)],
            to: email.clone(),
            same_customer: true,
            path: vec![Edge { a: device.clone(), b: other.clone(), ..edges[2].clone() }, turned, edges[0].clone()],
            identifiers: vec![user, other, email, device],
            edges: edges.to_vec(),
            dormant: vec![refused],
            events: Vec::new(),
            told: Vec::new(),
            without_records: Some("clickhouse is away".to_owned()),
        };
        insta::assert_snapshot!(render(&explanation, 50));
        assert!(render(&explanation, 2).contains("… and 2 more (--limit)"));
    }
}
