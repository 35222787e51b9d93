use schemas::{EnrichedEvent, Event, Key, Order, RawBatch, Session, Spend, Text};
use std::sync::LazyLock;

use super::{Columns, Encoded, provenance};
use crate::Result;

/// An event and the customer its rows name: as resolved now, or as stored when the event already stands in `events`.
pub(crate) struct EventRow<'a> {
    pub(crate) event: &'a EnrichedEvent,
    pub(crate) who: Who,
}

/// The identity columns of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) identity_key: Key,
    pub(crate) customer_id: Key,
    pub(crate) customer_version: u64,
    pub(crate) generation: u8,
}

static NO_ORDER: LazyLock<Order> =
    LazyLock::new(|| Order { order_id: Text::default(), value_minor: 0, currency: Text::default() });

static NO_SPEND: LazyLock<Spend> = LazyLock::new(|| Spend {
    platform: Text::default(),
    campaign_id: Text::default(),
    campaign: Text::default(),
    utm_source: Text::default(),
    utm_medium: Text::default(),
    cost_minor: 0,
    currency: Text::default(),
    impressions: 0,
    clicks: 0,
});

impl EventRow<'_> {
    fn raw(&self) -> &Event {
        &self.event.identified.event
    }

    fn order(&self) -> &Order {
        self.raw().order.as_ref().unwrap_or(&NO_ORDER)
    }

    fn spend(&self) -> &Spend {
        self.raw().spend.as_ref().unwrap_or(&NO_SPEND)
    }

    fn session(&self) -> Session {
        let none = Session { id: Key::NIL, started_at_ms: 0, last_event_ms: 0, touch_hash: 0 };
        self.event.session.unwrap_or(none)
    }
}

