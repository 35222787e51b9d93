//! Fields that no column takes, as one JSON object: names and numbers as written, whitespace gone, order kept.

use std::borrow::Cow;
use std::fmt::Write;

use crate::node::{Member, Node};
use crate::personal::{self, WITHHELD};

/// Writes members as one JSON object, without those that say who somebody is.
pub(crate) fn write(members: &[Member]) -> String {
    let mut out = String::with_capacity(2 + members.len() * 24);
    object(members, false, &mut out);
    out
}

fn object(members: &[Member], is_person: bool, out: &mut String) {
    out.push('{');
    let mut is_first = true;
    for (name, value) in members {
        // A boolean says whether, not who: `accepts_email` stays.
        if !matches!(value, Node::Bool(_) | Node::Null) && personal::is_personal(name, is_person) {
            continue;
        }
        if personal::is_email_address(name) {
            continue;
        }
        if !is_first {
            out.push(',');
        }
        is_first = false;
        string(name, out);
        out.push(':');
        node(value, name, out);
    }
    out.push('}');
}

/// A value; `name` is that of the member which holds it, directly or in an array.
fn node(value: &Node, name: &str, out: &mut String) {
    match value {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(number) => out.push_str(number),
        // Writing to a String cannot fail.
        Node::Int(number) => drop(write!(out, "{number}")),
        Node::Text(text) if personal::is_email_address(text) => string(WITHHELD, out),
        Node::Text(text) => string(text, out),
        Node::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                node(item, name, out);
            }
            out.push(']');
        }
        Node::Object(members) => object(members, personal::is_person(name), out),
    }
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped: Cow<str> = match byte {
            b'"' => "\\\"".into(),
            b'\\' => "\\\\".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            0..0x20 => format!("\\u{byte:04x}").into(),
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(&escaped);
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let members = crate::json::parse(json.as_bytes()).unwrap();
        assert_eq!(write(&members), expected);
    }

    #[test]
    fn everything_stays_as_written() {
        check("{}", "{}");
        check(
            r#" { "b" : [ 1.0 , -0 , 1e400 , 18446744073709551616 ] , "a" : { } , "n":null, "t":true } "#,
            r#"{"b":[1.0,-0,1e400,18446744073709551616],"a":{},"n":null,"t":true}"#,
        );
        check(
            r#"{"x\u0000\/\"\\\n":"\u00e9\ud83d\ude00\u0001\ud83d"}"#,
            "{\"x\\u0000/\\\"\\\\\\n\":\"é😀\\u0001\u{fffd}\"}",
        );
    }

    #[test]
    fn of_repeated_names_the_last_wins() {
        check(r#"{"a":1,"b":{"c":1,"c":2},"a":{"d":3}}"#, r#"{"a":{"d":3},"b":{"c":2}}"#);
    }

    #[test]
    fn persons_are_left_out() {
        check(
            r#"{"agent":{"id":7,"name":"N","email":"E","tags":[{"name":"vip"}]},"items":[{"name":"Shirt"}],"accepts_email":true}"#,
            r#"{"agent":{"id":7,"tags":[{"name":"vip"}]},"items":[{"name":"Shirt"}],"accepts_email":true}"#,
        );
        check(
            r#"{"fields":{"who":"jane@example.com","cc":["a@b.cd","x"]}}"#,
            r#"{"fields":{"who":"[withheld]","cc":["[withheld]","x"]}}"#,
        );
    }
}
