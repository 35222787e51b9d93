//! From a tree of fields to an event: one file a source, and what they share.

mod ad_spend;
mod person_record;
mod crm;
mod form;
mod pos;
mod support;
mod web;

use schemas::{Event, Position, Rejection, Source, Text};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::node::{Member, Node};
use crate::text;

/// What is known of a record besides its content.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) source: Source,
    pub(crate) position: Position,
    pub(crate) received_at_ms: i64,
    pub(crate) limits: &'a Limits,
}

/// Validates a record's members and makes an event of them.
pub(crate) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Box<Rejection>> {
    let readable_id = readable_event_id(&members, context);
    let event = match context.source {
        Source::Web => web::assemble(members, context),
        Source::Form => form::assemble(members, context),
        Source::Pos => pos::assemble(members, context),
        Source::Support => support::assemble(members, context),
        Source::Crm => crm::assemble(members, context),
        Source::AdSpend => ad_spend::assemble(members, context),
    };
    event.map_err(|fault| fault.reject(context.position, readable_id.unwrap_or_default()))
}

/// The event id as far as it can be read, for the rejection.
fn readable_event_id(members: &[Member], context: &Context) -> Option<Text> {
    let (_, node) = members.iter().find(|(name, _)| name == "event_id")?;
    match node {
        Node::Text(text) | Node::Number(text) if text.len() <= context.limits.max_identifier_bytes => {
            Some(text::stored_id(text))
        }
        Node::Int(number) => Some(Text::new(number.to_string())),
        _ => None,
    }
}

/// The event id as the source gives it, else one made from the position.
fn event_id(node: Node, context: &Context) -> Result<Text, Fault> {
    let given = text::id(node, || "event_id".to_owned(), context.limits.max_identifier_bytes)?;
    Ok(given.map_or_else(
        || {
            let Position { topic_id, partition, offset } = context.position;
            Text::from(format!("{topic_id}/{partition}/{offset}"))
        },
        |given| text::stored_id(&given),
    ))
}
