use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::sources::Category;
use crate::{BUILT_IN, EnrichError, intern};

/// Channel of a visit that nothing led to.
pub(crate) const DIRECT: &str = "Direct";
/// Channel of a visit that fits no rule.
pub(crate) const UNASSIGNED: &str = "Unassigned";

/// Channel rules in order and the patterns they name, as `data/channels.toml` explains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelTable {
    /// Month of the last revision; only the built-in table has one.
    pub version: String,
    /// Patterns by name.
    pub pattern: BTreeMap<String, Pattern>,
    /// Rules; the first one that holds decides.
    pub rule: Vec<Rule>,
}

/// Holds when any of its parts does. All values are compared in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pattern {
    /// The value is one of these.
    pub is: Vec<String>,
    /// The value contains one of these.
    pub contains: Vec<String>,
    /// The value starts with one of these.
    pub starts_with: Vec<String>,
    /// The value ends with one of these.
    pub ends_with: Vec<String>,
    /// The value contains one of these at its start, after something that is no letter, or after an `e`.
    pub word: Vec<String>,
}

/// Holds when all of its conditions do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Channel it gives.
    pub channel: String,
    /// Category of the source.
    pub category: Option<Category>,
    /// Pattern of the source.
    pub source: Option<String>,
    /// Pattern of the medium.
    pub medium: Option<String>,
    /// Pattern of the campaign's name.
    pub campaign: Option<String>,
}

/// What rules look at, in lower case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit<'a> {
    pub(crate) category: Option<Category>,
    pub(crate) source: &'a str,
    pub(crate) medium: &'a str,
    pub(crate) campaign: &'a str,
}

/// The rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct Channels {
    rules: Vec<Compiled>,
}

#[derive(Debug)]
struct Compiled {
    channel: &'static str,
    category: Option<Category>,
    source: Option<Pattern>,
    medium: Option<Pattern>,
    campaign: Option<Pattern>,
}

impl Channels {
    /// The configured rules, then the built-in ones. Configured rules may use the built-in patterns.
    pub(crate) fn new(configured: &ChannelTable) -> Result<Channels, EnrichError> {
        let built_in: ChannelTable = toml::from_str(include_str!("../data/channels.toml")).expect(BUILT_IN);
        let mut patterns = built_in.pattern;
        let rules = compile(&built_in.rule, &patterns)?;
        patterns.extend(configured.pattern.clone());
        let mut all = compile(&configured.rule, &patterns)?;
        all.extend(rules);
        Ok(Channels { rules: all })
    }

    /// The channel of a visit.
    pub(crate) fn find(&self, visit: Visit<'_>) -> &'static str {
        self.rules.iter().find(|rule| rule.holds(visit)).map_or(UNASSIGNED, |rule| rule.channel)
    }
}

impl Compiled {
    fn holds(&self, visit: Visit<'_>) -> bool {
        let holds = |pattern: &Option<Pattern>, value| pattern.as_ref().is_none_or(|pattern| pattern.holds(value));
        (self.category.is_none() || self.category == visit.category)
            && holds(&self.medium, visit.medium)
            && holds(&self.source, visit.source)
            && holds(&self.campaign, visit.campaign)
    }
}

impl Pattern {
    fn holds(&self, value: &str) -> bool {
        self.is.iter().any(|part| value == part)
            || self.contains.iter().any(|part| value.contains(part.as_str()))
            || self.starts_with.iter().any(|part| value.starts_with(part.as_str()))
            || self.ends_with.iter().any(|part| value.ends_with(part.as_str()))
            || self.word.iter().any(|part| has_word(value, part))
    }

    fn lower_case(mut self) -> Pattern {
        for parts in [&mut self.is, &mut self.contains, &mut self.starts_with, &mut self.ends_with, &mut self.word] {
            for part in parts {
                *part = part.to_lowercase();
            }
        }
        self
    }
}

fn has_word(value: &str, word: &str) -> bool {
    value.match_indices(word).any(|(at, _)| {
        value[..at].chars().next_back().is_none_or(|before| before == 'e' || !before.is_ascii_lowercase())
    })
}

fn compile(rules: &[Rule], patterns: &BTreeMap<String, Pattern>) -> Result<Vec<Compiled>, EnrichError> {
    rules
        .iter()
        .map(|rule| {
            let find = |name: &Option<String>| match name {
                None => Ok(None),
                Some(name) => match patterns.get(name) {
                    Some(pattern) => Ok(Some(pattern.clone().lower_case())),
                    None => Err(EnrichError::UnknownPattern { channel: rule.channel.clone(), pattern: name.clone() }),
                },
            };
            let compiled = Compiled {
                channel: intern(&rule.channel),
                category: rule.category,
                source: find(&rule.source)?,
                medium: find(&rule.medium)?,
                campaign: find(&rule.campaign)?,
            };
            match rule {
                Rule { category: None, source: None, medium: None, campaign: None, .. } => {
                    Err(EnrichError::NoCondition { channel: rule.channel.clone() })
                }
                _ => Ok(compiled),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
