//! Values that identify nobody.
//!
//! What is blocked is what *several* people's records would share: the text that a program writes for "no value", a
//! template that nobody filled in, a number from the form's example. A test account's own id (`test-1234`) is not: it
//! joins only its own records. Where a word is both a placeholder and a name, an identifier that is the whole word is
//! blocked (`user_id=guest`), and an address is judged by how often people bear it: `null@` and `test@` are blocked,
//! `nan@`, `testa@`, `gast@` are people. Blocking costs one link; letting a placeholder through joins strangers until
//! `max_links` finds it.

use rustc_hash::FxHashSet;

use crate::normalize;

const BLOCKED_VALUES: &str = include_str!("hygiene/blocked_values.txt");
const BLOCKED_LOCAL_PARTS: &str = include_str!("hygiene/blocked_local_parts.txt");
const BLOCKED_PHONES: &str = include_str!("hygiene/blocked_phones.txt");
const ROLE_MAILBOXES: &str = include_str!("hygiene/role_mailboxes.txt");

/// Where people who make up an address say it is; used for addresses that come hashed only.
const MADE_UP_DOMAINS: [&str; 6] = ["test.com", "example.com", "email.com", "mail.com", "gmail.com", "domain.com"];

/// From here on a word is compared without dots and dashes; below, they may part initials.
const SHORTEST_JOINED: usize = 6;

/// So many equal digits at the end of a valid number are a filler.
const FILLER_DIGITS: usize = 8;

/// The default of `Rules::role_mailboxes`.
pub(crate) fn role_mailboxes() -> impl Iterator<Item = &'static str> {
    entries(ROLE_MAILBOXES)
}

/// Changes with the built-in values that identify nobody; part of the rules' hash.
pub(crate) fn built_in_digest() -> String {
    let mut hasher = blake3::Hasher::new();
    for list in [BLOCKED_VALUES, BLOCKED_LOCAL_PARTS, BLOCKED_PHONES] {
        let mut values: Vec<&str> = entries(list).collect();
        values.sort_unstable();
        hasher.update(values.join("\n").as_bytes()).update(b"\0");
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The entries of a list: one a line, without comments.
fn entries(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
}

/// The blocked values of one configuration.
#[derive(Debug)]
pub(crate) struct Blocklist {
    /// Folded.
    exact: FxHashSet<String>,
    local_parts: FxHashSet<&'static str>,
    local_beginnings: Vec<&'static str>,
    /// Local parts that digits may follow.
    local_numbered: FxHashSet<&'static str>,
    phones: FxHashSet<&'static str>,
    /// SHA-256 of blocked values and addresses, for e-mails that come hashed.
    hashes: FxHashSet<String>,
    /// Bytes of the longest exact value, with room for letters whose folded form takes fewer.
    longest: usize,
}

impl Blocklist {
    pub(crate) fn new(configured: &[String]) -> Self {
        let plain =
            || entries(BLOCKED_VALUES).map(str::to_owned).chain(configured.iter().map(|v| v.trim().to_lowercase()));
        let exact: FxHashSet<String> = plain().map(|value| fold(&value)).filter(|value| !value.is_empty()).collect();
        let locals = || entries(BLOCKED_LOCAL_PARTS);
        let words = || locals().map(|entry| entry.trim_end_matches(['*', '#']));
        let addresses = words().flat_map(|word| {
            let own = format!("{word}@{word}.com");
            MADE_UP_DOMAINS.iter().map(move |domain| format!("{word}@{domain}")).chain([own])
        });
        Blocklist {
            longest: exact.iter().map(String::len).max().unwrap_or(0) * 2,
            hashes: plain().chain([String::new()]).chain(addresses).map(|text| normalize::sha256_hex(&text)).collect(),
            local_parts: words().collect(),
            local_beginnings: locals().filter_map(|entry| entry.strip_suffix('*')).collect(),
            local_numbered: locals().filter_map(|entry| entry.strip_suffix('#')).collect(),
            phones: entries(BLOCKED_PHONES).collect(),
            exact,
        }
    }

    /// Whether a trimmed value of any type identifies nobody.
    pub(crate) fn blocks(&self, value: &str) -> bool {
        let bare = value.trim_matches(['"', '\'', '`', '“', '”', '‘', '’', '„']).trim();
        has_no_content(bare) || is_unexpanded_macro(bare) || (bare.len() <= self.longest && self.lists(bare))
    }

    /// Whether the value, or what stands between brackets, dashes or dots (`-- none --`, `(null)`, `n/a.`), is listed.
    fn lists(&self, value: &str) -> bool {
        let folded = fold(value);
        let word = folded
            .trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace() || "…。「」『』【】（）".contains(c));
        self.exact.contains(&folded) || (word.len() < folded.len() && self.exact.contains(word))
    }

    /// Whether an address that came as a SHA-256 (lower-case hex) is a placeholder's.
    pub(crate) fn blocks_hash(&self, hash: &str) -> bool {
        self.hashes.contains(hash) || has_no_content(hash)
    }

    /// Whether an address (lower case) identifies nobody; a plus part does not help.
    pub(crate) fn blocks_address(&self, local: &str, domain: &str) -> bool {
        let base = local.split('+').next().unwrap_or(local);
        let joined: String = base.chars().filter(|c| !matches!(c, '.' | '-' | '_')).collect();
        let word = joined.trim_end_matches(|c: char| c.is_ascii_digit());
        let listed = self.local_parts.contains(base)
            || (joined.len() >= SHORTEST_JOINED && self.local_parts.contains(joined.as_str()))
            || self.local_numbered.contains(word)
            || self.local_beginnings.iter().any(|beginning| joined.starts_with(beginning));
        listed || has_no_content(base) || is_unexpanded_macro(local) || repeats_itself(base, domain)
    }

    /// Whether a valid number (E.164) is a placeholder.
    pub(crate) fn blocks_phone(&self, e164: &str) -> bool {
        let last = e164.chars().next_back();
        let equal_at_the_end = e164.chars().rev().take_while(|c| Some(*c) == last).count();
        equal_at_the_end >= FILLER_DIGITS || is_fictional(e164) || self.phones.contains(e164)
    }
}

/// One form of a placeholder: lower case, full width made narrow, accents that stand alone dropped, and any run of
/// white space, dashes and underscores one space.
fn fold(value: &str) -> String {
    let mut folded = String::with_capacity(value.len());
    for c in value.chars() {
        match normalize::narrow(c) {
            c if c.is_ascii() && !matches!(c, '-' | '_' | ' ' | '\t' | '\n') => folded.push(c.to_ascii_lowercase()),
            '-' | '_' | '‐' | '–' | '—' => push_space(&mut folded),
            c if c.is_whitespace() => push_space(&mut folded),
            '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' => {}
            // The lower case of the Turkish dotted capital ends with a dot of its own.
            c => folded.extend(c.to_lowercase().filter(|c| *c != '\u{307}')),
        }
    }
    folded
}

fn push_space(folded: &mut String) {
    if !folded.ends_with(' ') {
        folded.push(' ');
    }
}

/// Empty, punctuation only, zeros in any grouping (`0`, `0000-0000`, the nil UUID, `0.0`), or one character eight times
/// and more (`9999999999`, the UUID of all ones, `xxxxxxxx`); of `x`, three times.
fn has_no_content(value: &str) -> bool {
    let (mut content, mut zeros, mut equal, mut controls) = (0, 0, 0, 0);
    let mut first = None;
    for c in value.chars() {
        let letter = c.is_alphanumeric();
        content += usize::from(letter);
        zeros += usize::from(matches!(c, '0' | '０'));
        controls += usize::from(c.is_control());
        if letter {
            let c = c.to_ascii_lowercase();
            equal += usize::from(*first.get_or_insert(c) == c);
        }
    }
    let repeated = || equal == content && (content >= 8 || (content >= 3 && first == Some('x')));
    let hex_zero = || value.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b == b'0'));
    controls > 0 || zeros == content || repeated() || hex_zero()
}

