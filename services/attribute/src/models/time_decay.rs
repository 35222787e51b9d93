use schemas::TouchRow;

/// One, in fixed point with 62 binary places.
const ONE: u64 = 1 << 62;

/// `FACTORS[i]` = 2^(−1/2^(i+1)): what the (i+1)-th binary place of an age, counted in half-lives, multiplies the
/// weight by. Each is the integer square root of the one before. 32 places of a half-life of seven days are 0.14 ms.
const FACTORS: [u64; 32] = factors();

/// Halved for every half-life of age.
///
/// Floating-point powers differ between machines and libraries, and a credit that differs by one unit is a difference
/// that people investigate. So 2^(−age/half-life) is computed with integers alone: whole half-lives are shifts, and the
/// binary places of the rest choose among [`FACTORS`]. The same ages give the same bits everywhere.
///
/// Ages count from the newest touch of the path instead of from the conversion: that scales all weights alike, and so
/// changes no share, but the newest always weighs 1 and the sum is never 0, however long ago everything happened.
pub(super) fn weights(path: &[&TouchRow], half_life_ms: i64) -> Vec<u64> {
    let Some(newest) = path.last() else {
        return Vec::new();
    };
    path.iter().map(|touch| weight(newest.touch_time_ms.abs_diff(touch.touch_time_ms), half_life_ms)).collect()
}

/// 2^(−age/half-life) in fixed point, rounded down at each step.
fn weight(age_ms: u64, half_life_ms: i64) -> u64 {
    let half_life = half_life_ms.unsigned_abs().max(1);
    let whole = age_ms / half_life;
    if whole >= 62 {
        return 0;
    }
    let mut rest = u128::from(age_ms % half_life);
    let mut weight = ONE;
    for factor in FACTORS {
        rest *= 2;
        if rest >= u128::from(half_life) {
            rest -= u128::from(half_life);
            weight = multiply(weight, factor);
        }
    }
    weight >> whole
}

const fn factors() -> [u64; 32] {
    let mut factors = [0; 32];
    let mut previous = ONE / 2;
    let mut place = 0;
    while place < factors.len() {
        // √(p · 2^62) is the root of p/2^62 in the same fixed point; p < 2^62, so the root is below 2^62 too.
        previous = ((previous as u128) << 62).isqrt() as u64;
        factors[place] = previous;
        place += 1;
    }
    factors
}

/// Product of two fixed-point numbers that are at most one.
const fn multiply(a: u64, b: u64) -> u64 {
    ((a as u128 * b as u128) >> 62) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: i64 = 7 * 24 * 3_600_000;

    #[test]
    fn whole_half_lives_halve_exactly() {
        for lives in 0..62 {
            assert_eq!(weight(lives * WEEK.unsigned_abs(), WEEK), ONE >> lives);
        }
        assert_eq!(weight(62 * WEEK.unsigned_abs(), WEEK), 0);
        assert_eq!(weight(u64::MAX, 1), 0);
    }

    /// The same on every machine: whoever changes the arithmetic changes stored credits, and sees it here.
    #[test]
    fn the_bits_are_pinned() {
        assert_eq!(FACTORS[0], 3_260_954_456_333_195_553, "2^62 / √2, rounded down");
        assert_eq!(weight(1, WEEK), 4_611_686_013_217_560_076);
        assert_eq!(weight(3_600_000, WEEK), 4_592_697_971_908_000_307);
        assert_eq!(weight(123_456_789, WEEK), 4_003_234_154_541_000_219);
    }

    /// Against floating point, which is close enough to find a wrong factor.
    #[test]
    fn weights_are_powers_of_two() {
        for age in (0..4 * WEEK.unsigned_abs()).step_by(9_876_543) {
            let exact = 2f64.powf(-(age as f64) / WEEK as f64);
            let fixed = weight(age, WEEK) as f64 / ONE as f64;
            assert!((fixed / exact - 1.0).abs() < 1e-9, "{age} ms: {fixed} is not {exact}");
        }
    }

    #[test]
    fn older_never_weighs_more() {
        let mut last = ONE;
        for age in (0..=10 * WEEK.unsigned_abs()).step_by(997_001) {
            let now = weight(age, WEEK);
            assert!(now <= last, "at {age} ms");
            last = now;
        }
    }
}
