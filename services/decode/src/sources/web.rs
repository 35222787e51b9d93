//! `events.web`: page views, product events and orders from site and app trackers.

use schemas::Event;

use super::Context;
use super::person_record::{OrderFields, PersonRecord, event_type, require_person};
use crate::fault::Fault;
use crate::money::MoneyNames;
use crate::node::Member;

const MONEY: MoneyNames =
    MoneyNames { value: "order.value", value_minor: "order.value_minor", currency: "order.currency" };

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut order = OrderFields::default();
    let mut record = PersonRecord::sort(members, |record, (name, value)| match name.as_ref() {
        "order" => {
            record.open("order", value, |_, (name, value)| {
                if name == "order_id" {
                    order.order_id = value;
                    return None;
                }
                order.take_money((name, value))
            });
            None
        }
        _ => Some((name, value)),
    });
    let event = record.take_event_type();
    record.require(&[("event", &event)])?;
    let event_type = event_type(event, "event", context)?;
    let is_refund = event_type.ends_with("refunded") || event_type.ends_with("refund");
    let mut event = record.into_event(context, event_type)?;
    event.order = order.read("order.order_id", MONEY, is_refund, context)?;
    require_person(event)
}
