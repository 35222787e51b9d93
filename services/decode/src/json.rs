//! JSON into a [`Node`], in one pass, borrowing from the payload.
//!
//! Written for this crate because no parser at hand gives all that a dead letter and exact money need: numbers as
//! written, the byte where reading failed, repeated names settled, depth bounded, and messages that quote nothing of
//! the payload. A property test holds it against `serde_json`.

use std::borrow::Cow;

use schemas::Reason;

use crate::fault::Fault;
use crate::node::{Member, Node, ObjectBuilder};

/// Objects and arrays within one another, the record's own object included.
const MAX_DEPTH: usize = 64;

const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Reads a payload that must be one object, and nothing behind it.
pub(crate) fn parse(payload: &[u8]) -> Result<Vec<Member<'_>>, Fault> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        Fault::new(Reason::InvalidUtf8, "", "the payload is not valid UTF-8").at(error.valid_up_to())
    })?;
    let start = if payload.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut parser = Parser { text, bytes: payload, at: start, depth: 0 };
    parser.skip_space();
    if parser.peek() != Some(b'{') {
        return Err(parser.broken("expected one JSON object as the whole message"));
    }
    let members = parser.object()?;
    parser.skip_space();
    if parser.at < payload.len() {
        return Err(parser.broken("expected the end of the message after its object"));
    }
    Ok(members)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn object(&mut self) -> Result<Vec<Member<'a>>, Fault> {
        self.enter()?;
        // A record's own object has a dozen or two members, those inside it a few.
        let mut object = ObjectBuilder::with_capacity(if self.depth == 1 { 20 } else { 4 });
        self.skip_space();
        if self.peek() == Some(b'}') {
            return Ok(self.leave(Vec::new()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.broken("expected a member's name in double quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.broken("expected `:` after a member's name"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value()?;
            object.insert(name, value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(self.leave(object.finish())),
                _ => return Err(self.broken("expected `,` or `}` after a member")),
            }
        }
    }

    fn array(&mut self) -> Result<Vec<Node<'a>>, Fault> {
        self.enter()?;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            return Ok(self.leave(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return Ok(self.leave(items)),
                _ => return Err(self.broken("expected `,` or `]` after an item")),
            }
        }
    }

    fn value(&mut self) -> Result<Node<'a>, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.object().map(Node::Object),
            Some(b'[') => self.array().map(Node::Array),
            Some(b't') => self.literal("true", Node::Bool(true)),
            Some(b'f') => self.literal("false", Node::Bool(false)),
            Some(b'n') => self.literal("null", Node::Null),
            _ => Err(self.broken("expected a value")),
        }
    }

    fn literal(&mut self, word: &str, node: Node<'a>) -> Result<Node<'a>, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.broken("expected a value"));
        }
        self.at += word.len();
        Ok(node)
    }

    fn number(&mut self) -> Result<Node<'a>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.skip_digits(),
            _ => return Err(self.broken("expected a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Node::Number(Cow::Borrowed(&self.text[start..self.at])))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.broken("expected a digit"));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    /// A string, its opening quote being next.
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let plain = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut owned = String::with_capacity(self.at - start + 16);
        owned.push_str(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(owned));
                }
                Some(b'\\') => {
                    let escaped = self.escape()?;
                    owned.push(escaped);
                }
                Some(_) => return Err(self.broken("a control character in a text must be escaped")),
                None => return Err(self.broken("expected `\"` at the end of a text")),
            }
            let start = self.at;
            self.skip_plain();
            owned.push_str(&self.text[start..self.at]);
        }
    }

    /// Goes on to the next quote, backslash or control character, eight bytes at a time.
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        const HIGH: u64 = ONES << 7;
        let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
        while let Some(chunk) = self.bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let quote = zero_byte(word ^ (ONES * u64::from(b'"')));
            let backslash = zero_byte(word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
            let found = quote | backslash | control;
            if found != 0 {
                // Bytes above the lowest hit may be marked wrongly by a borrow, the lowest never is.
                self.at += (found.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            self.at += 1;
        }
    }

    /// An escape, its backslash being next.
    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let simple = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            _ => return Err(self.broken("expected one of `\"\\/bfnrtu` after a backslash")),
        };
        self.at += 1;
        Ok(simple)
    }

    /// The rest of an escape that began at `start`. Half a surrogate pair becomes U+FFFD: trackers cut texts in the
    /// middle of an emoji, and that is no reason to lose an event.
    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.hex4(start)?;
        if !(0xD800..0xDC00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_first = self.at;
        if self.bytes[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let second = self.hex4(after_first)?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_first;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self, start: usize) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                self.at = start;
                return Err(self.broken("expected four hex digits after `\\u`"));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn enter(&mut self) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(self.broken(&format!("more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn leave<T>(&mut self, value: T) -> T {
        self.depth -= 1;
        self.at += 1;
        value
    }

    #[inline]
    fn skip_space(&mut self) {
        // Almost always there is none.
        if self.peek().is_some_and(|byte| byte > b' ') {
            return;
        }
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn broken(&self, expected: &str) -> Fault {
        let found = if self.at < self.bytes.len() { "" } else { ", but the message ends here" };
        Fault::new(Reason::InvalidJson, "", format!("{expected}{found}")).at(self.at)
    }
}
