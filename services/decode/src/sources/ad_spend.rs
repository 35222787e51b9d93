//! `ad.spend`: cost, impressions and clicks per day and campaign. Names no person.

use schemas::{Event, Page, Spend, Text, Utm};

use super::person_record::{is_absent, joined};
use super::{Context, event_id};
use crate::fault::Fault;
use crate::money::{MoneyFields, MoneyNames};
use crate::node::{Member, Node};
use crate::{properties, text, time};

const MONEY: MoneyNames = MoneyNames { value: "cost", value_minor: "cost_minor", currency: "currency" };
const EVENT_TYPE: Text = Text::const_new("ad_spend");

#[derive(Default)]
struct Fields<'a> {
    event_id: Node<'a>,
    day: Node<'a>,
    platform: Node<'a>,
    campaign_id: Node<'a>,
    campaign: Node<'a>,
    utm_source: Node<'a>,
    utm_medium: Node<'a>,
    impressions: Node<'a>,
    clicks: Node<'a>,
    cost: MoneyFields<'a>,
    given_properties: Vec<Member<'a>>,
    rest: Vec<Member<'a>>,
}

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut fields = Fields::default();
    members.into_iter().for_each(|member| fields.place(member));
    fields.require()?;
    let event_id = event_id(fields.event_id, context)?;
    let platform = text::label(fields.platform, "platform")?;
    let campaign_id = text::label(fields.campaign_id, "campaign_id")?;
    let campaign = text::label(fields.campaign, "campaign")?;
    let utm_source = text::label(fields.utm_source, "utm_source")?;
    let utm_medium = text::label(fields.utm_medium, "utm_medium")?;
    let impressions = count(fields.impressions, "impressions")?;
    let clicks = count(fields.clicks, "clicks")?;
    // The day is a date of the advertiser's and not a moment: east of Greenwich it begins before ours, and setting it
    // to the receipt time would book the cost on another day.
    let day_ms = time::parse_day(fields.day, "day")?;
    time::check_range(day_ms, context.received_at_ms, context.limits, "day")?;
    let cost = fields.cost.read(MONEY)?.ok_or_else(|| Fault::missing("cost"))?;
    Ok(Event {
        position: context.position,
        source: context.source,
        received_at_ms: context.received_at_ms,
        event_id,
        event_type: EVENT_TYPE,
        event_time_ms: day_ms,
        identifiers: Vec::new(),
        page: Page::default(),
        utm: Utm::default(),
        user_agent: Text::default(),
        ip: Text::default(),
        order: None,
        spend: Some(Spend {
            platform,
            campaign_id,
            campaign,
            utm_source,
            utm_medium,
            cost_minor: cost.minor,
            currency: cost.currency,
            impressions,
            clicks,
        }),
        properties: properties::write(&joined(fields.given_properties, fields.rest)),
    })
}

impl<'a> Fields<'a> {
    fn place(&mut self, (name, value): Member<'a>) {
        match name.as_ref() {
            "event_id" => self.event_id = value,
            "day" => self.day = value,
            "platform" => self.platform = value,
            "campaign_id" => self.campaign_id = value,
            "campaign" => self.campaign = value,
            "utm_source" => self.utm_source = value,
            "utm_medium" => self.utm_medium = value,
            "impressions" => self.impressions = value,
            "clicks" => self.clicks = value,
            "cost" => self.cost.value = value,
            "cost_minor" => self.cost.value_minor = value,
            "currency" => self.cost.currency = value,
            "properties" => match value {
                Node::Object(members) => self.given_properties = members,
                other => self.rest.push((name, other)),
            },
            _ => self.rest.push((name, value)),
        }
    }

    fn require(&self) -> Result<(), Fault> {
        let required = [("day", &self.day), ("platform", &self.platform), ("campaign_id", &self.campaign_id)];
        for (name, value) in required {
            if is_absent(value) {
                return Err(Fault::missing(name));
            }
        }
        if !self.cost.has_value() {
            return Err(Fault::missing("cost"));
        }
        if !self.cost.has_currency() {
            return Err(Fault::missing("currency"));
        }
        Ok(())
    }
}

/// A count; 0 when absent.
fn count(node: Node, field: &str) -> Result<u64, Fault> {
    let wrong = || Fault::invalid(field, "expected a whole number, not negative");
    match node {
        Node::Null => Ok(0),
        Node::Int(number) => u64::try_from(number).map_err(|_| wrong()),
        Node::Text(text) if text::is_blank(&text) => Ok(0),
        Node::Text(text) | Node::Number(text) => text.trim().parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}
