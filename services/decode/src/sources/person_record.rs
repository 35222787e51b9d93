//! What all records about a person share.

use std::borrow::Cow;

use schemas::{Event, Order, Page, RawIdentifier, Reason, Source, Text, Utm};

use super::{Context, event_id};
use crate::fault::Fault;
use crate::money::{MoneyFields, MoneyNames};
use crate::node::{Member, Node, ObjectBuilder};
use crate::{link, personal, properties, text, time};

/// Types of identifiers that have a field of their own; others come in `identifiers`.
const IDENTIFIER_TYPES: [&str; 8] =
    ["anonymous_id", "user_id", "email", "phone", "loyalty_id", "crm_id", "device_id", "wechat_unionid"];

/// A record's fields, sorted out by name but not yet read.
#[derive(Debug, Default)]
pub(super) struct PersonRecord<'a> {
    event_id: Node<'a>,
    event: Node<'a>,
    event_type: Node<'a>,
    event_time: Node<'a>,
    identifiers: Vec<Named<'a>>,
    page: PageFields<'a>,
    utm: UtmFields<'a>,
    user_agent: Node<'a>,
    ip: Node<'a>,
    /// Members of `properties`, where a sender can keep its own fields apart from ours.
    given_properties: Vec<Member<'a>>,
    rest: Vec<Member<'a>>,
    /// The first field that should be an object and is none.
    not_an_object: Option<Fault>,
}

/// An identifier and the object it stands in; that is empty for the record itself.
#[derive(Debug)]
struct Named<'a> {
    container: &'static str,
    kind: Cow<'a, str>,
    value: Node<'a>,
}

#[derive(Debug, Default)]
struct PageFields<'a> {
    url: Node<'a>,
    title: Node<'a>,
    referrer: Node<'a>,
}

#[derive(Debug, Default)]
struct UtmFields<'a> {
    id: Node<'a>,
    source: Node<'a>,
    medium: Node<'a>,
    campaign: Node<'a>,
    term: Node<'a>,
    content: Node<'a>,
    source_platform: Node<'a>,
}

/// Fields of an order, deal or sale.
#[derive(Debug, Default)]
pub(super) struct OrderFields<'a> {
    pub(super) order_id: Node<'a>,
    pub(super) money: MoneyFields<'a>,
}

