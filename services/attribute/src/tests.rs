use proptest::prelude::*;
use schemas::{Conversion, Model, PathTouch, Position, TouchRow};

use crate::{AttributionConfig, attribute, invariants};

mod oracle;

pub(crate) const DAY: i64 = 24 * 3_600_000;
/// The time of every conversion in these tests.
pub(crate) const NOW: i64 = 1_740_000_000_000;

pub(crate) fn touch(age_ms: i64, channel: &str, offset: i64) -> TouchRow {
    TouchRow {
        position: Position { topic_id: uuid::Uuid::nil(), partition: 0, offset },
        ordinal: 0,
        identity_key: schemas::Key(1),
        touch_time_ms: NOW - age_ms,
        kind: "session_start".into(),
        channel: channel.into(),
        campaign_source: "".into(),
        campaign_medium: "".into(),
        campaign: "".into(),
    }
}

pub(crate) fn conversion(value_minor: i64) -> Conversion {
    Conversion {
        position: Position { topic_id: uuid::Uuid::nil(), partition: 1, offset: 0 },
        ordinal: 0,
        source: "web".into(),
        event_id: "e".into(),
        name: "order".into(),
        kind: "conversion".into(),
        order_id: "o".into(),
        identity_key: schemas::Key(1),
        conversion_time_ms: NOW,
        value_minor,
        currency: "USD".into(),
    }
}

/// Credits of one model over a path given as (days before the conversion, channel), oldest first.
fn credits(model: Model, value_minor: i64, path: &[(i64, &str)]) -> Vec<i64> {
    let touches: Vec<TouchRow> =
        path.iter().enumerate().map(|(offset, (days, channel))| touch(days * DAY, channel, offset as i64)).collect();
    column(&attribute(&conversion(value_minor), &touches, &AttributionConfig::default()), model)
}

fn column(path: &[PathTouch], model: Model) -> Vec<i64> {
    let index = Model::ALL.iter().position(|&other| other == model).unwrap();
    path.iter().map(|touch| touch.credit_minor[index]).collect()
}

const SEARCH: &str = "Paid Search";
const DIRECT: &str = "Direct";

#[test]
fn every_model_on_paths_that_can_be_checked_by_hand() {
    use Model::{First, Last, LastNonDirect, Linear, Position, TimeDecay};
    type Case = (Model, i64, &'static [(i64, &'static str)], &'static [i64]);
    let cases: &[Case] = &[
        (First, 100, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[100, 0, 0]),
        (Last, 100, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[0, 0, 100]),
        (LastNonDirect, 100, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[100, 0, 0]),
        (LastNonDirect, 100, &[(9, DIRECT), (2, DIRECT)], &[0, 100]),
        (LastNonDirect, 100, &[(9, DIRECT), (2, SEARCH), (1, SEARCH)], &[0, 0, 100]),
        (Linear, 100, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[33, 33, 34]),
        (Linear, -100, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[-33, -33, -34]),
        (Linear, 2, &[(9, SEARCH), (2, DIRECT), (1, DIRECT)], &[0, 1, 1]),
        (Linear, 0, &[(9, SEARCH), (2, DIRECT)], &[0, 0]),
        (TimeDecay, 300, &[(7, SEARCH), (0, DIRECT)], &[100, 200]),
        (TimeDecay, 700, &[(21, SEARCH), (14, SEARCH), (7, DIRECT)], &[100, 200, 400]),
        (TimeDecay, 100, &[(30, SEARCH)], &[100]),
        (Position, 100, &[(3, SEARCH)], &[100]),
        (Position, 101, &[(3, SEARCH), (2, SEARCH)], &[50, 51]),
        (Position, 100, &[(3, SEARCH), (2, SEARCH), (1, SEARCH)], &[40, 20, 40]),
        (Position, 100, &[(4, SEARCH), (3, SEARCH), (2, SEARCH), (1, SEARCH)], &[40, 10, 10, 40]),
        (Position, 1, &[(3, SEARCH), (2, SEARCH), (1, SEARCH)], &[0, 0, 1]),
        (Position, -1000, &[(3, SEARCH), (2, SEARCH), (1, SEARCH)], &[-400, -200, -400]),
    ];
    for (model, value, path, expect) in cases {
        assert_eq!(&credits(*model, *value, path), expect, "{} of {value} over {path:?}", model.as_str());
    }
}

#[test]
fn the_lookback_includes_both_ends() {
    let config = AttributionConfig::default();
    let ages = [30 * DAY + 1, 30 * DAY, 1, 0, -1];
    let touches: Vec<TouchRow> = ages.iter().enumerate().map(|(o, &age)| touch(age, SEARCH, o as i64)).collect();
    let path = attribute(&conversion(9), &touches, &config);
    assert_eq!(path.iter().map(|t| NOW - t.touch.touch_time_ms).collect::<Vec<_>>(), [30 * DAY, 1, 0]);
}

#[test]
fn a_touch_of_the_conversions_own_event_counts() {
    assert_eq!(credits(Model::Last, 5, &[(0, DIRECT)]), [5]);
}

