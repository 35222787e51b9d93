//! Money: exact decimals into integer minor units, never through a floating-point number.

use iso_currency::Currency;
use schemas::{Reason, Text};

use crate::fault::Fault;
use crate::node::Node;
use crate::text;

/// The largest amount, more than any company turns over: nine thousand of them still fit into the sum of a column.
const MAX_MINOR: i64 = 1_000_000_000_000_000;

/// More digits than any amount has; keeps the arithmetic within 128 bits.
const MAX_DIGITS: usize = 30;

/// An amount in minor units, and its currency.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) minor: i64,
    pub(crate) currency: Text,
}

/// The three fields that say how much, still unread.
#[derive(Debug, Default)]
pub(crate) struct MoneyFields<'a> {
    pub(crate) value: Node<'a>,
    pub(crate) value_minor: Node<'a>,
    pub(crate) currency: Node<'a>,
}

/// Names of those fields, for messages: `order.value`, `cost`, …
#[derive(Debug, Clone, Copy)]
pub(crate) struct MoneyNames {
    pub(crate) value: &'static str,
    pub(crate) value_minor: &'static str,
    pub(crate) currency: &'static str,
}

impl<'a> MoneyFields<'a> {
    /// Whether an amount is given at all.
    pub(crate) fn has_value(&self) -> bool {
        is_given(&self.value) || is_given(&self.value_minor)
    }

    /// Whether a currency is given.
    pub(crate) fn has_currency(&self) -> bool {
        is_given(&self.currency)
    }

    /// The amount; `None` when there is none. A currency alone is an amount of nothing.
    pub(crate) fn read(self, names: MoneyNames) -> Result<Option<Money>, Fault> {
        if !self.has_value() && !self.has_currency() {
            return Ok(None);
        }
        let has_value = self.has_value();
        let (currency, exponent) = currency(self.currency, names.currency)?;
        if !has_value {
            return Ok(Some(Money { minor: 0, currency }));
        }
        let major = amount(self.value, names.value, (&currency, exponent), |text| minor_units(text, exponent))?;
        let minor = amount(self.value_minor, names.value_minor, (&currency, exponent), |text| minor_units(text, 0))?;
        match (major, minor) {
            (Some(major), Some(minor)) if major != minor => {
                let detail = format!("`{}` and `{}` contradict one another", names.value, names.value_minor);
                Err(invalid(names.value_minor, detail))
            }
            (Some(minor), _) | (None, Some(minor)) => Ok(Some(Money { minor, currency })),
            (None, None) => Ok(Some(Money { minor: 0, currency })),
        }
    }
}

fn is_given(node: &Node) -> bool {
    match node {
        Node::Null => false,
        Node::Text(text) => !text::is_blank(text),
        _ => true,
    }
}

fn currency(node: Node, field: &str) -> Result<(Text, u32), Fault> {
    let Node::Text(written) = &node else {
        return match node {
            Node::Null => Err(Fault::missing(field)),
            other => Err(invalid(field, format!("expected a currency code, found {}", other.describe()))),
        };
    };
    if text::is_blank(written) {
        return Err(Fault::missing(field));
    }
    let mut code = [0; 3];
    let known = match written.trim().as_bytes() {
        letters @ [_, _, _] => {
            code.copy_from_slice(letters);
            code.make_ascii_uppercase();
            std::str::from_utf8(&code).ok().and_then(Currency::from_code)
        }
        _ => None,
    };
    let known = known.ok_or_else(|| invalid(field, "not an ISO 4217 currency code, such as EUR"))?;
    let exponent = known.exponent().ok_or_else(|| invalid(field, "this currency has no minor unit"))?;
    Ok((Text::const_new(known.code()), u32::from(exponent)))
}

fn amount(
    node: Node,
    field: &str,
    (currency, exponent): (&str, u32),
    read: impl Fn(&str) -> Result<i64, AmountError>,
) -> Result<Option<i64>, Fault> {
    if !is_given(&node) {
        return Ok(None);
    }
    let text = node
        .into_scalar_text()
        .map_err(|other| invalid(field, format!("expected a decimal number, found {}", other.describe())))?;
    let text = text.unwrap_or_default();
    read(text.trim()).map(Some).map_err(|error| match error {
        AmountError::NotDecimal => {
            invalid(field, "expected a plain decimal number, such as 1234.50, without symbols or separators")
        }
        AmountError::TooPrecise if field.ends_with("minor") => invalid(field, "expected a whole number"),
        AmountError::TooPrecise => invalid(field, format!("more decimals than the currency has ({exponent})")),
        AmountError::TooLarge => {
            let most = MAX_MINOR / 10i64.pow(exponent);
            let detail = format!("the amount is too large: at most 10^15 minor units, {most} {currency}, are stored");
            invalid(field, detail)
        }
    })
}

fn invalid(field: &str, detail: impl Into<String>) -> Fault {
    Fault::new(Reason::InvalidMoney, field, detail)
}

#[derive(Debug, PartialEq, Eq)]
enum AmountError {
    NotDecimal,
    TooPrecise,
    TooLarge,
}

