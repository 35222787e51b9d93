//! TOML errors as a person wants them: file, line, and the known key that was probably meant.

use std::path::Path;

use crate::nearest::nearest;

/// One sentence for an error in `text`, which was read from `path`.
pub(crate) fn describe(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let message = explain(error.message());
    match error.span() {
        Some(span) => {
            let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count()) + 1;
            format!("{}, line {line}: {message}", path.display())
        }
        None => format!("{}: {message}", path.display()),
    }
}

/// Turns serde's "unknown field `a`, expected one of `b`, `c`" into a question; other messages stay as they are.
pub(crate) fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else {
        return message.trim_end().to_owned();
    };
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    let known: Vec<&str> = names.collect();
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("unknown key `{unknown}`, did you mean `{near}`?"),
        None if known.is_empty() => format!("unknown key `{unknown}`"),
        None => format!("unknown key `{unknown}`, known here are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_become_questions() {
        assert_eq!(
            explain("unknown field `broker`, expected one of `brokers`, `user`"),
            "unknown key `broker`, did you mean `brokers`?"
        );
        assert_eq!(
            explain("unknown field `x`, expected `brokers` or `user`"),
            "unknown key `x`, known here are brokers, user"
        );
        assert_eq!(explain("unknown field `x`, there are no fields"), "unknown key `x`");
        assert_eq!(explain("missing field `source`\n"), "missing field `source`");
    }
}
