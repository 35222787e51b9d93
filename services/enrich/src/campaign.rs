use schemas::{Campaign, ClickId, Text, Utm};
use smallvec::SmallVec;
use std::borrow::Cow;

use crate::click::{ClickIds, ClickIndex};
use crate::url::Url;
use crate::{EnrichConfig, EnrichError};

/// Reads campaign fields and click ids.
#[derive(Debug)]
pub(crate) struct Campaigns {
    pub(crate) click_ids: ClickIds,
    absent_values: Vec<Text>,
    max_campaign_bytes: usize,
    max_click_id_bytes: usize,
}

/// Click ids found, by place in the table.
type Found<'a> = SmallVec<[(ClickIndex, &'a str); 4]>;

impl Campaigns {
    pub(crate) fn new(config: &EnrichConfig) -> Result<Campaigns, EnrichError> {
        Ok(Campaigns {
            click_ids: ClickIds::new(config)?,
            absent_values: config.absent_values.clone(),
            max_campaign_bytes: config.max_campaign_bytes,
            max_click_id_bytes: config.max_click_id_bytes,
        })
    }

    /// The campaign and the click ids of an event: `explicit` fields (a form's hidden ones) win over the page's URL,
    /// the URL's query over its fragment, the first of repeated parameters over the others.
    pub(crate) fn read(&self, explicit: &Utm, url: &Url<'_>) -> (Campaign, Vec<ClickId>) {
        let mut from_url = Campaign::default();
        let mut found = Found::new();
        self.scan(url.query, &mut from_url, &mut found);
        // Pages that are one program keep their parameters behind the hash: `#utm_source=…` or `#/path?utm_source=…`.
        let fragment = url.fragment.split_once('?').map_or(url.fragment, |(_, query)| query);
        self.scan(fragment, &mut from_url, &mut found);
        found.sort_by_key(|(index, _)| *index);
        let click_ids = found
            .into_iter()
            .map(|(index, value)| ClickId { kind: self.click_ids.kind(index).name, value: Text::new(value) })
            .collect();
        (merge(self.clean(explicit), from_url), click_ids)
    }

    fn scan<'a>(&self, query: &'a str, campaign: &mut Campaign, found: &mut Found<'a>) {
        if !query.contains('=') {
            return;
        }
        for pair in query.split('&') {
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            // `&amp;` left over from HTML, and the question mark of an address with two of them.
            let key = key.strip_prefix("amp;").unwrap_or(key);
            let key = key.strip_prefix('?').unwrap_or(key);
            if let Some(field) = utm_field(campaign, key) {
                if field.is_empty() {
                    *field = self.clean_value(&decode(value));
                }
            } else if let Some(index) = self.click_ids.find(key) {
                let value = value.trim();
                let known = found.iter().any(|(other, _)| *other == index);
                if !known && value.len() <= self.max_click_id_bytes && !self.is_absent(value) {
                    found.push((index, value));
                }
            }
        }
    }

    /// Explicit fields are text as typed into a form, not parts of a URL: cleaned, not decoded.
    fn clean(&self, utm: &Utm) -> Campaign {
        Campaign {
            id: self.clean_value(&utm.id),
            source: self.clean_value(&utm.source),
            medium: self.clean_value(&utm.medium),
            campaign: self.clean_value(&utm.campaign),
            term: self.clean_value(&utm.term),
            content: self.clean_value(&utm.content),
            source_platform: self.clean_value(&utm.source_platform),
        }
    }

    fn clean_value(&self, value: &str) -> Text {
        let value = value.trim();
        if self.is_absent(value) {
            return Text::default();
        }
        Text::new(&value[..value.floor_char_boundary(self.max_campaign_bytes)])
    }

    fn is_absent(&self, value: &str) -> bool {
        value.is_empty()
            || is_macro(value)
            || self.absent_values.iter().any(|absent| value.eq_ignore_ascii_case(absent))
    }
}

/// Whether nothing says that the visit was led here.
pub(crate) fn is_empty(campaign: &Campaign) -> bool {
    *campaign == Campaign::default()
}

/// The field that a `utm_*` parameter names; case does not matter.
fn utm_field<'a>(campaign: &'a mut Campaign, key: &str) -> Option<&'a mut Text> {
    let (prefix, name) = key.split_at_checked(4)?;
    if !prefix.eq_ignore_ascii_case("utm_") {
        return None;
    }
    let fields = [
        ("source", &mut campaign.source),
        ("medium", &mut campaign.medium),
        ("campaign", &mut campaign.campaign),
        ("term", &mut campaign.term),
        ("content", &mut campaign.content),
        ("id", &mut campaign.id),
        ("source_platform", &mut campaign.source_platform),
    ];
    fields.into_iter().find(|(field, _)| name.eq_ignore_ascii_case(field)).map(|(_, field)| field)
}

/// Fills the explicit fields up from the URL, unless the two speak of different campaigns: half of one campaign and half
/// of another would be a third one that nobody runs.
fn merge(explicit: Campaign, url: Campaign) -> Campaign {
    let differ = |a: &Text, b: &Text| !a.is_empty() && !b.is_empty() && a != b;
    let contradicts = differ(&explicit.source, &url.source)
        || differ(&explicit.medium, &url.medium)
        || differ(&explicit.campaign, &url.campaign)
        || differ(&explicit.id, &url.id);
    if contradicts || is_empty(&url) {
        return explicit;
    }
    let or = |a: Text, b: Text| if a.is_empty() { b } else { a };
    Campaign {
        id: or(explicit.id, url.id),
        source: or(explicit.source, url.source),
        medium: or(explicit.medium, url.medium),
        campaign: or(explicit.campaign, url.campaign),
        term: or(explicit.term, url.term),
        content: or(explicit.content, url.content),
        source_platform: or(explicit.source_platform, url.source_platform),
    }
}

/// Whether the whole value is a placeholder that an ad platform should have replaced: `{campaignid}`, `{{ad.name}}`,
/// `${x}`, `__AID__`, `%%SITE%%`, and the first ones still percent-encoded.
fn is_macro(value: &str) -> bool {
    let bytes = value.as_bytes();
    match bytes {
        [b'{', .., b'}'] | [b'$', b'{', .., b'}'] => true,
        [b'_', b'_', inner @ .., b'_', b'_'] => {
            !inner.is_empty() && inner.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        }
        [b'%', b'%', inner @ .., b'%', b'%'] => !inner.is_empty(),
        [b'%', b'7', b'b' | b'B', .., b'%', b'7', b'd' | b'D'] => true,
        _ => false,
    }
}

/// Percent- and plus-decoding as in a form: what cannot be decoded stays as it is.
fn decode(value: &str) -> Cow<'_, str> {
    if !value.contains(['%', '+']) {
        return Cow::Borrowed(value);
    }
    let bytes = value.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1).zip(bytes.get(at + 2));
        match (bytes[at], pair.and_then(|(&high, &low)| Some((hex(high)?, hex(low)?)))) {
            (b'%', Some((high, low))) => {
                decoded.push(high * 16 + low);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
