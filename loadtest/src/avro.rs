//! Web events in Avro's single-object encoding, as the apps' trackers send them.

use schemas::avro::WEB_EVENT;
use serde::Serialize;
use serde_avro_fast::ser::SerializerConfig;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct WebEvent<'a> {
    event_id: Option<&'a str>,
    event: &'a str,
    event_time: i64,
    sent_at: Option<i64>,
    anonymous_id: Option<&'a str>,
    user_id: Option<&'a str>,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    loyalty_id: Option<&'a str>,
    crm_id: Option<&'a str>,
    identifiers: BTreeMap<&'a str, &'a str>,
    page: Option<Page<'a>>,
    utm: Option<()>,
    user_agent: Option<&'a str>,
    ip: Option<&'a str>,
    order: Option<Order<'a>>,
    items: [(); 0],
    properties: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct Page<'a> {
    url: Option<&'a str>,
    title: Option<&'a str>,
    referrer: Option<&'a str>,
}

#[derive(Serialize)]
struct Order<'a> {
    order_id: Option<&'a str>,
    value: Option<&'a str>,
    value_minor: Option<i64>,
    currency: Option<&'a str>,
}

/// Writes web events with the schema of this release.
#[derive(Debug)]
pub(crate) struct AvroWriter {
    schema: serde_avro_fast::Schema,
}

impl AvroWriter {
    pub(crate) fn new() -> Self {
        let schema = WEB_EVENT.current.parse();
        Self { schema: schema.expect("the schema of web events is parsed by tests of its crate") }
    }

    /// The bytes of an event that is given as JSON.
    pub(crate) fn single_object(&self, event: &Value) -> Vec<u8> {
        let text = Value::as_str;
        let (page, order) = (&event["page"], &event["order"]);
        let event = WebEvent {
            event_id: text(&event["event_id"]),
            event: text(&event["event"]).unwrap_or_default(),
            event_time: event["event_time"].as_i64().unwrap_or_default(),
            sent_at: None,
            anonymous_id: text(&event["anonymous_id"]),
            user_id: text(&event["user_id"]),
            email: text(&event["email"]),
            phone: text(&event["phone"]),
            loyalty_id: text(&event["loyalty_id"]),
            crm_id: None,
            identifiers: BTreeMap::new(),
            page: page.is_object().then(|| Page {
                url: text(&page["url"]),
                title: text(&page["title"]),
                referrer: text(&page["referrer"]),
            }),
            utm: None,
            user_agent: text(&event["user_agent"]),
            ip: text(&event["ip"]),
            order: order.is_object().then(|| Order {
                order_id: text(&order["order_id"]),
                value: None,
                value_minor: order["value_minor"].as_i64(),
                currency: text(&order["currency"]),
            }),
            items: [],
            properties: BTreeMap::new(),
        };
        let mut config = SerializerConfig::new(&self.schema);
        serde_avro_fast::to_single_object_vec(&event, &mut config).expect("the struct above has the schema's fields")
    }
}
