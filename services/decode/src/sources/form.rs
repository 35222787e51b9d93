//! `events.form`: form submissions, often the first record that tells who a visitor is.

use schemas::{Event, Text};

use super::Context;
use super::common::{Common, event_type, is_absent, require_person};
use crate::fault::Fault;
use crate::node::Member;

const DEFAULT_EVENT: Text = Text::const_new("form_submitted");

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut common = Common::sort(members, |_, member| Some(member));
    let event = common.take_event_type();
    common.require(&[])?;
    let event_type = if is_absent(&event) { DEFAULT_EVENT } else { event_type(event, "event", context)? };
    require_person(common.into_event(context, event_type)?)
}
