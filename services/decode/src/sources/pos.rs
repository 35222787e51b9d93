//! `events.pos`: till transactions and refunds. A sale to somebody who shows no card is still a sale, so a record that
//! names nobody is kept under an identifier made of its transaction id.

use schemas::{Event, RawIdentifier, Text};

use super::Context;
use super::person_record::{OrderFields, PersonRecord, event_type, is_absent};
use crate::fault::Fault;
use crate::money::MoneyNames;
use crate::node::{Member, Node};
use crate::text;

const MONEY: MoneyNames = MoneyNames { value: "value", value_minor: "value_minor", currency: "currency" };

pub(super) fn assemble(members: Vec<Member>, context: &Context) -> Result<Event, Fault> {
    let mut order = OrderFields::default();
    let (mut transaction_id, mut original, mut kind) = (Node::Null, Node::Null, Node::Null);
    let mut record = PersonRecord::sort(members, |_, (name, value)| {
        match name.as_ref() {
            "transaction_id" => transaction_id = value,
            "original_transaction_id" => original = value,
            "type" => kind = value,
            _ => return order.take_money((name, value)),
        }
        None
    });
    let event = record.take_event_type();
    if kind.is_null() {
        kind = event;
    } else if !event.is_null() {
        record.keep("event", event);
    }
    record.require(&[("transaction_id", &transaction_id), ("type", &kind)])?;
    if !order.money.has_value() {
        return Err(Fault::missing("value"));
    }
    let event_type = event_type(kind, "type", context)?;
    if event_type != "sale" && event_type != "refund" {
        return Err(Fault::invalid("type", "expected `sale` or `refund`"));
    }
    let transaction_text = read_id(transaction_id.clone(), "transaction_id", context)?;
    let is_refund = event_type == "refund";
    if is_refund && !is_absent(&original) {
        // A refund refers to the sale it takes back; its own number is kept beside.
        order.order_id = original;
        record.keep("transaction_id", transaction_id);
    } else {
        if !original.is_null() {
            record.keep("original_transaction_id", original);
        }
        order.order_id = transaction_id;
    }
    let mut event = record.into_event(context, event_type)?;
    event.order = order.read("original_transaction_id", MONEY, is_refund, context)?;
    if event.identifiers.is_empty() {
        let kind = Text::const_new("transaction_id");
        event.identifiers.push(RawIdentifier { kind, value: transaction_text });
    }
    Ok(event)
}

fn read_id(node: Node, field: &'static str, context: &Context) -> Result<Text, Fault> {
    let id = text::id(node, || field.to_owned(), context.limits.max_identifier_bytes)?;
    id.map(|id| Text::new(id.trim())).ok_or_else(|| Fault::missing(field))
}
