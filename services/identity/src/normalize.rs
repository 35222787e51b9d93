//! One form for each value, so that two sources that mean the same person hash to the same key.
//!
//! A change here changes keys: raise [`NORMALIZER_VERSION`] with it.

use phonenumber::{Mode, country};
use sha2::{Digest, Sha256};

/// Version of everything in this file; part of the rules' hash.
pub(crate) const NORMALIZER_VERSION: u32 = 2;

/// Removes what copying and exporting add around a value: white space of any script, zero-width characters, a byte
/// order mark.
pub(crate) fn trim(value: &str) -> &str {
    value.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

/// Zero-width characters, marks of writing direction (phones wrap copied numbers in them), soft hyphens.
fn is_invisible(c: char) -> bool {
    matches!(c, '\0' | '\u{AD}' | '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// The ASCII character that a full-width one stands for; any other as it is.
pub(crate) fn narrow(c: char) -> char {
    match u32::from(c) {
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    }
}

/// An e-mail address in parts, lower case, the domain in ASCII.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) local: String,
    pub(crate) domain: String,
}

impl Address {
    /// SHA-256 of the address in hex.
    pub(crate) fn hashed(&self) -> String {
        sha256_hex(&format!("{}@{}", self.local, self.domain))
    }
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256_hex(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|half| char::from(DIGITS[usize::from(half)])).collect()
}

/// A value that already is a SHA-256 in hex, lower case.
pub(crate) fn as_sha256_hex(value: &str) -> Option<String> {
    (value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit())).then(|| value.to_ascii_lowercase())
}

/// Reads a trimmed address; `None` when it is not one. `mailto:`, a display name and angle brackets are left out;
/// full-width letters count as plain ones, and an address copied from a link (`jane%40doe.org`) is unescaped.
pub(crate) fn address(value: &str) -> Option<Address> {
    let mut readable: String = value.chars().filter(|c| !is_invisible(*c)).map(narrow).collect();
    if !readable.contains('@') {
        readable = readable.replacen("%40", "@", 1);
    }
    let value = readable.as_str();
    let value = match value.strip_suffix('>') {
        Some(before) => &before[before.rfind('<')? + 1..],
        None => value,
    };
    let value = trim(without_scheme(value, "mailto:"));
    let (local, domain) = value.rsplit_once('@')?;
    let local = local.to_lowercase();
    let unusable = |c: char| c.is_whitespace() || c.is_control() || "@,;:<>()[]\\\"".contains(c);
    if local.is_empty() || local.len() > 64 || value.len() > 254 || local.contains(unusable) {
        return None;
    }
    let domain = ascii_domain(domain)?;
    Some(Address { local, domain })
}

fn without_scheme<'a>(value: &'a str, scheme: &str) -> &'a str {
    match value.get(..scheme.len()) {
        Some(start) if start.eq_ignore_ascii_case(scheme) => &value[scheme.len()..],
        _ => value,
    }
}

/// Lower-case ASCII form of a domain with at least two labels; `None` when it is none.
pub(crate) fn ascii_domain(domain: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let plain = domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    // A label of digits at the end makes it an IP address, which the parser finds out.
    let ascii =
        if plain && !domain.to_ascii_lowercase().contains("xn--") && !domain.ends_with(|c: char| c.is_ascii_digit()) {
            domain.to_ascii_lowercase()
        } else {
            match url::Host::parse(domain).ok()? {
                url::Host::Domain(ascii) => ascii,
                _ => return None,
            }
        };
    let labels_fit = ascii.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    let top_level_fits = ascii.rsplit('.').next().is_some_and(|label| label.len() >= 2);
    (ascii.contains('.') && ascii.len() <= 253 && labels_fit && top_level_fits).then_some(ascii)
}

/// E.164 of a trimmed number that is valid in its numbering plan, with the extension if it has one.
pub(crate) fn phone(value: &str, region: Option<country::Id>) -> Option<String> {
    let (number, extension) = split_extension(without_scheme(value, "tel:"));
    let mut digits = String::with_capacity(20);
    for c in number.chars() {
        match c {
            '+' | '＋' if digits.is_empty() => digits.push('+'),
            c if c.is_numeric() => digits.push(char::from_digit(decimal(c)?, 10)?),
            c if is_invisible(c) => {}
            // What people put between groups; anything else is no phone number.
            ' ' | '\u{A0}' | '\u{2009}' | '\u{202F}' | '\u{3000}' | '-' | '‐' | '‑' | '–' | '—' | '.' | '/' | '('
            | ')' | '（' | '）' | '－' | '\t' => {}
            _ => return None,
        }
    }
    if let Some(rest) = digits.strip_prefix("00") {
        digits = format!("+{rest}");
    }
    // `+49 (0)30 …`: the zero is for callers inside the country.
    if number.contains("(0)") && digits.starts_with('+') {
        digits = without_trunk_zero(number)?;
    }
    if !(7..=16).contains(&digits.len()) || (region.is_none() && !digits.starts_with('+')) {
        return None;
    }
    let parsed = phonenumber::parse(region, &digits).ok().filter(phonenumber::is_valid)?;
    let e164 = parsed.format().mode(Mode::E164).to_string();
    Some(match extension {
        Some(extension) => format!("{e164};ext={extension}"),
        None => e164,
    })
}

/// Value of a decimal digit as people type them: ASCII, full width, Arabic-Indic, Persian, Devanagari, Bengali, Thai.
fn decimal(c: char) -> Option<u32> {
    const ZEROS: [u32; 7] = [0x30, 0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50];
    ZEROS.into_iter().map(|zero| u32::from(c).wrapping_sub(zero)).find(|value| *value < 10)
}

/// `030 1234 ext. 56` → (`030 1234`, `56`). Another extension is another person.
fn split_extension(value: &str) -> (&str, Option<&str>) {
    let lower = value.to_ascii_lowercase();
    for marker in [";ext=", "extension", "ext.", "ext", "x", "#"] {
        if let Some(at) = lower.find(marker) {
            let extension = trim(&value[at + marker.len()..]);
            if !extension.is_empty() && extension.len() <= 8 && extension.bytes().all(|b| b.is_ascii_digit()) {
                return (trim(&value[..at]), Some(extension));
            }
        }
    }
    (value, None)
}

/// Digits of an international number written with `(0)`, without that zero.
fn without_trunk_zero(number: &str) -> Option<String> {
    let mut digits = String::from("+");
    for c in number.replacen("(0)", "", 1).chars().filter(|c| c.is_numeric()) {
        digits.push(char::from_digit(decimal(c)?, 10)?);
    }
    match digits.strip_prefix("+00") {
        Some(rest) => Some(format!("+{rest}")),
        None => Some(digits),
    }
}
