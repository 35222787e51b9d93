use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{BUILT_IN, EnrichError, host, intern};

/// What kind of place a visit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Search engines.
    Search,
    /// Social networks and messengers.
    Social,
    /// Video sites.
    Video,
    /// Shops and comparison sites.
    Shopping,
    /// Assistants that answer in prose.
    Assistant,
    /// None of these, though a wider entry would say so.
    Other,
}

/// Sources by category: name → `utm_source` values and hosts, as `data/sources.toml` explains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the fields are the categories of the same names")]
pub struct SourceTable {
    /// Month of the last revision; only the built-in table has one.
    pub version: String,
    pub search: BTreeMap<String, Vec<String>>,
    pub social: BTreeMap<String, Vec<String>>,
    pub video: BTreeMap<String, Vec<String>>,
    pub shopping: BTreeMap<String, Vec<String>>,
    pub assistant: BTreeMap<String, Vec<String>>,
    pub other: BTreeMap<String, Vec<String>>,
}

impl SourceTable {
    fn categories(&self) -> [(Category, &BTreeMap<String, Vec<String>>); 6] {
        [
            (Category::Search, &self.search),
            (Category::Social, &self.social),
            (Category::Video, &self.video),
            (Category::Shopping, &self.shopping),
            (Category::Assistant, &self.assistant),
            (Category::Other, &self.other),
        ]
    }
}

/// A known source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) name: &'static str,
    pub(crate) category: Category,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    source: Source,
    /// Whether subdomains are something else.
    exact: bool,
}

/// The tables, ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// `utm_source` values.
    values: FxHashMap<String, Source>,
    /// Hosts in full.
    hosts: FxHashMap<String, Entry>,
    /// Hosts without their top-level domain, from entries that end in `.*`.
    stems: FxHashMap<String, Entry>,
}

impl Sources {
    /// The built-in table, then the configured one over it.
    pub(crate) fn new(configured: &SourceTable) -> Result<Sources, EnrichError> {
        let built_in: SourceTable = toml::from_str(include_str!("../data/sources.toml")).expect(BUILT_IN);
        let mut sources = Sources::default();
        for table in [&built_in, configured] {
            sources.add(table)?;
        }
        Ok(sources)
    }