/// `a@a.com`, `123@123.com`: one character, or digits, on both sides. (`bob@bob.com` may well be Bob.)
fn repeats_itself(local: &str, domain: &str) -> bool {
    let mut bytes = local.bytes();
    let first = bytes.next();
    let filler = bytes.all(|b| Some(b) == first) || local.bytes().all(|b| b.is_ascii_digit());
    filler && domain.split('.').next() == Some(local)
}

/// Numbers that the numbering plans keep for films: North America's 555-0100 to 555-0199, Britain's 07700 900xxx,
/// Australia's 0491 570 xxx.
fn is_fictional(e164: &str) -> bool {
    let north_american = e164.len() == 12 && e164.starts_with("+1") && e164[5..].starts_with("55501");
    north_american || e164.starts_with("+447700900") || e164.starts_with("+61491570")
}

/// A template's variable that nobody filled in: `{{user.id}}`, `${id}`, `%%EMAIL%%`, `__CLIENT_ID__`, `[USER_ID]`, …
fn is_unexpanded_macro(value: &str) -> bool {
    const INSIDE: &[&str] =
        &["{{", "}}", "${", "#{", "@{", "<%", "%>", "%%", "*|", "|*", "[[", "]]", "$(", "%7b%7b", "%24%7b", "｛｛"];
    const AROUND: &[(&str, &str)] = &[
        ("{", "}"),
        ("[", "]"),
        ("<", ">"),
        ("%", "%"),
        ("__", "__"),
        ("#", "#"),
        ("$", "$"),
        ("@@", "@@"),
        ("((", "))"),
        ("«", "»"),
        ("%7b", "%7d"),
        ("%5b", "%5d"),
        ("%3c", "%3e"),
    ];
    if !value.bytes().any(|b| b"{}<>%[]|_#$@(\xC2\xEF".contains(&b)) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let encloses = |(open, close): &(&str, &str)| {
        lower.len() > open.len() + close.len() && lower.starts_with(open) && lower.ends_with(close)
    };
    // `<jane@doe.org>` is an address, `{6D92078A-…}` how Windows writes a UUID.
    let address = value.starts_with('<') && value.contains('@');
    let uuid = || value.len() == 38 && value[1..37].bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    INSIDE.iter().any(|part| lower.contains(part)) || (!address && AROUND.iter().any(encloses) && !uuid())
}
