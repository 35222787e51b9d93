//! `events.support`: tickets, chats and calls. The requester is the acting person; the agent never is.

use schemas::{Event, Text};

use super::Context;
use super::person_record::{PersonRecord, event_type, is_absent, require_person};
use crate::fault::Fault;
use crate::node::{Member, Node};
use crate::text;

const DEFAULT_EVENT: Text = Text::const_new("support_contacted");

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut ticket_id = Node::Null;
    let mut record = PersonRecord::sort(members, |record, (name, value)| match name.as_ref() {
        "ticket_id" => {
            ticket_id = value.clone();
            record.keep(name, value);
            None
        }
        _ => Some((name, value)),
    });
    let event = record.take_event_type();
    record.require(&[("ticket_id", &ticket_id)])?;
    text::id(ticket_id, || "ticket_id".to_owned(), context.limits.max_identifier_bytes)?;
    let event_type = if is_absent(&event) { DEFAULT_EVENT } else { event_type(event, "event", context)? };
    require_person(record.into_event(context, event_type)?)
}
