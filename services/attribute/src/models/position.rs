use schemas::TouchRow;

/// 40 % to the first, 40 % to the last, 20 % spread evenly between; one touch gets all, two get half each.
pub(super) fn weights(path: &[&TouchRow]) -> Vec<u64> {
    match path.len() {
        0..=2 => vec![1; path.len()],
        length => {
            // With m touches between, the weights 2m : 1 : … : 1 : 2m are exactly 40 % : 20 %/m : … : 40 %.
            let between = (length - 2) as u64;
            let mut weights = vec![1; length];
            weights[0] = 2 * between;
            weights[length - 1] = 2 * between;
            weights
        }
    }
}
