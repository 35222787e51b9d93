//! Questions that analysts ask, each a file of SQL whose first line is the question.

/// A question, and the query that answers it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// For people.
    pub(super) title: &'static str,
    /// What they can paste into `tributary sql`.
    pub(super) sql: &'static str,
}

impl Question {
    /// Takes a file apart.
    fn read(file: &'static str) -> Self {
        let (title, sql) = file.split_once('\n').unwrap_or((file, ""));
        Question { title: title.trim_start_matches("-- "), sql: sql.trim_end() }
    }
}

const CHANNELS: &str = include_str!("questions/channels.sql");
const PRICING: &str = include_str!("questions/pricing.sql");
const CARTS: &str = include_str!("questions/carts.sql");
const TIMELINE: &str = include_str!("questions/timeline.sql");
const DEAD_LETTERS: &str = include_str!("questions/dead_letters.sql");
const IDENTITY: &str = include_str!("questions/identity.sql");
const CLICK_IDS: &str = include_str!("questions/click_ids.sql");
const REPEAT: &str = include_str!("questions/repeat.sql");
const QUALITY: &str = include_str!("questions/quality.sql");

/// The questions to generated records.
pub(super) fn generated() -> [Question; 6] {
    [CHANNELS, PRICING, CARTS, TIMELINE, DEAD_LETTERS, IDENTITY].map(Question::read)
}

/// The questions to exported site events and till sales.
pub(super) fn real() -> [Question; 6] {
    [CHANNELS, CLICK_IDS, CARTS, REPEAT, QUALITY, DEAD_LETTERS].map(Question::read)
}
