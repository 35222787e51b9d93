//! From loaded conversions and touches to attribution paths.

use attribute::AttributionConfig;
use rustc_hash::{FxHashMap, FxHashSet};
use schemas::{AttributionPath, Conversion, Key, TouchRow};

/// A customer whose conversions are to be computed.
pub(crate) struct Customer {
    pub(crate) id: Key,
    pub(crate) keys: Vec<Key>,
    version: u128,
}

impl Customer {
    /// Versions order first by the component's last change, then by request.
    pub(crate) fn new(component: ::identity::Component, request_offset: i64) -> Self {
        let request = u128::from(request_offset.unsigned_abs());
        Self {
            id: component.customer_id,
            version: u128::from(component.version) << 64 | request,
            keys: component.keys.iter().map(|member| member.key).collect(),
        }
    }
}

/// All keys of these customers.
pub(crate) fn keys(customers: &[Customer]) -> Vec<Key> {
    customers.iter().flat_map(|customer| customer.keys.iter().copied()).collect()
}

/// The time in which touches may matter to any of the conversions, ms; `None` when there are none.
pub(crate) fn span(conversions: &[Conversion], config: &AttributionConfig) -> Option<(i64, i64)> {
    let times = conversions.iter().map(|conversion| conversion.conversion_time_ms);
    Some((times.clone().min()? - config.lookback_ms(), times.max()?))
}

/// All keys of those customers that have conversions.
pub(crate) fn keys_of_converted(customers: &[Customer], conversions: &[Conversion]) -> Vec<Key> {
    let converted: FxHashSet<Key> = conversions.iter().map(|conversion| conversion.identity_key).collect();
    let has_converted = |customer: &&Customer| customer.keys.iter().any(|key| converted.contains(key));
    customers.iter().filter(has_converted).flat_map(|customer| customer.keys.iter().copied()).collect()
}

/// One path for every conversion.
pub(crate) fn compute(
    customers: &[Customer],
    conversions: Vec<Conversion>,
    touches: Vec<TouchRow>,
    config: &AttributionConfig,
) -> Vec<AttributionPath> {
    let owner: FxHashMap<Key, usize> = customers
        .iter()
        .enumerate()
        .flat_map(|(index, customer)| customer.keys.iter().map(move |key| (*key, index)))
        .collect();
    let mut touches_of: FxHashMap<usize, Vec<TouchRow>> = FxHashMap::default();
    for touch in touches {
        if let Some(index) = owner.get(&touch.identity_key) {
            touches_of.entry(*index).or_default().push(touch);
        }
    }
    let mut conversions_of: FxHashMap<usize, Vec<Conversion>> = FxHashMap::default();
    for conversion in conversions {
        if let Some(index) = owner.get(&conversion.identity_key) {
            conversions_of.entry(*index).or_default().push(conversion);
        }
    }
    let mut paths = Vec::new();
    for (index, conversions) in conversions_of {
        let (id, version) = (customers[index].id, customers[index].version);
        let touches = touches_of.get(&index).map_or(&[][..], Vec::as_slice);
        let credited = attribute::attribute_customer(&conversions, touches, config);
        paths.extend(conversions.into_iter().zip(credited).map(|(conversion, touches)| AttributionPath {
            conversion,
            customer_id: id,
            touches,
            version,
        }));
    }
    paths
}
