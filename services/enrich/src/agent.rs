use parking_lot::RwLock;
use rustc_hash::FxHashMap;
use schemas::{Agent, Text};
use serde::Deserialize;
use woothee::parser::Parser;

use crate::{BUILT_IN, EnrichConfig};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[allow(dead_code, reason = "for the reader of the file")]
    version: String,
    contains: Vec<String>,
}

/// Reads User-Agent headers.
#[derive(Debug)]
pub(crate) struct Agents {
    /// Parts of a header, in lower case, that make it a bot's.
    bots: Vec<String>,
    /// Headers read before: reading one takes longer than everything else that is done to an event, and a few thousand
    /// headers make up nearly all traffic. What is remembered never changes an answer.
    read: RwLock<FxHashMap<Text, Agent>>,
}

/// Headers remembered; when they are more, all are forgotten. About 10 MiB.
const REMEMBERED: usize = 32_768;
/// A header longer than this is not remembered.
const LONGEST_REMEMBERED: usize = 512;

/// Browsers that call themselves Chrome or Safari as well: part of the header, name. The first one found wins.
const BROWSERS: [(&str, &str); 27] = [
    ("MicroMessenger/", "WeChat"),
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("Instagram ", "Instagram"),
    ("Weibo (", "Weibo"),
    ("__weibo__", "Weibo"),
    ("aweme", "Douyin"),
    ("musical_ly", "TikTok"),
    ("BytedanceWebview", "TikTok"),
    ("NewsArticle/", "Toutiao"),
    ("AlipayClient/", "Alipay"),
    ("XiaoHongShu", "Xiaohongshu"),
    ("baiduboxapp", "Baidu"),
    ("Line/", "LINE"),
    ("Pinterest/", "Pinterest"),
    ("LinkedInApp", "LinkedIn"),
    ("Snapchat/", "Snapchat"),
    ("MQQBrowser/", "QQ Browser"),
    ("QQBrowser/", "QQ Browser"),
    ("UCBrowser/", "UC Browser"),
    ("MiuiBrowser/", "Miui Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("GSA/", "Google App"),
    ("Brave/", "Brave"),
];

impl Agents {
    pub(crate) fn new(config: &EnrichConfig) -> Agents {
        let built_in: File = toml::from_str(include_str!("../data/bots.toml")).expect(BUILT_IN);
        let configured = config.bots.iter().filter(|part| !part.is_empty()).map(|part| part.to_lowercase().to_string());
        let bots = built_in.contains.into_iter().chain(configured).collect();
        Agents { bots, read: RwLock::default() }
    }

    /// What each header says, in their order.
    pub(crate) fn read_all<'a>(&self, headers: impl Iterator<Item = &'a str>) -> Vec<Agent> {
        let mut batch: FxHashMap<&str, Agent> = FxHashMap::default();
        headers.map(|header| batch.entry(header).or_insert_with(|| self.remember(header)).clone()).collect()
    }

    fn remember(&self, header: &str) -> Agent {
        if let Some(agent) = self.read.read().get(header) {
            return agent.clone();
        }
        let agent = self.read(header);
        if header.len() <= LONGEST_REMEMBERED {
            let mut read = self.read.write();
            if read.len() >= REMEMBERED {
                read.clear();
            }
            read.insert(Text::new(header), agent.clone());
        }
        agent
    }

    /// What a header says. An absent header says nothing: servers and apps send none.
    fn read(&self, header: &str) -> Agent {
        let header = header.trim();
        if header.is_empty() || header == "-" {
            return Agent::default();
        }
        let parsed = Parser::new().parse(header).unwrap_or_default();
        let is_bot = parsed.category == "crawler" || self.is_bot(header);
        let browser = match BROWSERS.iter().find(|(part, _)| header.contains(part)) {
            Some((_, name)) if !is_bot => Text::const_new(name),
            _ => known(parsed.name),
        };
        Agent { browser, os: os(header, parsed.os), device: device(header, parsed.category, is_bot), is_bot }
    }

    fn is_bot(&self, header: &str) -> bool {
        let header = header.to_ascii_lowercase();
        self.bots.iter().any(|part| header.contains(part.as_str())) || has_bot_word(&header)
    }
}

/// Whether a name ends in `bot`: `Googlebot/2.1`, `bingbot;`, `AhrefsBot`, but neither `bottom` nor the Cubot phones.
fn has_bot_word(header: &str) -> bool {
    header.match_indices("bot").any(|(at, _)| {
        let ends = !header[at + 3..].starts_with(|c: char| c.is_ascii_alphabetic());
        ends && !header[..at].ends_with("cu")
    })
}

fn known(name: &str) -> Text {
    if name == "UNKNOWN" { Text::default() } else { Text::new(name) }
}

fn os(header: &str, parsed: &str) -> Text {
    match parsed {
        "iPhone" | "iPod" | "iOS" => Text::const_new("iOS"),
        "iPad" => Text::const_new("iPadOS"),
        "Mac OSX" => Text::const_new("macOS"),
        "UNKNOWN" | "" if header.contains("HarmonyOS") || header.contains("OpenHarmony") => {
            Text::const_new("HarmonyOS")
        }
        "Linux" if header.contains("OpenHarmony") => Text::const_new("HarmonyOS"),
        other => known(other),
    }
}

fn device(header: &str, category: &str, is_bot: bool) -> &'static str {
    let has = |part: &str| header.contains(part);
    if is_bot {
        return "bot";
    }
    // Android says `Mobile` on phones only.
    let tablet = has("iPad") || has("Tablet") || has("Kindle") || has("Silk/") || (has("Android") && !has("Mobile"));
    let television = has("TV") || has("AFTS") || has("BRAVIA") || has("CrKey");
    match category {
        _ if television => "other",
        _ if tablet && !has("Windows NT") => "tablet",
        "smartphone" | "mobilephone" => "mobile",
        "pc" => "desktop",
        _ if has("Mobile") || has("iPhone") || has("Android") || has("[FBAN/") => "mobile",
        _ if has("Windows NT") || has("Macintosh") || has("X11;") => "desktop",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;
