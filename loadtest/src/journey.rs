//! What one person does in a month.

use rand::Rng;
use rand::seq::IndexedRandom;
use schemas::Source;
use serde_json::json;

use crate::ledger::Conversion;
use crate::payload::{self, Head, PageView};
use crate::person::{Device, Person};
use crate::{Record, Scenario, shop};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

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
    random: &'a mut R,
    planned: Vec<Planned>,
}

/// All records of one person, ascending by time.
pub(crate) fn journey(person: &Person, scenario: &Scenario, random: &mut impl Rng) -> Vec<Planned> {
    let visits = random.random_range(1..=4);
    let mut journey = Journey {
        person,
        seed: scenario.seed,
        random,
        planned: Vec::new(),
    };
    let mut time_ms = scenario.now_ms - 29 * DAY_MS + journey.random.random_range(0..10 * DAY_MS);
    for visit in 0..visits {
        time_ms = journey.visit(time_ms, visit);
        time_ms += journey.random.random_range(2 * 60 * MINUTE_MS..5 * DAY_MS);
    }
    if person.identifies {
        time_ms = journey.till(time_ms);
        journey.call(time_ms);
    }
    journey.planned
}

impl<R: Rng> Journey<'_, R> {
    /// One visit: pages, perhaps a form, a log-in, a cart, an order. Returns when it ended.
    fn visit(&mut self, start_ms: i64, visit: u32) -> i64 {
        let person = self.person;
        let device = person
            .devices
            .choose(self.random)
            .expect("everybody has a device");
        let (query, referrer) = shop::arrival(self.random);
        let mut time_ms = start_ms;
        self.page(
            time_ms,
            "page_viewed",
            device,
            &PageView {
                path: "/",
                query: &query,
                referrer,
            },
        );
        for _ in 0..self.random.random_range(0..6) {
            time_ms += self.random.random_range(5_000..9 * MINUTE_MS);
            let (product, _) = shop::PRODUCTS
                .choose(self.random)
                .expect("the shop has products");
            let path = if self.random.random_bool(0.15) {
                "/pricing".to_owned()
            } else {
                format!("/products/{product}")
            };
            self.page(
                time_ms,
                "page_viewed",
                device,
                &PageView {
                    path: &path,
                    query: "",
                    referrer: "",
                },
            );
        }
        if person.identifies && visit == 0 {
            time_ms += MINUTE_MS;
            self.form(time_ms, device, &query);
        }
        if self.random.random_bool(0.25) {
            time_ms = self.cart(time_ms + MINUTE_MS, device);
        }
        time_ms
    }

    fn page(&mut self, time_ms: i64, event: &str, device: &Device, page: &PageView<'_>) {
        let event_id = self.next_id();
        let value = payload::web(
            &Head {
                event_id: &event_id,
                time_ms,
            },
            event,
            device,
            page,
        );
        self.plan(
            time_ms,
            event_id,
            None,
            payload::record(Source::Web, &device.anonymous_id, &value),
        );
    }

    fn form(&mut self, time_ms: i64, device: &Device, query: &str) {
        let event_id = self.next_id();
        let value = payload::form(
            &Head {
                event_id: &event_id,
                time_ms,
            },
            self.person,
            device,
            query,
        );
        let lead = Conversion {
            order_id: String::new(),
            value_minor: 0,
        };
        self.plan(
            time_ms,
            event_id,
            Some(lead),
            payload::record(Source::Form, &device.anonymous_id, &value),
        );
    }

    /// Something goes into the cart; four in ten buy it, logged in when they have an account.
    fn cart(&mut self, start_ms: i64, device: &Device) -> i64 {
        let (product, price) = *shop::PRODUCTS
            .choose(self.random)
            .expect("the shop has products");
        let path = format!("/products/{product}");
        let page = PageView {
            path: &path,
            query: "",
            referrer: "",
        };
        self.page(start_ms, "product_added_to_cart", device, &page);
        if !self.random.random_bool(0.4) {
            return start_ms;
        }
        let time_ms = start_ms + 3 * MINUTE_MS;
        let event_id = self.next_id();
        let order_id = format!("order-{event_id}");
        let page = PageView {
            path: "/checkout/thanks",
            query: "",
            referrer: "",
        };
        let mut value = payload::web(
            &Head {
                event_id: &event_id,
                time_ms,
            },
            "order_completed",
            device,
            &page,
        );
        value["order"] = json!({ "order_id": order_id, "value_minor": price, "currency": "USD" });
        if self.person.identifies {
            value["user_id"] = json!(self.person.user_id);
            value["email"] = json!(self.person.email);
        }
        let conversion = Conversion {
            order_id,
            value_minor: price,
        };
        self.plan(
            time_ms,
            event_id,
            Some(conversion),
            payload::record(Source::Web, &device.anonymous_id, &value),
        );
        time_ms
    }

    /// A sale at the till, by card or phone; sometimes it is brought back.
    fn till(&mut self, time_ms: i64) -> i64 {
        if !self.random.random_bool(0.6) {
            return time_ms;
        }
        let (_, price) = *shop::PRODUCTS
            .choose(self.random)
            .expect("the shop has products");
        let transaction_id = format!("till-{}", self.next_id());
        self.transaction(time_ms, "sale", &transaction_id, price);
        if self.random.random_bool(0.05) {
            self.transaction(time_ms + DAY_MS, "refund", &transaction_id, price);
        }
        time_ms + 2 * DAY_MS
    }

    fn transaction(&mut self, time_ms: i64, kind: &str, transaction_id: &str, price: i64) {
        let event_id = self.next_id();
        let own_id = format!("{transaction_id}-{kind}");
        let id = if kind == "sale" {
            transaction_id
        } else {
            &own_id
        };
        let mut value = payload::till(
            &Head {
                event_id: &event_id,
                time_ms,
            },
            kind,
            id,
            price,
        );
        if kind == "refund" {
            value["original_transaction_id"] = json!(transaction_id);
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
        let key = value["loyalty_id"].as_str().unwrap_or(id).to_owned();
        let value_minor = if kind == "sale" { price } else { -price };
        let conversion = Conversion {
            order_id: transaction_id.to_owned(),
            value_minor,
        };
        self.plan(
            time_ms,
            event_id,
            Some(conversion),
            payload::record(Source::Pos, &key, &value),
        );
    }

    fn call(&mut self, time_ms: i64) {
        if !self.random.random_bool(0.3) {
            return;
        }
        let event_id = self.next_id();
        let channel = if self.random.random_bool(0.5) {
            "call"
        } else {
            "ticket"
        };
        let value = payload::support(
            &Head {
                event_id: &event_id,
                time_ms,
            },
            self.person,
            channel,
        );
        self.plan(
            time_ms,
            event_id,
            None,
            payload::record(Source::Support, &self.person.key_hash(), &value),
        );
    }

    fn next_id(&mut self) -> String {
        format!("e{:x}-{:016x}", self.seed, self.random.random::<u64>())
    }

    fn plan(
        &mut self,
        time_ms: i64,
        event_id: String,
        conversion: Option<Conversion>,
        record: Record,
    ) {
        self.planned.push(Planned {
            time_ms,
            event_id,
            conversion,
            record,
        });
    }
}