#[test]
fn without_touches_there_is_nobody_to_credit() {
    assert!(attribute(&conversion(100), &[], &AttributionConfig::default()).is_empty());
    assert!(attribute(&conversion(100), &[touch(-1, SEARCH, 0)], &AttributionConfig::default()).is_empty());
}

#[test]
fn touches_at_one_time_are_ordered_by_position_and_rows_loaded_twice_count_once() {
    let rows = [touch(DAY, SEARCH, 7), touch(DAY, DIRECT, 3), touch(DAY, SEARCH, 7)];
    let path = attribute(&conversion(100), &rows, &AttributionConfig::default());
    assert_eq!(path.iter().map(|t| t.touch.position.offset).collect::<Vec<_>>(), [3, 7]);
    assert_eq!(column(&path, Model::First), [100, 0]);
}

#[test]
fn the_extremes_of_time_and_money_are_safe() {
    for value in [i64::MAX, i64::MIN, i64::MAX - 1] {
        for time in [i64::MAX, i64::MIN, 0] {
            let conversion = Conversion { conversion_time_ms: time, ..conversion(value) };
            let touches: Vec<TouchRow> = [i64::MIN, -1, 0, i64::MAX]
                .iter()
                .enumerate()
                .map(|(offset, &t)| TouchRow { touch_time_ms: t, ..touch(0, SEARCH, offset as i64) })
                .collect();
            let config = AttributionConfig { lookback_days: u32::MAX, ..AttributionConfig::default() };
            let path = attribute(&conversion, &touches, &config);
            assert_eq!(invariants::at_1(value, &path), Ok(()));
        }
    }
}

#[test]
fn invariants_notice_what_is_wrong() {
    let mut path = attribute(&conversion(100), &[touch(DAY, SEARCH, 0), touch(0, DIRECT, 1)], &Default::default());
    assert_eq!(invariants::at_1(100, &path), Ok(()));
    assert!(invariants::at_1(-100, &path).unwrap_err().to_string().starts_with("AT-1: the credits of model first"));
    path[0].credit_minor[3] += 101;
    path[1].credit_minor[3] -= 101;
    assert!(matches!(invariants::at_1(100, &path), Err(invariants::Broken::Sign { credit: -51, .. })));
    path[0].share_ppm[0] = 0;
    assert!(matches!(invariants::at_1(100, &path[..0]), Ok(())));
}

/// Ages from fractions of a second to beyond the lookback, with many ties.
fn ages() -> impl Strategy<Value = Vec<(i64, bool)>> {
    let age = prop_oneof![0..5i64, 0..40 * DAY, (0..6i64).prop_map(|weeks| weeks * 7 * DAY)];
    prop::collection::vec((age, any::<bool>()), 0..12)
}

fn values() -> impl Strategy<Value = i64> {
    prop_oneof![-20..20i64, any::<i64>(), Just(i64::MAX), Just(i64::MIN), 0..1_000_000i64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// AT-1, and every model against arithmetic with fractions that shares no code with it.
    #[test]
    fn credits_equal_the_oracle(ages in ages(), value in values()) {
        let mut ages = ages;
        ages.sort_by_key(|(age, _)| -age);
        let touches: Vec<TouchRow> = ages
            .iter()
            .enumerate()
            .map(|(offset, (age, direct))| touch(*age, if *direct { DIRECT } else { SEARCH }, offset as i64))
            .collect();
        let path = attribute(&conversion(value), &touches, &AttributionConfig::default());
        prop_assert_eq!(invariants::at_1(value, &path), Ok(()));
        let eligible: Vec<(i64, bool)> = ages.into_iter().filter(|(age, _)| *age <= 30 * DAY).collect();
        prop_assert_eq!(path.len(), eligible.len());
        for model in Model::ALL {
            oracle::check(model, value, &eligible, &column(&path, model))?;
        }
    }

    /// The order in which a query returns rows decides nothing.
    #[test]
    fn the_order_of_rows_does_not_matter(ages in ages(), value in values(), seed in any::<u64>()) {
        let rows: Vec<TouchRow> =
            ages.iter().enumerate().map(|(o, (age, _))| touch(*age, SEARCH, o as i64)).collect();
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|row| (row.position.offset as u64).wrapping_mul(seed | 1));
        let config = AttributionConfig::default();
        prop_assert_eq!(attribute(&conversion(value), &rows, &config), attribute(&conversion(value), &shuffled, &config));
    }

    /// A refund over the same path takes back exactly what the conversion gave.
    #[test]
    fn a_refund_mirrors_its_conversion(ages in ages(), value in 0..i64::MAX) {
        let rows: Vec<TouchRow> =
            ages.iter().enumerate().map(|(o, (age, _))| touch(*age, SEARCH, o as i64)).collect();
        let config = AttributionConfig::default();
        let (given, taken) = (attribute(&conversion(value), &rows, &config), attribute(&conversion(-value), &rows, &config));
        for (given, taken) in given.iter().zip(&taken) {
            prop_assert_eq!(given.credit_minor, taken.credit_minor.map(|credit| -credit));
            prop_assert_eq!(given.share_ppm, taken.share_ppm);
        }
    }
}
