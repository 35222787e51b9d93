//! What one person does in a month.

use rand::Rng;
use rand::seq::IndexedRandom;
use schemas::Source;
use serde_json::{Value, json};

use crate::avro::AvroWriter;
use crate::ledger::Conversion;
use crate::payload::{self, Head, PageView};
use crate::person::{Device, Person};
use crate::{Record, Scenario, shop};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const SITE: &str = "https://shop.example.com";

/// A record with what the ledger must know of it.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) time_ms: i64,
    pub(crate) event_id: String,
    pub(crate) conversion: Option<Conversion>,
    pub(crate) record: Record,
}

struct Journey<'a, R: Rng> {
    person: &'a Person,
    seed: u64,
    avro: &'a AvroWriter,
    random: &'a mut R,
    planned: Vec<Planned>,
}

/// All records of one person, in the order of their making. All lie before the end of the scenario's month.
pub(crate) fn journey(person: &Person, scenario: &Scenario, avro: &AvroWriter, random: &mut impl Rng) -> Vec<Planned> {
    let visits = random.random_range(1..=4);
    let mut journey = Journey { person, seed: scenario.seed, avro, random, planned: Vec::new() };
    let mut time_ms = scenario.now_ms - 29 * DAY_MS + journey.random.random_range(0..8 * DAY_MS);
    if person.is_lead {
        journey.follow_up(time_ms);
    }
    for visit in 0..visits {
        time_ms = journey.visit(time_ms, visit);
        time_ms += journey.random.random_range(2 * 60 * MINUTE_MS..4 * DAY_MS);
    }
    if person.identifies {
        time_ms = journey.till(time_ms);
        journey.call(time_ms);
    }
    journey.planned
}

/// Online.
impl<R: Rng> Journey<'_, R> {
    /// One visit: pages, perhaps a log-in, a form, a cart, an order. Returns when it ended.
    fn visit(&mut self, start_ms: i64, visit: u32) -> i64 {
        let person = self.person;
        let device = person.devices.choose(self.random).expect("everybody has a device");
        let (query, referrer) = shop::arrival(self.random);
        let mut time_ms = start_ms;
        self.page(time_ms, "page_viewed", device, &PageView { path: "/", query: &query, referrer });
        if person.identifies && visit > 0 && self.random.random_bool(0.4) {
            time_ms += MINUTE_MS / 2;
            self.log_in(time_ms, device);
        }
        let mut referrer = format!("{SITE}/");
        for _ in 0..self.random.random_range(0..6) {
            time_ms += self.random.random_range(5_000..9 * MINUTE_MS);
            let (product, _) = self.product();
            let path =
                if self.random.random_bool(0.15) { "/pricing".to_owned() } else { format!("/products/{product}") };
            self.page(time_ms, "page_viewed", device, &PageView { path: &path, query: "", referrer: &referrer });
            referrer = format!("{SITE}{path}");
        }
        if person.identifies && visit == 0 {
            time_ms += MINUTE_MS;
            self.form(time_ms, device, &query);
        }
        if self.random.random_bool(0.25) {
            time_ms = self.cart(time_ms + MINUTE_MS, device, &referrer);
        }
        time_ms
    }

    fn page(&mut self, time_ms: i64, event: &str, device: &Device, page: &PageView<'_>) {
        let event_id = self.next_id();
        let value = payload::web(&Head { event_id: &event_id, time_ms }, event, device, page);
        self.plan_web(time_ms, event_id, None, device, &value);
    }

    fn log_in(&mut self, time_ms: i64, device: &Device) {
        let event_id = self.next_id();
        let page = PageView { path: "/account", query: "", referrer: SITE };
        let mut value = payload::web(&Head { event_id: &event_id, time_ms }, "user_logged_in", device, &page);
        value["user_id"] = json!(self.person.user_id);
        self.plan_web(time_ms, event_id, None, device, &value);
    }

    fn form(&mut self, time_ms: i64, device: &Device, query: &str) {
        let event_id = self.next_id();
        let mut value = payload::form(&Head { event_id: &event_id, time_ms }, self.person, device, query);
        if self.random.random_bool(0.5) {
            value["phone"] = json!(self.person.phone);
        }
        let lead = Conversion { order_id: String::new(), value_minor: 0 };
        self.plan(time_ms, event_id, Some(lead), Record::json(Source::Form, &device.anonymous_id, &value));
    }

    /// Something goes into the cart; four in ten buy it. Returns when that was done.
    fn cart(&mut self, start_ms: i64, device: &Device, referrer: &str) -> i64 {
        let (product, price) = self.product();
        let path = format!("/products/{product}");
        self.page(start_ms, "product_added_to_cart", device, &PageView { path: &path, query: "", referrer });
        if !self.random.random_bool(0.4) {
            return start_ms;
        }
        let time_ms = start_ms + 3 * MINUTE_MS;
        let order_id = format!("order-{}", self.next_id());
        self.order(time_ms, "order_completed", device, &order_id, price);
        if self.random.random_bool(0.02) {
            // The page that says thanks is loaded again: another record of the same order.
            self.order(time_ms + MINUTE_MS, "order_completed", device, &order_id, price);
        }
        if self.random.random_bool(0.04) {
            self.order(time_ms + DAY_MS, "order_refunded", device, &order_id, price);
        }
        time_ms
    }

    /// An order or its refund, by somebody logged in if they have an account.
    fn order(&mut self, time_ms: i64, event: &str, device: &Device, order_id: &str, price: i64) {
        let event_id = self.next_id();
        let page = PageView { path: "/checkout/thanks", query: "", referrer: SITE };
        let mut value = payload::web(&Head { event_id: &event_id, time_ms }, event, device, &page);
        value["order"] = json!({ "order_id": order_id, "value_minor": price, "currency": "USD" });
        if self.person.identifies {
            value["user_id"] = json!(self.person.user_id);
            value["email"] = json!(self.person.email);
            if self.random.random_bool(0.3) {
                value["loyalty_id"] = json!(self.person.loyalty_id);
            }
        }
        let value_minor = if event == "order_refunded" { -price } else { price };
        let conversion = Conversion { order_id: order_id.to_owned(), value_minor };
        self.plan_web(time_ms, event_id, Some(conversion), device, &value);
    }
}

