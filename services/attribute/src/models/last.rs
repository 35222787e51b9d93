use schemas::TouchRow;

/// All to the last touch: what closed the deal.
pub(super) fn weights(path: &[&TouchRow]) -> Vec<u64> {
    super::all_to(path.len().saturating_sub(1), path.len())
}
