//! `events.form`: form submissions, often the first record that tells who a visitor is.

use schemas::{Event, Text};

use super::Context;
use super::person_record::{PersonRecord, event_type, is_absent, require_person};
use crate::fault::Fault;
use crate::node::Member;

const DEFAULT_EVENT: Text = Text::const_new("form_submitted");

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut record = PersonRecord::sort(members, |_, member| Some(member));
    let event = record.take_event_type();
    record.require(&[])?;
    let event_type = if is_absent(&event) { DEFAULT_EVENT } else { event_type(event, "event", context)? };
    require_person(record.into_event(context, event_type)?)
}