/// In the shop, on the phone, in the sales people's lists.
impl<R: Rng> Journey<'_, R> {
    /// A sale at the till, by card or phone; sometimes it is brought back. Returns when they may call.
    fn till(&mut self, time_ms: i64) -> i64 {
        if !self.random.random_bool(0.6) {
            return time_ms;
        }
        let (_, price) = self.product();
        let transaction_id = format!("till-{}", self.next_id());
        self.transaction(time_ms, "sale", &transaction_id, price);
        if self.random.random_bool(0.05) {
            self.transaction(time_ms + DAY_MS, "refund", &transaction_id, price);
        }
        time_ms + 2 * DAY_MS
    }

    fn transaction(&mut self, time_ms: i64, kind: &str, sale: &str, price: i64) {
        let event_id = self.next_id();
        let is_sale = kind == "sale";
        let id = if is_sale { sale.to_owned() } else { format!("{sale}-{kind}") };
        let mut value = payload::till(&Head { event_id: &event_id, time_ms }, kind, &id, price);
        if !is_sale {
            value["original_transaction_id"] = json!(sale);
        }
        // Cash customers who give nothing are sales all the same.
        match self.random.random_range(0..10) {
            0..6 => {
                value["loyalty_id"] = json!(self.person.loyalty_id);
                value["phone"] = json!(self.person.phone);
            }
            6..8 => value["phone"] = json!(self.person.phone),
            _ => {}
        }
        let key = value["loyalty_id"].as_str().unwrap_or(&id).to_owned();
        let value_minor = if is_sale { price } else { -price };
        let conversion = Conversion { order_id: sale.to_owned(), value_minor };
        self.plan(time_ms, event_id, Some(conversion), Record::json(Source::Pos, &key, &value));
    }

    fn call(&mut self, time_ms: i64) {
        if !self.random.random_bool(0.3) {
            return;
        }
        let event_id = self.next_id();
        let channel = if self.random.random_bool(0.5) { "call" } else { "ticket" };
        let value = payload::support(&Head { event_id: &event_id, time_ms }, self.person, channel);
        self.plan(time_ms, event_id, None, Record::json(Source::Support, &self.person.key_hash(), &value));
    }

    /// A lead's way through the sales people's stages, four days apart; four in ten are won.
    fn follow_up(&mut self, start_ms: i64) {
        const STAGES: [&str; 4] = ["lead", "mql", "sql", "opportunity"];
        let is_won = self.random.random_bool(0.4);
        let last = if is_won { "won" } else { "lost" };
        let reached = self.random.random_range(1..=STAGES.len());
        let stages = STAGES[..reached].iter().copied().chain((reached == STAGES.len()).then_some(last));
        for (stage, days) in stages.zip((1..).step_by(4)) {
            let time_ms = start_ms + days * DAY_MS;
            let event_id = self.next_id();
            let mut value = payload::lead(&Head { event_id: &event_id, time_ms }, self.person, stage);
            let mut conversion = None;
            if stage == "won" {
                let value_minor = self.random.random_range(20_000..120_000);
                let order_id = format!("deal-{}", self.person.tag);
                value["opportunity_id"] = json!(order_id);
                value["value_minor"] = json!(value_minor);
                value["currency"] = json!("USD");
                conversion = Some(Conversion { order_id, value_minor });
            } else if stage == "lost" {
                value["reason"] = json!("price");
            }
            let key = format!("lead-{}", self.person.tag);
            self.plan(time_ms, event_id, conversion, Record::json(Source::Crm, &key, &value));
        }
    }

    fn product(&mut self) -> (&'static str, i64) {
        *shop::PRODUCTS.choose(self.random).expect("the shop has products")
    }

    fn next_id(&mut self) -> String {
        format!("e{:x}-{:016x}", self.seed, self.random.random::<u64>())
    }

    fn plan_web(
        &mut self,
        time_ms: i64,
        event_id: String,
        conversion: Option<Conversion>,
        device: &Device,
        value: &Value,
    ) {
        let mut record = Record::json(Source::Web, &device.anonymous_id, value);
        if device.speaks_avro {
            record.payload = self.avro.single_object(value);
        }
        self.plan(time_ms, event_id, conversion, record);
    }

    fn plan(&mut self, time_ms: i64, event_id: String, conversion: Option<Conversion>, record: Record) {
        self.planned.push(Planned { time_ms, event_id, conversion, record });
    }
}
