//! ID-3 of the oracle itself: what it settles on breaks no limit, and every refusal was told.

use super::model::{Class, Oracle, Row, ordered};
use identity::{ConflictKind, Tier};
use schemas::Key;
use std::collections::BTreeSet;

/// `rows` are all conflict rows so far.
pub fn check(oracle: &Oracle, rows: &[Row]) -> Result<(), String> {
    for group in oracle.groups() {
        let within = |edge: &&super::model::Kept| edge.active && group.contains(&edge.ends[0]);
        let forced: Vec<_> = oracle.edges.iter().filter(within).filter(|e| e.class == Class::Forced).collect();
        let tied = |node: &Key| forced.iter().any(|edge| edge.has(*node));
        for (kind, rule) in (0u8..).zip(&oracle.rules().types) {
            let of_kind = group.iter().filter(|node| oracle.kind(**node) == kind);
            let counted = match rule.tier {
                Tier::Account if !forced.is_empty() => 0,
                Tier::Account => of_kind.count(),
                Tier::Contact | Tier::Device => of_kind.filter(|node| !tied(node)).count(),
            };
            if rule.max_per_customer.is_some_and(|limit| counted > limit as usize) {
                return Err(format!("ID-3: {counted} of type {} are one customer: {group:?}", rule.name));
            }
        }
        if group.len() > oracle.rules().max_identifiers as usize {
            return Err(format!("ID-3: {} identifiers are one customer", group.len()));
        }
        let bases: BTreeSet<Key> = group.iter().map(|node| oracle.base(*node)).collect();
        if oracle.vetoes.iter().any(|(a, b)| bases.contains(a) && bases.contains(b)) {
            return Err(format!("ID-3: a vetoed pair is one customer: {group:?}"));
        }
    }
    for edge in oracle.edges.iter().filter(|edge| !edge.active) {
        let ends = ordered(oracle.base(edge.ends[0]), oracle.base(edge.ends[1]));
        if !rows.iter().any(|row| row.kind == ConflictKind::Refused && ordered(row.a, row.b) == ends) {
            return Err(format!("ID-3: {} – {} was refused without a conflict row", ends.0, ends.1));
        }
    }
    if let Some(node) = oracle.leaves.keys().find(|node| oracle.is_current(**node)) {
        return Err(format!("R6: {node} is open and has a closed node's edge"));
    }
    match oracle.edges.iter().find(|edge| !edge.ends.iter().all(|end| oracle.is_current(*end))) {
        Some(edge) => Err(format!("R6: {edge:?} has an end that is closed")),
        None => Ok(()),
    }
}
