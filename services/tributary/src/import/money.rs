//! Amounts of money as exports write them, to integers in minor units. No floating point on the way.

use iso_currency::Currency;
use serde::Deserialize;

/// The `[money]` section of a mapping file.
#[derive(Debug, Clone, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct MoneyFormat {
    /// Sign between whole units and fractions.
    pub decimal: char,
    /// Signs between thousands, left out when reading; empty when the export writes none.
    pub thousands: String,
    /// Currency of amounts whose row names none.
    pub currency: Option<String>,
    /// Whether the export's amounts are in minor units (cents) already.
    pub minor: bool,
    /// Whether surplus decimals (19.989999) are rounded, half away from zero, rather than reported as bad.
    pub round: bool,
}

impl Default for MoneyFormat {
    fn default() -> Self {
        MoneyFormat { decimal: '.', thousands: String::new(), currency: None, minor: false, round: false }
    }
}

impl MoneyFormat {
    /// Minor units of `text` in `currency`; an error is a phrase that completes "… is no amount: ".
    pub(crate) fn minor_units(&self, text: &str, currency: &str) -> Result<i64, String> {
        let exponent = if self.minor { 0 } else { exponent(currency)? };
        let (negative, digits) = self.unsigned(text, currency)?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err("no digits".to_owned());
        }
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return Err(format!("expected digits with `{}` as the decimal sign", self.decimal));
        }
        let (kept, surplus) = fraction.split_at(fraction.len().min(exponent));
        let mut minor = format!("{whole}{kept:0<exponent$}").parse::<i64>().map_err(|_| "too large".to_owned())?;
        if surplus.bytes().any(|byte| byte != b'0') {
            if !self.round {
                return Err(format!("{currency} has {exponent} decimals, found more (`round = true` accepts them)"));
            }
            minor += i64::from(surplus.as_bytes()[0] >= b'5');
        }
        Ok(if negative { -minor } else { minor })
    }

    /// The sign, and the digits with `.` as the decimal sign.
    fn unsigned(&self, text: &str, currency: &str) -> Result<(bool, String), String> {
        let mut text = text.trim().to_owned();
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            text = format!("-{}", inner.trim());
        }
        let upper = text.to_uppercase();
        // Where upper case changes the length, positions found in it mean nothing in the text.
        if let Some(at) = upper.find(currency).filter(|_| !currency.is_empty() && upper.len() == text.len()) {
            text.replace_range(at..at + currency.len(), "");
        }
        let mut negative = false;
        let mut digits = String::with_capacity(text.len());
        for (at, sign) in text.char_indices() {
            match sign {
                '-' | '\u{2212}' if !negative && (digits.is_empty() || at + sign.len_utf8() == text.len()) => {
                    negative = true
                }
                '+' if digits.is_empty() => {}
                _ if sign == self.decimal => digits.push('.'),
                _ if self.thousands.contains(sign) || sign.is_whitespace() || is_currency_sign(sign) => {}
                _ => digits.push(sign),
            }
        }
        Ok((negative, digits))
    }
}

/// Decimals of a currency.
fn exponent(currency: &str) -> Result<usize, String> {
    Currency::from_code(currency)
        .ok_or_else(|| format!("`{currency}` is no ISO 4217 currency"))?
        .exponent()
        .map(usize::from)
        .ok_or_else(|| format!("`{currency}` has no minor unit"))
}

fn is_currency_sign(sign: char) -> bool {
    sign == '$' || matches!(sign, '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}' | '\u{ffe0}' | '\u{ffe1}' | '\u{ffe5}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &MoneyFormat, text: &str, currency: &str, expected: Result<i64, &str>) {
        match (format.minor_units(text, currency), expected) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{text}"),
            (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{text}: {found}"),
            (found, wanted) => panic!("{text}: {found:?}, expected {wanted:?}"),
        }
    }

    #[test]
    fn plain() {
        let format = MoneyFormat::default();
        check(&format, "245", "USD", Ok(24_500));
        check(&format, "29.33", "USD", Ok(2_933));
        check(&format, ".5", "USD", Ok(50));
        check(&format, "1.", "USD", Ok(100));
        check(&format, "-12.50", "USD", Ok(-1_250));
        check(&format, "(12.50)", "USD", Ok(-1_250));
        check(&format, "12.50-", "USD", Ok(-1_250));
        check(&format, "$12.50", "USD", Ok(1_250));
        check(&format, "12.50 usd", "USD", Ok(1_250));
        check(&format, "1200", "JPY", Ok(1_200));
        check(&format, "1.234", "KWD", Ok(1_234));
        check(&format, "19.990000", "USD", Ok(1_999));
    }

    #[test]
    fn refused() {
        let format = MoneyFormat::default();
        check(&format, "", "USD", Err("no digits"));
        check(&format, "-", "USD", Err("no digits"));
        check(&format, "12,50", "USD", Err("expected digits"));
        check(&format, "1-2", "USD", Err("expected digits"));
        check(&format, "1.2.3", "USD", Err("expected digits"));
        check(&format, "1e5", "USD", Err("expected digits"));
        check(&format, "12.505", "USD", Err("round = true"));
        check(&format, "12.5", "JPY", Err("0 decimals"));
        check(&format, "99999999999999999999", "USD", Err("too large"));
        check(&format, "1", "XXQ", Err("no ISO 4217"));
    }

    #[test]
    fn continental() {
        let format = MoneyFormat { decimal: ',', thousands: ".'".to_owned(), ..MoneyFormat::default() };
        check(&format, "1.234,56 €", "EUR", Ok(123_456));
        check(&format, "CHF 1'234,5", "CHF", Ok(123_450));
    }

    #[test]
    fn rounded_and_minor() {
        let rounded = MoneyFormat { round: true, ..MoneyFormat::default() };
        check(&rounded, "19.989999", "USD", Ok(1_999));
        check(&rounded, "-19.985", "USD", Ok(-1_999));
        let minor = MoneyFormat { minor: true, ..MoneyFormat::default() };
        check(&minor, "1999", "USD", Ok(1_999));
        check(&minor, "19.99", "USD", Err("found more"));
    }
}
