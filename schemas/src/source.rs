use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a record came from. One source topic each; the names of the topics are in `topics.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Page views, product events and orders from site and app trackers.
    Web,
    /// Form submissions with UTM fields.
    Form,
    /// Till transactions and refunds.
    Pos,
    /// Tickets, chats and calls.
    Support,
    /// Stage changes of leads and opportunities.
    Crm,
    /// Cost, impressions and clicks per day and campaign. Names no person.
    AdSpend,
}

impl Source {
    /// All sources, in the order in which `topics.toml` lists them.
    pub const ALL: [Source; 6] =
        [Source::Web, Source::Form, Source::Pos, Source::Support, Source::Crm, Source::AdSpend];

    /// The name used in ClickHouse, in metrics and in mapping files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Web => "web",
            Source::Form => "form",
            Source::Pos => "pos",
            Source::Support => "support",
            Source::Crm => "crm",
            Source::AdSpend => "ad_spend",
        }
    }

    /// The table that holds one row for every stored record of this source.
    pub const fn primary_table(self) -> &'static str {
        match self {
            Source::AdSpend => "ad_spend",
            _ => "events",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Source::ALL
            .into_iter()
            .find(|source| source.as_str() == text)
            .ok_or_else(|| format!("unknown source `{text}`, expected one of web, form, pos, support, crm, ad_spend"))
    }
}
