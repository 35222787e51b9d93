//! `events.crm`: stage changes of leads and opportunities.

use schemas::Event;

use super::Context;
use super::person_record::{OrderFields, PersonRecord, event_type, require_person};
use crate::fault::Fault;
use crate::money::MoneyNames;
use crate::node::{Member, Node};

const MONEY: MoneyNames = MoneyNames { value: "value", value_minor: "value_minor", currency: "currency" };

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut order = OrderFields::default();
    let (mut lead_id, mut stage) = (Node::Null, Node::Null);
    let mut record = PersonRecord::sort(members, |_, (name, value)| {
        match name.as_ref() {
            "lead_id" => lead_id = value,
            "stage" => stage = value,
            "opportunity_id" => order.order_id = value,
            _ => return order.take_money((name, value)),
        }
        None
    });
    let event = record.take_event_type();
    if stage.is_null() {
        stage = event;
    } else if !event.is_null() {
        record.keep("event", event);
    }
    record.require(&[("lead_id", &lead_id), ("stage", &stage)])?;
    if let Node::Array(_) | Node::Object(_) | Node::Bool(_) = lead_id {
        let detail = format!("expected a text or a number, found {}", lead_id.describe());
        return Err(Fault::invalid("lead_id", detail));
    }
    record.identify("crm_id", lead_id);
    let event_type = event_type(stage, "stage", context)?;
    let mut event = record.into_event(context, event_type)?;
    event.order = order.read("opportunity_id", MONEY, false, context)?;
    require_person(event)
}
