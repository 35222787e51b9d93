//! Touchpoints to credits, one file per model. Pure: no I/O, no clock, no randomness, no floating point.
//!
//! [`attribute`] picks the touches that are eligible for one conversion, asks every model for weights, and turns the
//! weights into integers that sum exactly to the conversion's value (invariant AT-1, see [`invariants`]).

mod config;
mod customer;
mod eligible;
pub mod invariants;
mod models;
mod split;

pub use config::AttributionConfig;
pub use customer::attribute_customer;

use schemas::{Conversion, Model, PathTouch, TouchRow};

/// Parts of a share: shares are whole millionths.
pub const SHARE_PARTS: u32 = 1_000_000;

/// Credits one conversion to the touches that led to it.
///
/// `touches` are the customer's, in any order (as stored they ascend by time, position, ordinal, which is the cheapest
/// to take); those outside the lookback are left out. The path comes back ascending; it is empty when no touch is
/// eligible, and then nobody gets the credit. A refund's value is negative and so are its credits; over which path they
/// go back is for [`attribute_customer`] to find.
pub fn attribute(conversion: &Conversion, touches: &[TouchRow], config: &AttributionConfig) -> Vec<PathTouch> {
    let path = eligible::eligible(conversion.conversion_time_ms, touches, config);
    let mut credited: Vec<PathTouch> = path
        .iter()
        .map(|touch| PathTouch { touch: (*touch).clone(), credit_minor: [0; 6], share_ppm: [0; 6] })
        .collect();
    for (column, model) in Model::ALL.into_iter().enumerate() {
        let weights = models::weights(model, &path, config);
        let credits = split::split(conversion.value_minor, &weights);
        let shares = split::split(i64::from(SHARE_PARTS), &weights);
        for ((touch, credit), share) in credited.iter_mut().zip(credits).zip(shares) {
            touch.credit_minor[column] = credit;
            touch.share_ppm[column] = u32::try_from(share).expect("a share lies between 0 and a million");
        }
    }
    debug_assert_eq!(invariants::at_1(conversion.value_minor, &credited), Ok(()));
    credited
}

#[cfg(test)]
mod tests;
