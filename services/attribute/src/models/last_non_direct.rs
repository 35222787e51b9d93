use schemas::TouchRow;

/// The channel of a visit that nothing led to. `attribute` imports no other stage, so the name stands here too; a
/// test of the whole path would fail if the two differed.
const DIRECT: &str = "Direct";

/// All to the last touch whose channel is not Direct; to the last one when all are.
pub(super) fn weights(path: &[&TouchRow]) -> Vec<u64> {
    let index = path.iter().rposition(|touch| touch.channel != DIRECT).unwrap_or(path.len().saturating_sub(1));
    super::all_to(index, path.len())
}