/// A decimal number times ten to the `exponent`, exactly: `19.99` and 2 are 1999.
fn minor_units(text: &str, exponent: u32) -> Result<i64, AmountError> {
    let (is_negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, power) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, parse_power(power)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_decimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_decimal(whole) || !is_decimal(fraction) {
        return Err(AmountError::NotDecimal);
    }
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    if whole.len() + fraction.len() > MAX_DIGITS {
        // Digits behind the point are what is wrong with 0.30000000000000000000000000000001.
        return Err(if whole.len() > MAX_DIGITS / 2 { AmountError::TooLarge } else { AmountError::TooPrecise });
    }
    let mut units = whole.bytes().chain(fraction.bytes()).fold(0i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let mut shift = i64::from(exponent) + power - fraction.len() as i64;
    while units != 0 && shift < 0 {
        if units % 10 != 0 {
            return Err(AmountError::TooPrecise);
        }
        units /= 10;
        shift += 1;
    }
    while units != 0 && shift > 0 {
        units = units.checked_mul(10).ok_or(AmountError::TooLarge)?;
        shift -= 1;
    }
    let signed = if is_negative { -units } else { units };
    let fits = |units: &i64| (-MAX_MINOR..=MAX_MINOR).contains(units);
    i64::try_from(signed).ok().filter(fits).ok_or(AmountError::TooLarge)
}

fn parse_power(text: &str) -> Result<i64, AmountError> {
    let digits = text.trim_start_matches(['+', '-']);
    if digits.is_empty() || text.len() - digits.len() > 1 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AmountError::NotDecimal);
    }
    // An exponent of more than four digits is out of every range, whatever it is.
    let power: i64 = text.parse().unwrap_or(if text.starts_with('-') { -9_999 } else { 9_999 });
    Ok(power.clamp(-9_999, 9_999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const NAMES: MoneyNames =
        MoneyNames { value: "order.value", value_minor: "order.value_minor", currency: "order.currency" };

    fn read(value: &str, currency: &str) -> Result<i64, Fault> {
        let fields = MoneyFields {
            value: Node::Number(Cow::Borrowed(value)),
            value_minor: Node::Null,
            currency: Node::Text(Cow::Borrowed(currency)),
        };
        fields.read(NAMES).map(|money| money.unwrap().minor)
    }

    #[test]
    fn amounts_are_exact() {
        for (value, currency, expected) in [
            ("19.99", "EUR", 1999),
            ("0.1", "EUR", 10),
            ("-0", "EUR", 0),
            ("-5.00", "eur", -500),
            ("1234", "JPY", 1234),
            ("1234.00", "JPY", 1234),
            ("1.234", "KWD", 1234),
            ("1.2340000", "KWD", 1234),
            ("1e3", "EUR", 100_000),
            ("1.5E-1", "EUR", 15),
            ("10000000000000.00", "EUR", MAX_MINOR),
            ("-10000000000000", "EUR", -MAX_MINOR),
            ("1e15", "JPY", MAX_MINOR),
            ("000000000000000000000000000000000001.10", "EUR", 110),
            ("0e99999999999999999999", "EUR", 0),
            (".5", "EUR", 50),
        ] {
            assert_eq!(read(value, currency).ok(), Some(expected), "{value} {currency}");
        }
    }

    #[test]
    fn what_is_no_amount_says_why() {
        for (value, currency, expected) in [
            ("19.999", "EUR", "more decimals than the currency has (2)"),
            ("0.5", "JPY", "more decimals than the currency has (0)"),
            ("1,234.50", "EUR", "plain decimal"),
            ("€5", "EUR", "plain decimal"),
            ("", "EUR", "plain decimal"),
            (".", "EUR", "plain decimal"),
            ("1e", "EUR", "plain decimal"),
            ("1e+-5", "EUR", "plain decimal"),
            ("NaN", "EUR", "plain decimal"),
            ("10000000000000.01", "EUR", "too large: at most 10^15 minor units, 10000000000000 EUR, are stored"),
            ("-10000000000000.01", "EUR", "too large"),
            ("1000000000000001", "JPY", "too large: at most 10^15 minor units, 1000000000000000 JPY, are stored"),
            ("92233720368547758.07", "EUR", "too large"),
            ("92233720368547758.08", "EUR", "too large"),
            ("1e99999999999999999999", "EUR", "too large"),
            ("1e-99999999999999999999", "EUR", "more decimals"),
            ("0.30000000000000000000000000000001", "EUR", "more decimals"),
            ("5", "EURO", "not an ISO 4217"),
            ("5", "ABC", "not an ISO 4217"),
            ("5", "XAU", "no minor unit"),
        ] {
            let fault = read(value, currency).unwrap_err();
            assert_eq!(fault.reason(), Reason::InvalidMoney);
            assert!(fault.detail().contains(expected), "{value} {currency}: {}", fault.detail());
        }
        assert_eq!(read("5", " ").unwrap_err().reason(), Reason::MissingField);
    }

    #[test]
    fn major_and_minor_must_agree() {
        let fields = |minor| MoneyFields {
            value: Node::Text(Cow::Borrowed("19.99")),
            value_minor: Node::Int(minor),
            currency: Node::Text(Cow::Borrowed("USD")),
        };
        let money = Money { minor: 1999, currency: "USD".into() };
        assert_eq!(fields(1999).read(NAMES).unwrap(), Some(money));
        assert!(fields(i64::MIN).read(NAMES).unwrap_err().detail().contains("too large"));
        assert!(fields(2000).read(NAMES).unwrap_err().detail().contains("contradict"));
    }
}