pub(crate) fn events(raw: &RawBatch, rows: &[EventRow<'_>]) -> Result<Encoded> {
    let mut c = Columns::new("events", rows.len());
    identity(&mut c, rows);
    c.u8("generation", rows.iter().map(|r| r.who.generation));
    c.uuid("anonymous_key", rows.iter().map(|r| r.event.identified.anonymous_key.unwrap_or(Key::NIL).0));
    c.low("source", rows.iter().map(|r| r.raw().source.as_str()));
    c.low("event_type", rows.iter().map(|r| &r.raw().event_type));
    c.text("event_id", rows.iter().map(|r| &r.raw().event_id));
    c.time("event_time", rows.iter().map(|r| r.raw().event_time_ms));
    c.text("page_url", rows.iter().map(|r| &r.raw().page.url));
    c.low("page_host", rows.iter().map(|r| &r.event.page_host));
    c.text("page_path", rows.iter().map(|r| &r.event.page_path));
    c.text("page_title", rows.iter().map(|r| &r.raw().page.title));
    c.text("referrer", rows.iter().map(|r| &r.raw().page.referrer));
    c.text("referrer_host", rows.iter().map(|r| &r.event.referrer_host));
    campaign(&mut c, rows);
    c.low("campaign_platform", rows.iter().map(|r| &r.event.campaign.source_platform));
    click_ids(&mut c, rows)?;
    c.low("channel", rows.iter().map(|r| r.event.channel));
    c.low("browser", rows.iter().map(|r| &r.event.agent.browser));
    c.low("os", rows.iter().map(|r| &r.event.agent.os));
    c.low("device", rows.iter().map(|r| r.event.agent.device));
    c.flag("is_bot", rows.iter().map(|r| r.event.agent.is_bot));
    c.text("ip", rows.iter().map(|r| &r.raw().ip));
    c.uuid("session_id", rows.iter().map(|r| r.session().id.0));
    c.time("session_started_at", rows.iter().map(|r| r.session().started_at_ms));
    c.time("session_last_at", rows.iter().map(|r| r.session().last_event_ms));
    c.u64("session_touch_hash", rows.iter().map(|r| r.session().touch_hash));
    order(&mut c, rows);
    c.text("properties", rows.iter().map(|r| &r.raw().properties));
    place(&mut c, raw, rows);
    c.encode()
}

pub(crate) fn touchpoints(raw: &RawBatch, rows: &[EventRow<'_>]) -> Result<Encoded> {
    let mut c = Columns::new("touchpoints", rows.len());
    identity(&mut c, rows);
    c.time("touch_time", rows.iter().map(|r| r.raw().event_time_ms));
    c.low("kind", rows.iter().map(|r| r.event.touch.map_or("", |touch| touch.kind.as_str())));
    c.low("source", rows.iter().map(|r| r.raw().source.as_str()));
    c.text("event_id", rows.iter().map(|r| &r.raw().event_id));
    c.uuid("session_id", rows.iter().map(|r| r.session().id.0));
    c.low("channel", rows.iter().map(|r| r.event.channel));
    campaign(&mut c, rows);
    click_ids(&mut c, rows)?;
    c.text("referrer_host", rows.iter().map(|r| &r.event.referrer_host));
    // Host and path group well; the query stays in `events.page_url`.
    c.text(
        "landing_page",
        rows.iter().map(|r| {
            let mut page = r.event.page_host.clone();
            page.push_str(&r.event.page_path);
            page
        }),
    );
    place(&mut c, raw, rows);
    c.encode()
}

pub(crate) fn conversions(raw: &RawBatch, rows: &[EventRow<'_>]) -> Result<Encoded> {
    let conversion = |r: &EventRow<'_>| r.event.conversion.clone();
    let mut c = Columns::new("conversions", rows.len());
    identity(&mut c, rows);
    c.time("conversion_time", rows.iter().map(|r| r.raw().event_time_ms));
    c.low("name", rows.iter().map(|r| conversion(r).map(|named| named.name).unwrap_or_default()));
    c.low("kind", rows.iter().map(|r| conversion(r).map_or("", |named| named.kind.as_str())));
    c.low("source", rows.iter().map(|r| r.raw().source.as_str()));
    c.text("event_id", rows.iter().map(|r| &r.raw().event_id));
    order(&mut c, rows);
    place(&mut c, raw, rows);
    c.encode()
}

pub(crate) fn ad_spend(raw: &RawBatch, rows: &[EventRow<'_>]) -> Result<Encoded> {
    let day = |r: &EventRow<'_>| i32::try_from(r.raw().event_time_ms.div_euclid(86_400_000));
    let mut c = Columns::new("ad_spend", rows.len());
    c.date("day", rows.iter().map(|r| day(r).unwrap_or(0)));
    c.low("platform", rows.iter().map(|r| &r.spend().platform));
    c.text("campaign_id", rows.iter().map(|r| &r.spend().campaign_id));
    c.low("campaign", rows.iter().map(|r| &r.spend().campaign));
    c.low("campaign_source", rows.iter().map(|r| &r.spend().utm_source));
    c.low("campaign_medium", rows.iter().map(|r| &r.spend().utm_medium));
    c.i64("cost_minor", rows.iter().map(|r| r.spend().cost_minor));
    c.low("currency", rows.iter().map(|r| &r.spend().currency));
    c.u64("impressions", rows.iter().map(|r| r.spend().impressions));
    c.u64("clicks", rows.iter().map(|r| r.spend().clicks));
    c.text("event_id", rows.iter().map(|r| &r.raw().event_id));
    place(&mut c, raw, rows);
    c.encode()
}

fn identity(c: &mut Columns, rows: &[EventRow<'_>]) {
    c.uuid("identity_key", rows.iter().map(|r| r.who.identity_key.0));
    c.uuid("customer_id", rows.iter().map(|r| r.who.customer_id.0));
    c.u64("customer_version", rows.iter().map(|r| r.who.customer_version));
}

fn campaign(c: &mut Columns, rows: &[EventRow<'_>]) {
    c.text("campaign_id", rows.iter().map(|r| &r.event.campaign.id));
    c.low("campaign_source", rows.iter().map(|r| &r.event.campaign.source));
    c.low("campaign_medium", rows.iter().map(|r| &r.event.campaign.medium));
    c.low("campaign", rows.iter().map(|r| &r.event.campaign.campaign));
    c.text("campaign_term", rows.iter().map(|r| &r.event.campaign.term));
    c.text("campaign_content", rows.iter().map(|r| &r.event.campaign.content));
}

fn click_ids(c: &mut Columns, rows: &[EventRow<'_>]) -> Result<()> {
    c.text_map("click_ids", rows.iter().map(|r| r.event.click_ids.iter().map(|click| (click.kind, &click.value))))
}

fn order(c: &mut Columns, rows: &[EventRow<'_>]) {
    c.text("order_id", rows.iter().map(|r| &r.order().order_id));
    c.i64("value_minor", rows.iter().map(|r| r.order().value_minor));
    c.low("currency", rows.iter().map(|r| &r.order().currency));
}

fn place(c: &mut Columns, raw: &RawBatch, rows: &[EventRow<'_>]) {
    let offsets = rows.iter().map(|r| r.raw().position.offset);
    let received = rows.iter().map(|r| r.raw().received_at_ms);
    provenance(c, raw, rows.len(), offsets, received);
}
