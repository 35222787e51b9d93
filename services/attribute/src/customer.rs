use schemas::{Conversion, PathTouch, TouchRow};
use std::collections::HashMap;

use crate::{AttributionConfig, attribute};

/// Name of a refund in [`Conversion::kind`]. A test compares it with the contract's.
const REFUND: &str = "refund";

/// Credits all conversions of one customer: one path for each, in their order.
///
/// A refund takes the credit back from whoever got it: it is credited over the path of the conversion it refunds, the
/// one of its source and order id that counts (the least by time and event id). A refund whose conversion is not among
/// `conversions` gets a path of its own. `touches` must reach back to the lookback before the earliest conversion.
pub fn attribute_customer(
    conversions: &[Conversion],
    touches: &[TouchRow],
    config: &AttributionConfig,
) -> Vec<Vec<PathTouch>> {
    let mut counted: HashMap<(&str, &str), (i64, &str)> = HashMap::new();
    for conversion in conversions.iter().filter(|c| c.kind != REFUND && !c.order_id.is_empty()) {
        let this = (conversion.conversion_time_ms, conversion.event_id.as_str());
        let least = counted.entry(order(conversion)).or_insert(this);
        *least = this.min(*least);
    }
    conversions
        .iter()
        .map(|conversion| match counted.get(&order(conversion)) {
            Some(&(time, _)) if conversion.kind == REFUND => {
                attribute(&Conversion { conversion_time_ms: time, ..conversion.clone() }, touches, config)
            }
            _ => attribute(conversion, touches, config),
        })
        .collect()
}

/// What a conversion and its refunds have in common.
fn order(conversion: &Conversion) -> (&str, &str) {
    (&conversion.source, &conversion.order_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{DAY, NOW, conversion, touch};
    use schemas::{ConversionKind, Model};

    fn refund(order_id: &str, days_later: i64, value_minor: i64) -> Conversion {
        let conversion_time_ms = NOW + days_later * DAY;
        Conversion { kind: "refund".into(), order_id: order_id.into(), conversion_time_ms, ..conversion(value_minor) }
    }

    fn linear(path: &[PathTouch]) -> Vec<(i64, i64)> {
        let column = Model::ALL.iter().position(|model| *model == Model::Linear).unwrap();
        path.iter().map(|touch| (touch.touch.position.offset, touch.credit_minor[column])).collect()
    }

    #[test]
    fn a_refund_goes_back_to_the_touches_of_its_order() {
        let touches = [touch(29 * DAY, "A", 0), touch(DAY, "B", 1), touch(-2 * DAY, "C", 2)];
        let conversions = [conversion(101), refund("o", 5, -101), refund("o", 6, -50), refund("unknown", 5, -9)];
        let paths = attribute_customer(&conversions, &touches, &AttributionConfig::default());
        assert_eq!(linear(&paths[0]), [(0, 50), (1, 51)]);
        assert_eq!(linear(&paths[1]), [(0, -50), (1, -51)]);
        assert_eq!(linear(&paths[2]), [(0, -25), (1, -25)], "in part");
        assert_eq!(linear(&paths[3]), [(1, -4), (2, -5)], "its order is not known");
    }

    #[test]
    fn of_repeated_records_of_an_order_the_earliest_counts() {
        let touches = [touch(3 * DAY, "A", 0), touch(-DAY / 2, "B", 1)];
        let repeated = Conversion { conversion_time_ms: NOW + DAY, ..conversion(10) };
        let conversions = [refund("o", 2, -10), repeated, conversion(10)];
        let paths = attribute_customer(&conversions, &touches, &AttributionConfig::default());
        assert_eq!(linear(&paths[0]), [(0, -10)]);
        assert_eq!(linear(&paths[1]), [(0, 5), (1, 5)]);
    }

    #[test]
    fn conversions_without_an_order_id_have_no_refunds() {
        let touches = [touch(DAY, "A", 0), touch(-DAY, "B", 1)];
        let nameless = Conversion { order_id: "".into(), ..conversion(10) };
        let paths = attribute_customer(&[nameless, refund("", 2, -10)], &touches, &AttributionConfig::default());
        assert_eq!(linear(&paths[1]), [(0, -5), (1, -5)]);
    }

    #[test]
    fn the_name_of_a_refund_is_the_contracts() {
        assert_eq!(REFUND, ConversionKind::Refund.as_str());
    }
}
