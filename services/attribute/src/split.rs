/// Splits `total` into integers in proportion to `weights`; the parts sum exactly to `total`.
///
/// Largest remainder: every part is rounded towards zero, and the units left over go one each to the parts that lost
/// most by that, the later one first where two lost the same. A negative total (a refund) is the mirror image of the
/// positive one. A part whose weight is 0 gets nothing.
///
/// All arithmetic is in 128 bits: |total| ≤ 2^63 and weights stay below 2^63, so no product overflows.
pub(crate) fn split(total: i64, weights: &[u64]) -> Vec<i64> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let magnitude = u128::from(total.unsigned_abs());
    let mut parts: Vec<u64> = Vec::with_capacity(weights.len());
    let mut lost: Vec<(u128, usize)> = Vec::with_capacity(weights.len());
    let mut left = magnitude;
    for (index, &weight) in weights.iter().enumerate() {
        let product = magnitude * u128::from(weight);
        let part = product / sum;
        left -= part;
        parts.push(u64::try_from(part).expect("a part is no larger than the total"));
        lost.push((product % sum, index));
    }
    // Fewer units are left than parts that lost something, so a part with weight 0 never gets one.
    lost.sort_unstable_by(|a, b| b.cmp(a));
    for (_, index) in lost.into_iter().take(usize::try_from(left).expect("fewer units are left than parts")) {
        parts[index] += 1;
    }
    parts.into_iter().map(|part| signed(part, total)).collect()
}

/// `part` with the sign of `total`. `part ≤ |total|`, so the result is in range even for `i64::MIN`.
fn signed(part: u64, total: i64) -> i64 {
    if total < 0 { 0i64.wrapping_sub_unsigned(part) } else { part.cast_signed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_left_over_go_to_the_largest_loss_and_ties_to_the_later() {
        assert_eq!(split(100, &[1, 1, 1]), [33, 33, 34]);
        assert_eq!(split(101, &[1, 1, 1]), [33, 34, 34]);
        assert_eq!(split(1, &[1, 1]), [0, 1]);
        assert_eq!(split(10, &[5, 3, 3]), [4, 3, 3], "5/11 of 10 loses .545, 3/11 loses .727");
        assert_eq!(split(7, &[0, 1, 0]), [0, 7, 0]);
    }

    #[test]
    fn a_refund_mirrors_the_sign() {
        assert_eq!(split(-100, &[1, 1, 1]), [-33, -33, -34]);
    }

    #[test]
    fn the_ends_of_the_range_are_safe() {
        for weights in [vec![1], vec![1, 1, 1], vec![1 << 62; 7], vec![u64::MAX >> 1, 1]] {
            assert_eq!(split(i64::MAX, &weights).iter().map(|&x| i128::from(x)).sum::<i128>(), i128::from(i64::MAX));
            assert_eq!(split(i64::MIN, &weights).iter().map(|&x| i128::from(x)).sum::<i128>(), i128::from(i64::MIN));
        }
    }

    #[test]
    fn no_weights_and_no_value_give_nothing() {
        assert_eq!(split(5, &[]), [0i64; 0]);
        assert_eq!(split(0, &[3, 4]), [0, 0]);
    }
}
