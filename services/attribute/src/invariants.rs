//! What must hold of every path, with the ids that the design, the asserts, the simulation and the metrics share.

use schemas::{Model, PathTouch};
use thiserror::Error;

use crate::SHARE_PARTS;

/// Credits of every model sum exactly to the conversion's value.
pub const AT_1: &str = "AT-1";

/// How an invariant was broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Broken {
    /// The credits of a model do not sum to the value.
    #[error("{AT_1}: the credits of model {model} sum to {sum} instead of {value}")]
    CreditSum {
        /// Name of the model.
        model: &'static str,
        /// What they sum to.
        sum: i128,
        /// The conversion's value.
        value: i64,
    },
    /// The shares of a model do not sum to a million.
    #[error("{AT_1}: the shares of model {model} sum to {sum} millionths")]
    ShareSum {
        /// Name of the model.
        model: &'static str,
        /// What they sum to.
        sum: u64,
    },
    /// A credit has the other sign than the value.
    #[error("{AT_1}: model {model} gives a credit of {credit} for a value of {value}")]
    Sign {
        /// Name of the model.
        model: &'static str,
        /// The credit.
        credit: i64,
        /// The conversion's value.
        value: i64,
    },
}

/// AT-1: for every model the credits sum exactly to the value, none has the other sign, and the shares sum to a
/// million. A path without touches credits nobody and satisfies it.
pub fn at_1(value_minor: i64, path: &[PathTouch]) -> Result<(), Broken> {
    if path.is_empty() {
        return Ok(());
    }
    for (column, model) in Model::ALL.into_iter().enumerate() {
        let model = model.as_str();
        let sum: i128 = path.iter().map(|touch| i128::from(touch.credit_minor[column])).sum();
        if sum != i128::from(value_minor) {
            return Err(Broken::CreditSum { model, sum, value: value_minor });
        }
        let opposite =
            path.iter().map(|touch| touch.credit_minor[column]).find(|c| c.signum() == -value_minor.signum());
        if let Some(credit) = opposite.filter(|&credit| credit != 0) {
            return Err(Broken::Sign { model, credit, value: value_minor });
        }
        let sum: u64 = path.iter().map(|touch| u64::from(touch.share_ppm[column])).sum();
        if sum != u64::from(SHARE_PARTS) {
            return Err(Broken::ShareSum { model, sum });
        }
    }
    Ok(())
}
