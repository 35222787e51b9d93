//! "Did you mean": the known name that looks most like an unknown one.

/// The candidate that is few enough edits away from `unknown` to be what was meant.
pub(crate) fn nearest<'a>(unknown: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = fold(unknown);
    let length = wanted.chars().count();
    // Of a short name, something must be left: `t` was not meant to be `x`.
    let limit = ((length / 3).max(1) + 1).min(length.saturating_sub(1));
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &fold(candidate)), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Case and separators are what people get wrong most: they cost nothing.
fn fold(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["brokers", "topic_prefix", "group_prefix"];
        assert_eq!(nearest("broker", known), Some("brokers"));
        assert_eq!(nearest("topicPrefix", known), Some("topic_prefix"));
        assert_eq!(nearest("grup_prefix", known), Some("group_prefix"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("t", ["x", "y"]), None);
        assert_eq!(nearest("clientId", ["client_id"]), Some("client_id"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
