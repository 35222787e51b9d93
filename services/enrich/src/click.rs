use rustc_hash::FxHashMap;
use schemas::Text;
use serde::{Deserialize, Serialize};

use crate::{BUILT_IN, EnrichConfig, EnrichError, intern};

/// Longest parameter name that can be a click id.
const LONGEST_NAME: usize = 32;

/// A parameter by which an ad platform marks a click.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickIdRule {
    /// Name of the parameter; case does not matter.
    pub name: Text,
    /// Stands in for `utm_source` where the URL has none; empty when the platform cannot be told.
    #[serde(default)]
    pub source: Text,
    /// Stands in for `utm_medium`; empty when the id proves nothing.
    #[serde(default)]
    pub medium: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[allow(dead_code, reason = "for the reader of the file")]
    version: String,
    click_id: Vec<ClickIdRule>,
}

/// A click id's place in the table.
pub(crate) type ClickIndex = u16;

/// One line of the table, ready to use.
#[derive(Debug)]
pub(crate) struct ClickKind {
    pub(crate) name: &'static str,
    pub(crate) source: Text,
    pub(crate) medium: Text,
}

/// The click ids that are known, in order.
#[derive(Debug, Default)]
pub(crate) struct ClickIds {
    kinds: Vec<ClickKind>,
    by_name: FxHashMap<&'static [u8], ClickIndex>,
}

impl ClickIds {
    pub(crate) fn new(config: &EnrichConfig) -> Result<ClickIds, EnrichError> {
        let built_in: File = toml::from_str(include_str!("../data/click_ids.toml")).expect(BUILT_IN);
        let mut rules = built_in.click_id;
        rules.retain(|rule| !config.ignored_click_ids.iter().any(|name| name.eq_ignore_ascii_case(&rule.name)));
        for rule in &config.click_ids {
            match rules.iter_mut().find(|other| other.name.eq_ignore_ascii_case(&rule.name)) {
                Some(other) => *other = rule.clone(),
                None => rules.push(rule.clone()),
            }
        }
        let mut ids = ClickIds::default();
        for rule in rules {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            if rule.name.is_empty() || rule.name.len() > LONGEST_NAME || !rule.name.bytes().all(good) {
                return Err(EnrichError::ClickIdName { name: rule.name.to_string() });
            }
            let name = intern(&rule.name.to_ascii_lowercase());
            let index = ClickIndex::try_from(ids.kinds.len()).expect("a table of a few dozen lines");
            ids.by_name.insert(name.as_bytes(), index);
            ids.kinds.push(ClickKind { name, source: rule.source.to_lowercase(), medium: rule.medium.to_lowercase() });
        }
        Ok(ids)
    }

    /// The place of a parameter in the table; case does not matter.
    pub(crate) fn find(&self, key: &str) -> Option<ClickIndex> {
        let mut lower = [0; LONGEST_NAME];
        let lower = lower.get_mut(..key.len())?;
        lower.copy_from_slice(key.as_bytes());
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    pub(crate) fn kind(&self, index: ClickIndex) -> &ClickKind {
        &self.kinds[usize::from(index)]
    }

    /// The line of a name that this table gave out.
    pub(crate) fn named(&self, name: &'static str) -> Option<&ClickKind> {
        self.by_name.get(name.as_bytes()).map(|&index| self.kind(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let ids = ClickIds::new(&EnrichConfig::default()).unwrap();
        for key in ["gclid", "GCLID", "GcLiD"] {
            assert_eq!(ids.kind(ids.find(key).unwrap()).name, "gclid");
        }
        assert_eq!(ids.find(""), None);
        assert_eq!(ids.find("gclid2"), None);
        assert_eq!(ids.find(&"x".repeat(1000)), None);
    }

    #[test]
    fn the_table_can_be_changed() {
        let config: EnrichConfig = toml::from_str(
            "ignored_click_ids = [\"clickid\"]\n[[click_ids]]\nname = \"MyClick\"\nsource = \"mynet\"\nmedium = \"cpc\"\n\
             [[click_ids]]\nname = \"fbclid\"\n",
        )
        .unwrap();
        let ids = ClickIds::new(&config).unwrap();
        assert_eq!(ids.find("clickid"), None);
        assert_eq!(ids.kind(ids.find("myclick").unwrap()).source, "mynet");
        assert_eq!(ids.kind(ids.find("fbclid").unwrap()).medium, "", "proves nothing any more");
        let bad = EnrichConfig { click_ids: vec![ClickIdRule { name: "a b".into(), ..Default::default() }], ..config };
        assert!(ClickIds::new(&bad).unwrap_err().to_string().starts_with("`a b` cannot be the name"));
    }
}
