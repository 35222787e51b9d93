use schemas::Key;

/// Contribution of one identifier to the fingerprint; the fingerprint is the wrapping sum of all. An identifier that is
/// its own customer contributes nothing, as if it had never been linked.
pub(crate) fn contribution(key: Key, customer: Key) -> u128 {
    if key == customer {
        return 0;
    }
    let (k, c) = (key.0, customer.0);
    let mut high: u64 = 0x243F_6A88_85A3_08D3;
    let mut low: u64 = 0x1319_8A2E_0370_7344;
    for word in [k as u64, (k >> 64) as u64, c as u64, (c >> 64) as u64] {
        high = mix(high ^ word, 0x9E37_79B9_7F4A_7C15);
        low = mix(low.rotate_left(23) ^ word, 0xD6E8_FEB8_6659_FD93);
    }
    u128::from(mix(high, low | 1)) << 64 | u128::from(mix(low, high | 1))
}

/// Folded 64 × 64 → 128 bit product: every bit of the input reaches every bit of the output.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0xA409_3822_299F_31D0) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_key_changes_it_and_their_roles_matter() {
        let base = contribution(Key(1), Key(2));
        assert_ne!(base, contribution(Key(2), Key(1)));
        for bit in 0..128 {
            for changed in [contribution(Key(1 ^ 1 << bit), Key(2)), contribution(Key(1), Key(2 ^ 1 << bit))] {
                let distance = (base ^ changed).count_ones();
                assert!(changed == 0 || (24..=104).contains(&distance), "bit {bit} changes {distance} bits");
            }
        }
        assert_eq!(contribution(Key(7), Key(7)), 0);
    }
}