    fn add(&mut self, table: &SourceTable) -> Result<(), EnrichError> {
        let mut seen: FxHashMap<String, &'static str> = FxHashMap::default();
        for (category, sources) in table.categories() {
            for (name, entries) in sources {
                let source = Source { name: intern(&name.to_lowercase()), category };
                for entry in std::iter::once(name).chain(entries) {
                    let entry = entry.to_lowercase();
                    if let Some(first) = seen.insert(entry.clone(), source.name).filter(|first| *first != source.name) {
                        let second = source.name.to_owned();
                        return Err(EnrichError::SourceTwice { entry, first: first.to_owned(), second });
                    }
                    self.insert(&entry, source)?;
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, entry: &str, source: Source) -> Result<(), EnrichError> {
        if !entry.contains('.') {
            if source.category != Category::Other {
                self.values.insert(entry.to_owned(), source);
            }
            return Ok(());
        }
        let exact = entry.starts_with('=');
        let name = entry.trim_start_matches('=');
        let (name, map) = match name.strip_suffix(".*") {
            Some(stem) => (stem, &mut self.stems),
            None => (name, &mut self.hosts),
        };
        if name.is_empty() || name.contains(['/', ':', '*', ' ', '=']) || name.starts_with('.') {
            return Err(EnrichError::Host { entry: entry.to_owned(), place: "sources" });
        }
        map.insert(name.to_owned(), Entry { source, exact });
        Ok(())
    }

    /// The source behind a `utm_source` value, in lower case: a known value, or a host.
    pub(crate) fn by_value(&self, value: &str) -> Option<Source> {
        match self.values.get(value) {
            Some(source) => Some(*source),
            None if value.contains('.') => self.by_host(value.strip_prefix("www.").unwrap_or(value)),
            None => None,
        }
    }

    /// The source behind a host, in lower case without `www.`. The most specific entry wins.
    pub(crate) fn by_host(&self, host: &str) -> Option<Source> {
        let stem_end = host::suffix_start(host);
        let mut start = 0;
        loop {
            let whole = start == 0;
            let stem = if start < stem_end { self.stems.get(&host[start..stem_end]) } else { None };
            let found = self.hosts.get(&host[start..]).or(stem).filter(|entry| whole || !entry.exact);
            if let Some(entry) = found {
                return Some(entry.source);
            }
            start += host[start..].find('.')? + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Sources {
        Sources::new(&SourceTable::default()).unwrap()
    }

    #[test]
    fn hosts_find_their_source() {
        let sources = sources();
        for (host, expect) in [
            ("google.com", "google"),
            ("google.co.uk", "google"),
            ("google.com.hk", "google"),
            ("images.google.de", "google"),
            ("gemini.google.com", "gemini"),
            ("mail.google.com", "google_apps"),
            ("shopping.google.com", "google_shopping"),
            ("m.baidu.com", "baidu"),
            ("tieba.baidu.com", "tieba"),
            ("mp.weixin.qq.com", "wechat"),
            ("v.qq.com", "tencent_video"),
            ("m.weibo.cn", "weibo"),
            ("l.facebook.com", "facebook"),
            ("lm.facebook.com", "facebook"),
            ("search.yahoo.co.jp", "yahoo"),
            ("uk.search.yahoo.com", "yahoo"),
            ("amazon.com.au", "amazon"),
            ("m.ebay.de", "ebay"),
            ("so.com", "so360"),
            ("m.so.com", "so360"),
            ("yandex.com.tr", "yandex"),
            ("m.search.naver.com", "naver"),
            ("blog.naver.com", "naver_social"),
            ("edgeservices.bing.com", "copilot"),
        ] {
            assert_eq!(sources.by_host(host).map(|source| source.name), Some(expect), "{host}");
        }
        for host in
            ["", "com", "shop.example", "foo.google.com", "notgoogle.com", "google.evil.example", "co.uk", "é.x"]
        {
            assert_eq!(sources.by_host(host), None, "{host}");
        }
    }

    #[test]
    fn values_find_their_source() {
        let sources = sources();
        for (value, expect) in [
            ("google", Some(Category::Search)),
            ("fb", Some(Category::Social)),
            ("chatgpt.com", Some(Category::Assistant)),
            ("www.baidu.com", Some(Category::Search)),
            ("bilibili", Some(Category::Video)),
            ("newsletter", None),
            ("google_apps", None),
        ] {
            assert_eq!(sources.by_value(value).map(|source| source.category), expect, "{value}");
        }
    }

    #[test]
    fn configured_sources_win_and_mistakes_are_named() {
        let table: SourceTable = toml::from_str("[social]\nmyforum = [\"google.de\", \"forum\"]").unwrap();
        let sources = Sources::new(&table).unwrap();
        assert_eq!(sources.by_host("google.de").unwrap().name, "myforum");
        assert_eq!(sources.by_host("google.com").unwrap().name, "google");
        assert_eq!(sources.by_value("forum").unwrap().category, Category::Social);
        let error = |text: &str| Sources::new(&toml::from_str(text).unwrap()).unwrap_err().to_string();
        assert_eq!(
            error("[social]\na = [\"https://x.example/\"]"),
            "`https://x.example/` in sources is no host: write it without scheme, port and path"
        );
        assert_eq!(
            error("[social]\na = [\"x.example\"]\n[video]\nb = [\"x.example\"]"),
            "`x.example` belongs to both `a` and `b`"
        );
        assert!(toml::from_str::<SourceTable>("[serach]\na = []").is_err());
    }
}
