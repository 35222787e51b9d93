//! Values that identify nobody.

use rustc_hash::FxHashSet;

const BLOCKED_VALUES: &str = include_str!("hygiene/blocked_values.txt");
const BLOCKED_LOCAL_PARTS: &str = include_str!("hygiene/blocked_local_parts.txt");
const ROLE_MAILBOXES: &str = include_str!("hygiene/role_mailboxes.txt");

/// The default of `Rules::role_mailboxes`.
pub(crate) fn role_mailboxes() -> impl Iterator<Item = &'static str> {
    entries(ROLE_MAILBOXES)
}

/// Changes with the built-in values that identify nobody; part of the rules' hash.
pub(crate) fn built_in_digest() -> String {
    let mut hasher = blake3::Hasher::new();
    for list in [BLOCKED_VALUES, BLOCKED_LOCAL_PARTS] {
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
    exact: FxHashSet<String>,
    local_parts: FxHashSet<&'static str>,
    /// Bytes of the longest exact value, with room for letters whose lower case takes fewer.
    longest: usize,
}

impl Blocklist {
    pub(crate) fn new(configured: &[String]) -> Self {
        let configured = configured.iter().map(|value| value.trim().to_lowercase());
        let exact: FxHashSet<String> = entries(BLOCKED_VALUES).map(str::to_owned).chain(configured).collect();
        Blocklist {
            longest: exact.iter().map(String::len).max().unwrap_or(0) * 2,
            exact,
            local_parts: entries(BLOCKED_LOCAL_PARTS).collect(),
        }
    }

    /// Every exact value, lower case.
    pub(crate) fn exact_values(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str)
    }

    /// Whether a trimmed value of any type identifies nobody.
    pub(crate) fn blocks(&self, value: &str) -> bool {
        let bare = value.trim_matches(['"', '\'', '`']).trim();
        has_no_content(bare)
            || is_unexpanded_macro(bare)
            || (bare.len() <= self.longest && self.exact.contains(&bare.to_lowercase()))
    }

    /// Whether an address with this local part (lower case) identifies nobody; a plus part does not help.
    pub(crate) fn blocks_local_part(&self, local: &str) -> bool {
        let base = local.split('+').next().unwrap_or(local);
        has_no_content(base) || is_unexpanded_macro(local) || self.local_parts.contains(base)
    }
}

/// Empty, punctuation only, zeros in any grouping (`0`, `0000-0000`, the nil UUID, `0.0`), or the UUID of all ones.
fn has_no_content(value: &str) -> bool {
    let (mut content, mut zeros, mut ones, mut controls) = (0, 0, 0, 0);
    for c in value.chars() {
        content += usize::from(c.is_alphanumeric());
        zeros += usize::from(matches!(c, '0' | '０'));
        ones += usize::from(matches!(c, 'f' | 'F'));
        controls += usize::from(c.is_control());
    }
    let hex_zero = || value.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b == b'0'));
    controls > 0 || zeros == content || (ones == content && content == 32) || hex_zero()
}

/// A template's variable that nobody filled in: `{{user.id}}`, `${id}`, `%%EMAIL%%`, `__CLIENT_ID__`, `[USER_ID]`, …
fn is_unexpanded_macro(value: &str) -> bool {
    const INSIDE: &[&str] = &["{{", "}}", "${", "#{", "@{", "<%", "%>", "%%", "*|", "|*", "[[", "]]", "$("];
    const AROUND: &[(&str, &str)] =
        &[("{", "}"), ("[", "]"), ("<", ">"), ("%", "%"), ("__", "__"), ("##", "##"), ("$", "$")];
    if !value.bytes().any(|b| b"{}<>%[]|_#$".contains(&b)) {
        return false;
    }
    let encloses = |(open, close): &(&str, &str)| {
        value.len() > open.len() + close.len() && value.starts_with(open) && value.ends_with(close)
    };
    // `<jane@doe.org>` is an address.
    let address = value.starts_with('<') && value.contains('@');
    INSIDE.iter().any(|part| value.contains(part)) || (!address && AROUND.iter().any(encloses))
}
