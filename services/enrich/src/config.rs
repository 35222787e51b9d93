use schemas::Text;
use serde::{Deserialize, Serialize};

use crate::{ChannelTable, ClickIdRule, EnrichError, SourceTable};

/// What can be configured: additions to the built-in tables, the shop's own hosts, and sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnrichConfig {
    /// Hosts that belong to the shop, with their subdomains. A referrer among them says nothing. The registrable domain
    /// of the page itself is always own.
    pub own_hosts: Vec<Text>,
    /// Hosts that people only pass through (payment, sign-in), with their subdomains: as referrers they say nothing.
    pub ignored_referrers: Vec<Text>,
    /// Values of campaign fields and click ids that stand for "nothing", besides the empty one; case does not matter.
    pub absent_values: Vec<Text>,
    /// Longest campaign value kept, in bytes; longer ones are cut.
    pub max_campaign_bytes: usize,
    /// Longest click id kept, in bytes; a longer one is left out, because a cut one is worth nothing.
    pub max_click_id_bytes: usize,
    /// Click ids besides the built-in ones; a built-in one of the same name is replaced.
    pub click_ids: Vec<ClickIdRule>,
    /// Names of built-in click ids that are no click ids here.
    pub ignored_click_ids: Vec<Text>,
    /// Sources besides the built-in ones; these win.
    pub sources: SourceTable,
    /// Channel rules that come before the built-in ones, and their patterns.
    pub channels: ChannelTable,
    /// Parts of User-Agent headers of automated clients, besides the built-in ones; case does not matter.
    pub bots: Vec<Text>,
    /// Sessions.
    pub sessions: SessionConfig,
}

impl Default for EnrichConfig {
    fn default() -> Self {
        let texts = |values: &[&str]| values.iter().map(Text::new).collect();
        EnrichConfig {
            own_hosts: Vec::new(),
            ignored_referrers: texts(&[
                "accounts.google.com",
                "appleid.apple.com",
                "login.microsoftonline.com",
                "checkout.stripe.com",
                "hooks.stripe.com",
                "pay.google.com",
                "paypal.com",
                "klarna.com",
                "adyen.com",
                "alipay.com",
                "wx.tenpay.com",
                "unionpay.com",
            ]),
            absent_values: texts(&["null", "undefined", "(not set)", "nan"]),
            max_campaign_bytes: 512,
            max_click_id_bytes: 1024,
            click_ids: Vec::new(),
            ignored_click_ids: Vec::new(),
            sources: SourceTable::default(),
            channels: ChannelTable::default(),
            bots: Vec::new(),
            sessions: SessionConfig::default(),
        }
    }
}

/// When a visit ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A visit ends when nothing happens for longer than this, by event time.
    pub inactivity_minutes: u32,
    /// Whether a new campaign inside a visit starts a new one, instead of only being a new touch.
    pub split_on_campaign: bool,
    /// A visitor is forgotten this long after the broker received the last event, by append time.
    pub horizon_hours: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig { inactivity_minutes: 30, split_on_campaign: false, horizon_hours: 24 }
    }
}

impl SessionConfig {
    pub(crate) fn check(&self) -> Result<(), EnrichError> {
        if self.inactivity_minutes == 0 {
            return Err(EnrichError::Duration { key: "inactivity_minutes", expected: "at least 1" });
        }
        if self.horizon_ms() < self.inactivity_ms() {
            let expected = "no shorter than inactivity_minutes";
            return Err(EnrichError::Duration { key: "horizon_hours", expected });
        }
        Ok(())
    }

    pub(crate) fn inactivity_ms(&self) -> i64 {
        i64::from(self.inactivity_minutes) * 60_000
    }

    /// How far back, by append time, a rebuilt owner of a partition must read stored sessions.
    pub fn horizon_ms(&self) -> i64 {
        i64::from(self.horizon_hours) * 3_600_000
    }
}