impl<'a> PersonRecord<'a> {
    /// Sorts members by name. `own` sees each first and gives back those that are none of the source's own.
    pub(super) fn sort(
        members: Vec<Member<'a>>,
        mut own: impl FnMut(&mut PersonRecord<'a>, Member<'a>) -> Option<Member<'a>>,
    ) -> PersonRecord<'a> {
        let mut record = PersonRecord::default();
        for member in members {
            if let Some(member) = own(&mut record, member) {
                record.place(member);
            }
        }
        record
    }

    /// Keeps a member for `properties`.
    pub(super) fn keep(&mut self, name: impl Into<Cow<'a, str>>, value: Node<'a>) {
        self.rest.push((name.into(), value));
    }

    /// Notes an identifier that the source calls by another name.
    pub(super) fn identify(&mut self, kind: &'static str, value: Node<'a>) {
        self.identifiers.push(Named { container: "", kind: Cow::Borrowed(kind), value });
    }

    /// Opens a field that should be an object. `take` gives back the members it does not know; they are kept.
    pub(super) fn open(
        &mut self,
        name: &'static str,
        value: Node<'a>,
        mut take: impl FnMut(&mut Self, Member<'a>) -> Option<Member<'a>>,
    ) {
        let members = match value {
            Node::Object(members) => members,
            Node::Null => return,
            other => {
                let fault = Fault::invalid(name, format!("expected an object, found {}", other.describe()));
                self.not_an_object.get_or_insert(fault);
                return;
            }
        };
        let left: Vec<Member> = members.into_iter().filter_map(|member| take(self, member)).collect();
        if !left.is_empty() {
            self.keep(name, Node::Object(left));
        }
    }

    /// The event type as given in `event` or `event_type`.
    pub(super) fn take_event_type(&mut self) -> Node<'a> {
        let event_type = std::mem::take(&mut self.event_type);
        if self.event.is_null() {
            return event_type;
        }
        if !event_type.is_null() {
            self.keep("event_type", event_type);
        }
        std::mem::take(&mut self.event)
    }

    /// Fails on the first required field that is absent or blank. `event_time` is always required.
    pub(super) fn require(&self, fields: &[(&'static str, &Node)]) -> Result<(), Fault> {
        let fields = fields.iter().copied().chain([("event_time", &self.event_time)]);
        for (name, value) in fields {
            if is_absent(value) {
                return Err(Fault::missing(name));
            }
        }
        Ok(())
    }

    /// Reads everything but the order, which the sources have in different places.
    pub(super) fn into_event(mut self, context: &Context, event_type: Text) -> Result<Event, Fault> {
        if matches!(context.source, Source::Form | Source::Support | Source::Crm) {
            // On the web a `name` among the properties is a product's; here it is somebody's.
            self.given_properties.retain(|(name, _)| !personal::is_personal(name, true));
        }
        if let Some(fault) = self.not_an_object {
            return Err(fault);
        }
        let event_id = event_id(self.event_id, context)?;
        let identifiers = read_identifiers(self.identifiers, context)?;
        let page = self.page.read()?;
        let utm = self.utm.read()?;
        let user_agent = Text::from(text::free(self.user_agent, "user_agent")?);
        let ip = read_ip(self.ip)?;
        let event_time_ms = time::parse(self.event_time, "event_time")?;
        let event_time_ms = time::clamp(event_time_ms, context.received_at_ms, context.limits, "event_time")?;
        Ok(Event {
            position: context.position,
            source: context.source,
            received_at_ms: context.received_at_ms,
            event_id,
            event_type,
            event_time_ms,
            identifiers,
            page,
            utm,
            user_agent,
            ip,
            order: None,
            spend: None,
            properties: properties::write(&joined(self.given_properties, self.rest)),
        })
    }

    fn place(&mut self, (name, value): Member<'a>) {
        match name.as_ref() {
            "event_id" => self.event_id = value,
            "event" => self.event = value,
            "event_type" => self.event_type = value,
            "event_time" => self.event_time = value,
            "user_agent" => self.user_agent = value,
            "ip" => self.ip = value,
            "page" => self.open("page", value, |record, member| record.page.take(member)),
            "utm" => self.open("utm", value, |record, member| record.utm.take(member)),
            "properties" => self.open("properties", value, |record, member| {
                record.given_properties.push(member);
                None
            }),
            "identifiers" => self.open("identifiers", value, |record, (kind, value)| {
                record.identifiers.push(Named { container: "identifiers.", kind, value });
                None
            }),
            "customer" => self.open("customer", value, |record, member| record.place_person("customer.", member)),
            "requester" => self.open("requester", value, |record, member| record.place_person("requester.", member)),
            key if IDENTIFIER_TYPES.contains(&key) => {
                self.identifiers.push(Named { container: "", kind: name, value });
            }
            key if key.starts_with("utm_") => {
                if let Some((_, value)) = self.utm.take((Cow::Owned(key["utm_".len()..].to_owned()), value)) {
                    self.keep(name, value);
                }
            }
            key if personal::is_personal(key, true) => {}
            _ => self.keep(name, value),
        }
    }

    /// A member of the acting person's own object.
    fn place_person(&mut self, container: &'static str, (kind, value): Member<'a>) -> Option<Member<'a>> {
        if IDENTIFIER_TYPES.contains(&kind.as_ref()) {
            self.identifiers.push(Named { container, kind, value });
            return None;
        }
        Some((kind, value)).filter(|(name, _)| !personal::is_personal(name, true))
    }
}

