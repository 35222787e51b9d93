//! `events.web`: page views, product events and orders from site and app trackers.

use schemas::Event;

use super::Context;
use super::common::{Common, OrderFields, event_type, require_person};
use crate::fault::Fault;
use crate::money::MoneyNames;
use crate::node::Member;

const MONEY: MoneyNames =
    MoneyNames { value: "order.value", value_minor: "order.value_minor", currency: "order.currency" };

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut order = OrderFields::default();
    let mut common = Common::sort(members, |common, (name, value)| match name.as_ref() {
        "order" => {
            common.open("order", value, |_, (name, value)| {
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
    let event = common.take_event_type();
    common.require(&[("event", &event)])?;
    let event_type = event_type(event, "event", context)?;
    let is_refund = event_type.ends_with("refunded") || event_type.ends_with("refund");
    let mut event = common.into_event(context, event_type)?;
    event.order = order.read("order.order_id", MONEY, is_refund, context)?;
    require_person(event)
}
