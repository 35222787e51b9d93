//! Texts: ids, free texts, event types, IP addresses.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use schemas::Text;

use crate::fault::Fault;
use crate::node::Node;
use crate::personal::{self, WITHHELD};

/// A text, or a number taken as one (ids are often numbers); `None` when absent or blank.
pub(crate) fn id<'a>(
    node: Node<'a>,
    field: impl Fn() -> String,
    max_bytes: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    let text = node
        .into_scalar_text()
        .map_err(|other| Fault::invalid(field(), format!("expected a text or a number, found {}", other.describe())))?;
    let Some(text) = text.filter(|text| !is_blank(text)) else {
        return Ok(None);
    };
    if text.len() > max_bytes {
        return Err(Fault::invalid(field(), format!("{} bytes long, at most {max_bytes} are kept", text.len())));
    }
    Ok(Some(text))
}

/// An id as it is stored. Ids are kept in the clear and for long, so one that is an e-mail address or a phone number
/// becomes its hash, by which a repeat is still a repeat.
pub fn stored_id(id: &str) -> Text {
    let id = id.trim();
    if !personal::is_email_address(id) && !personal::is_phone_number(id) {
        return Text::new(id);
    }
    const CONTEXT: &str = "tributary 2026 ids that reach a person";
    let hash = blake3::Hasher::new_derive_key(CONTEXT).update(id.as_bytes()).finalize().to_hex();
    Text::from(format!("hash-{}", &hash[..32]))
}

/// A short text or number; empty when absent. One that is an e-mail address is withheld.
pub(crate) fn label(node: Node, field: &str) -> Result<Text, Fault> {
    let text = id(node, || field.to_owned(), usize::MAX)?;
    Ok(text.map_or_else(Text::default, |text| Text::new(without_address(text.trim()))))
}

/// The text, unless it is an e-mail address.
pub(crate) fn without_address(text: &str) -> &str {
    if personal::is_email_address(text) { WITHHELD } else { text }
}

/// A text and nothing else; empty when absent.
pub(crate) fn free<'a>(node: Node<'a>, field: &str) -> Result<Cow<'a, str>, Fault> {
    match node {
        Node::Null => Ok(Cow::Borrowed("")),
        Node::Text(text) => Ok(text),
        other => Err(Fault::invalid(field, format!("expected a text, found {}", other.describe()))),
    }
}

pub(crate) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// An event type in snake_case, however the tracker spells it: `Order Completed`, `orderCompleted`, `order-completed`.
pub(crate) fn event_type(text: &str) -> Text {
    let text = text.trim();
    let is_snake = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b':' | b'/' | b'$');
    if text.bytes().all(is_snake) {
        return Text::new(text);
    }
    let mut snake = Text::with_capacity(text.len() + 4);
    let mut characters = text.chars().peekable();
    let mut before: Option<char> = None;
    while let Some(character) = characters.next() {
        let is_kept = character.is_alphanumeric() || matches!(character, '.' | ':' | '/' | '$');
        if !is_kept {
            if !snake.is_empty() && !snake.ends_with('_') {
                snake.push('_');
            }
        } else {
            let starts_word = character.is_uppercase()
                && before.is_some_and(|before| {
                    before.is_lowercase()
                        || before.is_numeric()
                        || (before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase()))
                });
            if starts_word && !snake.ends_with('_') {
                snake.push('_');
            }
            snake.extend(character.to_lowercase());
        }
        before = Some(character);
    }
    if snake.ends_with('_') && !text.ends_with('_') {
        snake.pop();
    }
    snake
}

/// An IP address with its last part gone: IPv4 to /24, IPv6 to /48. Proxies write ports and lists; the first address
/// of a list is the client's. `None` when there is no address in the text.
pub(crate) fn truncated_ip(text: &str) -> Option<Text> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let address = parse_ip(first)?;
    let mut text = Text::default();
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            // Formatted by hand: every record with an address passes here.
            let mut digits = [0; 15];
            let mut len = 0;
            for (part, separator) in [(a, b'.'), (b, b'.'), (c, b'.'), (0, 0)] {
                for (unit, is_needed) in [(100, part >= 100), (10, part >= 10), (1, true)] {
                    if is_needed {
                        digits[len] = b'0' + part / unit % 10;
                        len += 1;
                    }
                }
                if separator != 0 {
                    digits[len] = separator;
                    len += 1;
                }
            }
            text.push_str(std::str::from_utf8(&digits[..len]).unwrap_or_default());
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            text.push_str(&Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0).to_string());
        }
    }
    Some(text)
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let host = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        // `1.2.3.4:567` has one colon, an IPv6 address at least two.
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    host.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_types_become_snake_case() {
        for (written, expected) in [
            ("page_viewed", "page_viewed"),
            (" order_completed ", "order_completed"),
            ("Order Completed", "order_completed"),
            ("orderCompleted", "order_completed"),
            ("order-completed", "order_completed"),
            ("Closed  Won!", "closed_won"),
            ("MQL", "mql"),
            ("HTTPRequest", "http_request"),
            ("_private", "_private"),
            ("$pageview", "$pageview"),
            ("video.play:50", "video.play:50"),
            ("Step 2Done", "step_2_done"),
            ("页面浏览", "页面浏览"),
            ("Größe Gewählt", "größe_gewählt"),
            ("!!!", ""),
        ] {
            assert_eq!(event_type(written), expected, "{written}");
        }
    }

    #[test]
    fn addresses_lose_their_last_part() {
        for (written, expected) in [
            ("203.0.113.77", Some("203.0.113.0")),
            ("203.0.113.77:443", Some("203.0.113.0")),
            ("203.0.113.77, 10.0.0.1", Some("203.0.113.0")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::")),
            ("[2001:db8:1:2::6]:443", Some("2001:db8:1::")),
            ("::ffff:203.0.113.77", Some("203.0.113.0")),
            ("fe80::1%eth0", Some("fe80::")),
            ("unknown", None),
            ("1.2.3", None),
            ("", None),
        ] {
            assert_eq!(truncated_ip(written).as_deref(), expected, "{written}");
        }
    }
}