impl<'a> PageFields<'a> {
    fn take(&mut self, (name, value): Member<'a>) -> Option<Member<'a>> {
        match name.as_ref() {
            "url" => self.url = value,
            "title" => self.title = value,
            "referrer" => self.referrer = value,
            _ => return Some((name, value)),
        }
        None
    }

    fn read(self) -> Result<Page, Fault> {
        Ok(Page {
            url: link::without_persons(&text::free(self.url, "page.url")?),
            title: text::without_address(&text::free(self.title, "page.title")?).to_owned(),
            referrer: link::without_persons(&text::free(self.referrer, "page.referrer")?),
        })
    }
}

impl<'a> UtmFields<'a> {
    fn take(&mut self, (name, value): Member<'a>) -> Option<Member<'a>> {
        match name.as_ref() {
            "id" => self.id = value,
            "source" => self.source = value,
            "medium" => self.medium = value,
            "campaign" => self.campaign = value,
            "term" => self.term = value,
            "content" => self.content = value,
            "source_platform" => self.source_platform = value,
            _ => return Some((name, value)),
        }
        None
    }

    fn read(self) -> Result<Utm, Fault> {
        Ok(Utm {
            id: text::label(self.id, "utm.id")?,
            source: text::label(self.source, "utm.source")?,
            medium: text::label(self.medium, "utm.medium")?,
            campaign: text::label(self.campaign, "utm.campaign")?,
            term: text::label(self.term, "utm.term")?,
            content: text::label(self.content, "utm.content")?,
            source_platform: text::label(self.source_platform, "utm.source_platform")?,
        })
    }
}

impl<'a> OrderFields<'a> {
    /// Takes the fields that say how much.
    pub(super) fn take_money(&mut self, (name, value): Member<'a>) -> Option<Member<'a>> {
        match name.as_ref() {
            "value" => self.money.value = value,
            "value_minor" => self.money.value_minor = value,
            "currency" => self.money.currency = value,
            _ => return Some((name, value)),
        }
        None
    }

    /// The order; `None` when neither an id nor an amount is given. Refunds come out negative, however they are
    /// written.
    pub(super) fn read(
        self,
        id_field: &'static str,
        names: MoneyNames,
        is_refund: bool,
        context: &Context,
    ) -> Result<Option<Order>, Fault> {
        let order_id = text::id(self.order_id, || id_field.to_owned(), context.limits.max_identifier_bytes)?;
        let money = self.money.read(names)?;
        if order_id.is_none() && money.is_none() {
            return Ok(None);
        }
        let (minor, currency) = money.map_or((0, Text::default()), |money| (money.minor, money.currency));
        let value_minor = if is_refund && minor > 0 { -minor } else { minor };
        let order_id = order_id.map_or_else(Text::default, |id| text::stored_id(&id));
        Ok(Some(Order { order_id, value_minor, currency }))
    }
}

/// Whether a field says nothing.
pub(super) fn is_absent(value: &Node) -> bool {
    match value {
        Node::Null => true,
        Node::Text(text) => text::is_blank(text),
        _ => false,
    }
}

/// Reads an event type; the field must be there.
pub(super) fn event_type(value: Node, field: &str, context: &Context) -> Result<Text, Fault> {
    let written = text::free(value, field)?;
    let limit = context.limits.max_event_type_bytes;
    if written.len() > limit {
        return Err(Fault::invalid(field, format!("{} bytes long, at most {limit} are kept", written.len())));
    }
    let event_type = text::event_type(&written);
    if event_type.is_empty() {
        return Err(Fault::invalid(field, "expected a name with letters or digits in it"));
    }
    Ok(event_type)
}

/// Fails when nothing says whose the record is.
pub(super) fn require_person(event: Event) -> Result<Event, Fault> {
    if event.identifiers.is_empty() {
        let detail = "names no person: expected `anonymous_id`, `user_id`, `email`, `phone` or another identifier";
        return Err(Fault::new(Reason::NoIdentifier, "", detail));
    }
    Ok(event)
}

fn read_identifiers(named: Vec<Named>, context: &Context) -> Result<Vec<RawIdentifier>, Fault> {
    let limits = context.limits;
    let mut identifiers: Vec<RawIdentifier> = Vec::with_capacity(named.len());
    for Named { container, kind, value } in named {
        let field = || format!("{container}{}", printable(&kind));
        let Some(value) = text::id(value, field, limits.max_identifier_bytes)? else {
            continue;
        };
        if text::is_blank(&kind) || kind.len() > limits.max_identifier_bytes {
            return Err(Fault::invalid("identifiers", "the name of a type is empty or too long"));
        }
        let identifier = RawIdentifier { kind: Text::new(&kind), value: Text::new(&value) };
        if !identifiers.contains(&identifier) {
            identifiers.push(identifier);
        }
        if identifiers.len() > limits.max_identifiers {
            let detail = format!("more than {} identifiers in one record", limits.max_identifiers);
            return Err(Fault::invalid("identifiers", detail));
        }
    }
    Ok(identifiers)
}

/// A name of the sender's choice, if it can be shown: one that looks like a name and not like a value.
fn printable(name: &str) -> &str {
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_name { name } else { "?" }
}

fn read_ip(node: Node) -> Result<Text, Fault> {
    let written = text::free(node, "ip")?;
    if text::is_blank(&written) {
        return Ok(Text::default());
    }
    text::truncated_ip(&written).ok_or_else(|| Fault::invalid("ip", "expected an IPv4 or IPv6 address"))
}

/// Both lists of members as one; of a name in both, the record's own field wins.
pub(super) fn joined<'a>(given: Vec<Member<'a>>, rest: Vec<Member<'a>>) -> Vec<Member<'a>> {
    if given.is_empty() || rest.is_empty() {
        return if given.is_empty() { rest } else { given };
    }
    let mut joined = ObjectBuilder::with_capacity(given.len() + rest.len());
    for (name, value) in given.into_iter().chain(rest) {
        joined.insert(name, value);
    }
    joined.finish()
}
