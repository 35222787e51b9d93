mod first;
mod last;
mod last_non_direct;
mod linear;
mod position;
mod time_decay;

use schemas::{Model, TouchRow};

use crate::AttributionConfig;

/// What each touch of an ascending path weighs under a model. Only the proportions count; weights stay below 2^63,
/// and at least one is positive when the path is not empty.
pub(crate) fn weights(model: Model, path: &[&TouchRow], config: &AttributionConfig) -> Vec<u64> {
    match model {
        Model::First => first::weights(path),
        Model::Last => last::weights(path),
        Model::LastNonDirect => last_non_direct::weights(path),
        Model::Linear => linear::weights(path),
        Model::TimeDecay => time_decay::weights(path, config.half_life_ms()),
        Model::Position => position::weights(path),
    }
}

/// Everything to one touch.
fn all_to(index: usize, length: usize) -> Vec<u64> {
    (0..length).map(|other| u64::from(other == index)).collect()
}
