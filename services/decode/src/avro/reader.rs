use std::borrow::Cow;
use std::fmt::Write;

use jiff::civil;
use schemas::Reason;
use uuid::Uuid;

use super::plan::{Plan, Step, StepId};
use crate::fault::Fault;
use crate::node::{Member, Node, ObjectBuilder};

/// Records, arrays and maps within one another.
const MAX_DEPTH: usize = 64;

/// Values that take no bytes (nulls, empty records) which a payload may hold: an array of 2^60 nulls is eight bytes.
const MAX_EMPTY_VALUES: usize = 65_536;

/// Reads the datum at the end of a payload, and nothing behind it. `datum` is that part of `payload`.
pub(crate) fn read<'a>(plan: &'a Plan, payload: &'a [u8], datum: &'a [u8]) -> Result<Vec<Member<'a>>, Fault> {
    let mut reader = Reader {
        steps: &plan.steps,
        payload,
        at: payload.len() - datum.len(),
        depth: 0,
        values_left: datum.len() + MAX_EMPTY_VALUES,
    };
    let members = reader.fields(&plan.root)?;
    match payload.len() - reader.at {
        0 => Ok(members),
        left => Err(reader.broken(format!("bytes left over after the record: {left}"))),
    }
}

struct Reader<'a> {
    steps: &'a [Step],
    payload: &'a [u8],
    at: usize,
    depth: usize,
    values_left: usize,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, fields: &'a [(Box<str>, StepId)]) -> Result<Vec<Member<'a>>, Fault> {
        let mut members = Vec::with_capacity(fields.len());
        for (name, step) in fields {
            let value = self.value(*step)?;
            // An optional field that is not set is absent, as it would be in JSON.
            let is_unset = match &value {
                Node::Null => true,
                Node::Array(items) => items.is_empty(),
                Node::Object(members) => members.is_empty(),
                _ => false,
            };
            if !is_unset {
                members.push((Cow::Borrowed(name.as_ref()), value));
            }
        }
        Ok(members)
    }

    fn value(&mut self, step: StepId) -> Result<Node<'a>, Fault> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or_else(|| self.broken("the record holds more values than its bytes can"))?;
        let steps = self.steps;
        Ok(match &steps[step] {
            Step::Null => Node::Null,
            Step::Bool => match self.bytes(1)? {
                [0] => Node::Bool(false),
                [1] => Node::Bool(true),
                _ => return Err(self.broken("expected 0 or 1 for a boolean")),
            },
            Step::Int => Node::Int(self.int()?.into()),
            Step::Long => Node::Int(self.long()?),
            Step::Time { per_ms } => Node::Int(self.long()?.div_euclid(*per_ms)),
            Step::Float => float(f64::from(f32::from_le_bytes(self.array()?)), true),
            Step::Double => float(f64::from_le_bytes(self.array()?), false),
            Step::Bytes => {
                let bytes = self.prefixed()?;
                Node::Text(std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(hex(bytes)), Cow::Borrowed))
            }
            Step::Text => Node::Text(Cow::Borrowed(self.text()?)),
            Step::Date => self.date()?,
            Step::Fixed { size } => Node::Text(Cow::Owned(hex(self.bytes(*size)?))),
            Step::Uuid => Node::Text(Cow::Owned(Uuid::from_bytes(self.array()?).to_string())),
            Step::Decimal { scale, size } => {
                let bytes = match size {
                    Some(size) => self.bytes(*size)?,
                    None => self.prefixed()?,
                };
                self.decimal(bytes, *scale)?
            }
            Step::Enum(symbols) => {
                let index = self.int()?;
                let symbol = usize::try_from(index).ok().and_then(|index| symbols.get(index));
                let symbol = symbol.ok_or_else(|| self.broken("an enum's index is out of range"))?;
                Node::Text(Cow::Borrowed(symbol.as_ref()))
            }
            Step::Union(branches) => {
                let index = self.long()?;
                let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
                let branch = *branch.ok_or_else(|| self.broken("a union's index is out of range"))?;
                // Not a level of its own: a union holds no union.
                self.value(branch)?
            }
            Step::Array(item) => Node::Array(self.nested(|reader| reader.items(*item))?),
            Step::Map(value) => Node::Object(self.nested(|reader| reader.entries(*value))?),
            Step::Record(fields) => Node::Object(self.nested(|reader| reader.fields(fields))?),
        })
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == MAX_DEPTH {
            return Err(self.broken(format!("more than {MAX_DEPTH} levels deep")));
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn items(&mut self, item: StepId) -> Result<Vec<Node<'a>>, Fault> {
        let mut items = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(items);
            }
            for _ in 0..count {
                items.push(self.value(item)?);
            }
        }
    }

    fn entries(&mut self, value: StepId) -> Result<Vec<Member<'a>>, Fault> {
        let mut object = ObjectBuilder::default();
        loop {
            let count = self.block()?;
            if count == 0 {
                // A map has no order; this one makes two equal maps two equal texts.
                let mut entries = object.finish();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                return Ok(entries);
            }
            for _ in 0..count {
                let name = self.text()?;
                let value = self.value(value)?;
                object.insert(Cow::Borrowed(name), value);
            }
        }
    }

    /// Number of items in the next block of an array or map. A negative one is followed by the block's size in bytes.
    fn block(&mut self) -> Result<u64, Fault> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    fn int(&mut self) -> Result<i32, Fault> {
        let start = self.at;
        let number = self.long()?;
        i32::try_from(number).map_err(|_| invalid("a number does not fit an int", start))
    }

    #[inline]
    fn long(&mut self) -> Result<i64, Fault> {
        // Lengths, counts and branches: nearly all fit one byte.
        match self.payload.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1))
            }
            _ => self.long_of_many(),
        }
    }

    fn long_of_many(&mut self) -> Result<i64, Fault> {
        let start = self.at;
        let mut number = 0u64;
        for (index, byte) in self.payload[self.at..].iter().take(10).enumerate() {
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                break;
            }
            number |= bits << (index * 7);
            if byte & 0x80 == 0 {
                self.at += index + 1;
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        let reason =
            if self.payload.len() - start < 10 { "the record ends within a number" } else { "a number is too long" };
        Err(invalid(reason, start))
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.prefixed()?;
        let start = self.at - bytes.len();
        std::str::from_utf8(bytes).map_err(|error| {
            Fault::new(Reason::InvalidUtf8, "", "a text is not valid UTF-8").at(start + error.valid_up_to())
        })
    }

    fn prefixed(&mut self) -> Result<&'a [u8], Fault> {
        let start = self.at;
        let size = self.long()?;
        let size = usize::try_from(size).map_err(|_| invalid("a length is negative", start))?;
        self.bytes(size)
    }

    fn bytes(&mut self, size: usize) -> Result<&'a [u8], Fault> {
        let left = &self.payload[self.at..];
        let Some(bytes) = left.get(..size) else {
            return Err(self.broken(format!("expected {size} bytes, {} are left", left.len())));
        };
        self.at += size;
        Ok(bytes)
    }

    fn array<const SIZE: usize>(&mut self) -> Result<[u8; SIZE], Fault> {
        let start = self.at;
        let bytes = self.bytes(SIZE)?;
        bytes.try_into().map_err(|_| invalid("the record ends within a number", start))
    }

    /// A date as `YYYY-MM-DD`.
    fn date(&mut self) -> Result<Node<'a>, Fault> {
        let start = self.at;
        let days = jiff::Span::new().try_days(self.int()?);
        let date = days.and_then(|days| civil::date(1970, 1, 1).checked_add(days));
        date.map(|date| Node::Text(Cow::Owned(date.to_string()))).map_err(|_| invalid("a date is out of range", start))
    }

    /// Two's complement, big-endian, `scale` digits of it behind the point.
    fn decimal(&self, bytes: &[u8], scale: usize) -> Result<Node<'a>, Fault> {
        if bytes.is_empty() || bytes.len() > 16 || scale > 38 {
            return Err(self.broken("a decimal is not between 1 and 16 bytes long"));
        }
        let sign = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        let unscaled = bytes.iter().fold(sign, |number: i128, byte| number << 8 | i128::from(*byte));
        let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if unscaled < 0 { "-" } else { "" };
        let point = if scale == 0 { "" } else { "." };
        Ok(Node::Number(Cow::Owned(format!("{sign}{whole}{point}{fraction}"))))
    }

    fn broken(&self, detail: impl Into<String>) -> Fault {
        invalid(detail, self.at)
    }
}

fn invalid(detail: impl Into<String>, at: usize) -> Fault {
    Fault::new(Reason::InvalidAvro, "", detail).at(at)
}

/// The shortest number that reads back as the same; JSON has no infinities, so those are texts.
fn float<'a>(number: f64, is_single: bool) -> Node<'a> {
    if !number.is_finite() {
        return Node::Text(Cow::Owned(number.to_string()));
    }
    let text = if is_single { format!("{:?}", number as f32) } else { format!("{number:?}") };
    Node::Number(Cow::Owned(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
