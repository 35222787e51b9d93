use schemas::TouchRow;

/// All to the first touch: what made the customer aware.
pub(super) fn weights(path: &[&TouchRow]) -> Vec<u64> {
    super::all_to(0, path.len())
}
