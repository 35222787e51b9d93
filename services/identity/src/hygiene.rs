//! Values that identify nobody.

use rustc_hash::FxHashSet;

const BLOCKED_VALUES: &str = include_str!("hygiene/blocked_values.txt");
const BLOCKED_LOCAL_PARTS: &str = include_str!("hygiene/blocked_local_parts.txt");
const ROLE_MAILBOXES: &str = include_str!("hygiene/role_mailboxes.txt");

/// The default of `Rules::role_mailboxes`.
pub(crate) fn role_mailboxes() -> impl Iterator<Item = &'static str> {
    entries(ROLE_MAILBOXES)
}

/// The entries of a list: one a line, without comments.
fn entries(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
}

/// The blocked values of one configuration.
#[derive(Debug)]
pub(crate) struct Blocklist {
    exact: FxHashSet<String>,
    local_parts: FxHashSet<&'static str>,
}

impl Blocklist {
    pub(crate) fn new(configured: &[String]) -> Self {
        let configured = configured.iter().map(|value| value.trim().to_lowercase());
        let exact: FxHashSet<String> = entries(BLOCKED_VALUES)
            .map(str::to_owned)
            .chain(configured)
            .collect();
        Blocklist {
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
            || self.exact.contains(&bare.to_lowercase())
    }

    /// Whether an address with this local part (lower case) identifies nobody; a plus part does not help.
    pub(crate) fn blocks_local_part(&self, local: &str) -> bool {
        let base = local.split('+').next().unwrap_or(local);
        has_no_content(base) || is_unexpanded_macro(local) || self.local_parts.contains(base)
    }
}

/// Empty, punctuation only, zeros in any grouping (`0`, `0000-0000`, the nil UUID, `0.0`), or the UUID of all ones.
fn has_no_content(value: &str) -> bool {
    if value.chars().any(char::is_control) {
        return true;
    }
    let mut content = value.chars().filter(|c| c.is_alphanumeric()).peekable();
    if content.peek().is_none() {
        return true;
    }
    let content: String = content.collect();
    content.chars().all(|c| matches!(c, '0' | '０'))
        || content
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|b| b == b'0'))
        || (content.len() == 32 && content.bytes().all(|b| b.eq_ignore_ascii_case(&b'f')))
}

/// A template's variable that nobody filled in: `{{user.id}}`, `${id}`, `%%EMAIL%%`, `__CLIENT_ID__`, `[USER_ID]`, …
fn is_unexpanded_macro(value: &str) -> bool {
    const OPENINGS: &[&str] = &[
        "{{", "}}", "${", "#{", "@{", "<%", "%>", "%%", "*|", "|*", "[[", "]]", "$(",
    ];
    if OPENINGS.iter().any(|opening| value.contains(opening)) {
        return true;
    }
    let enclosed = |open: &str, close: &str| {
        value.len() > open.len() + close.len() && value.starts_with(open) && value.ends_with(close)
    };
    enclosed("{", "}")
        || enclosed("[", "]")
        || (enclosed("<", ">") && !value.contains('@'))
        || enclosed("%", "%")
        || enclosed("__", "__")
        || enclosed("##", "##")
        || enclosed("$", "$")
}
