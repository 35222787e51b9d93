//! The models once more, as a reader of the documentation would compute them on paper: exact fractions, one unit handed
//! out at a time.

use proptest::prelude::*;
use schemas::Model;

use super::DAY;

/// A non-negative fraction.
#[derive(Debug, Clone, Copy)]
struct Fraction {
    over: u128,
    under: u128,
}

/// Compares credits with the oracle's. `path` holds (age in ms, whether direct), oldest first.
pub(super) fn check(model: Model, value: i64, path: &[(i64, bool)], credits: &[i64]) -> Result<(), TestCaseError> {
    if path.is_empty() {
        return Ok(());
    }
    match shares(model, path) {
        Some(shares) => prop_assert_eq!(credits, hand_out(value, &shares), "{}", model.as_str()),
        None => near(value, path, credits)?,
    }
    Ok(())
}

/// The share of each touch; `None` where it is no fraction (time decay over ages that are no whole half-lives).
fn shares(model: Model, path: &[(i64, bool)]) -> Option<Vec<Fraction>> {
    let n = path.len();
    let one = |winner: usize| (0..n).map(|i| Fraction { over: u128::from(i == winner), under: 1 }).collect();
    Some(match model {
        Model::First => one(0),
        Model::Last => one(n - 1),
        Model::LastNonDirect => {
            let mut winner = n - 1;
            for (index, (_, direct)) in path.iter().enumerate() {
                if !direct {
                    winner = index;
                }
            }
            one(winner)
        }
        Model::Linear => vec![Fraction { over: 1, under: n as u128 }; n],
        Model::Position if n == 1 => one(0),
        Model::Position if n == 2 => vec![Fraction { over: 1, under: 2 }; 2],
        Model::Position => (0..n)
            .map(|i| match i {
                _ if i == 0 || i == n - 1 => Fraction { over: 2, under: 5 },
                _ => Fraction { over: 1, under: 5 * (n as u128 - 2) },
            })
            .collect(),
        Model::TimeDecay => {
            if path.iter().any(|(age, _)| age % (7 * DAY) != 0) {
                return None;
            }
            let halvings: Vec<u32> = path.iter().map(|(age, _)| (age / (7 * DAY)) as u32).collect();
            let deepest = *halvings.iter().max()?;
            let under = halvings.iter().map(|h| 1u128 << (deepest - h)).sum();
            halvings.iter().map(|h| Fraction { over: 1 << (deepest - h), under }).collect()
        }
    })
}

/// Whole units first, then unit by unit to whoever is furthest below its exact due, the later one in a tie.
fn hand_out(value: i64, shares: &[Fraction]) -> Vec<i64> {
    let total = u128::from(value.unsigned_abs());
    let mut given: Vec<u128> = shares.iter().map(|share| total * share.over / share.under).collect();
    let mut served = vec![false; shares.len()];
    while given.iter().sum::<u128>() < total {
        let mut best: Option<usize> = None;
        for index in 0..shares.len() {
            if !served[index] && best.is_none_or(|b| !less(missing(total, shares[index]), missing(total, shares[b]))) {
                best = Some(index);
            }
        }
        let best = best.expect("fewer units are left than touches");
        served[best] = true;
        given[best] += 1;
    }
    given.into_iter().map(|part| (if value < 0 { -(part as i128) } else { part as i128 }) as i64).collect()
}

/// The fractional part of a touch's exact due.
fn missing(total: u128, share: Fraction) -> Fraction {
    Fraction { over: total * share.over % share.under, under: share.under }
}

fn less(a: Fraction, b: Fraction) -> bool {
    a.over * b.under < b.over * a.under
}

/// Time decay at any age: within one unit, or within what double precision can tell for huge values.
fn near(value: i64, path: &[(i64, bool)], credits: &[i64]) -> Result<(), TestCaseError> {
    let weights: Vec<f64> = path.iter().map(|(age, _)| 2f64.powf(-(*age as f64) / (7 * DAY) as f64)).collect();
    let sum: f64 = weights.iter().sum();
    for (weight, credit) in weights.iter().zip(credits) {
        let due = value as f64 * weight / sum;
        prop_assert!((due - *credit as f64).abs() <= 1.0 + due.abs() * 2e-9, "{} is not {}", credit, due);
    }
    Ok(())
}
