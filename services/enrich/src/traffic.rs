use schemas::{Campaign, ClickId, Text};

use crate::channel::{Channels, DIRECT, UNASSIGNED, Visit};
use crate::click::{ClickIds, ClickKind};
use crate::sources::{Category, Sources};

/// Stands for a source or medium that a tagged visit does not name.
const NOT_SET: &str = "(not set)";

/// The tables that say which channel a visit came through.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) sources: Sources,
    pub(crate) channels: Channels,
}

/// Source and medium, in lower case.
struct Origin {
    source: Text,
    medium: Text,
}

impl Traffic {
    /// The channel of a visit. Tags say most, then click ids, then the referrer: each fills in what the ones before it
    /// left open. A visit whose tags fit no channel gets that of its click id.
    pub(crate) fn channel(
        &self,
        campaign: &Campaign,
        click_ids: &[ClickId],
        referrer_host: &str,
        table: &ClickIds,
    ) -> &'static str {
        let click = click_ids.iter().find_map(|id| table.named(id.kind).filter(|kind| !kind.medium.is_empty()));
        let tagged =
            [&campaign.source, &campaign.medium, &campaign.campaign, &campaign.id].iter().any(|f| !f.is_empty());
        if !tagged && click.is_none() && referrer_host.is_empty() {
            return DIRECT;
        }
        let led = click.map(|kind| self.clicked(kind, referrer_host)).or_else(|| self.referred(referrer_host));
        let name = campaign.campaign.to_lowercase();
        if !tagged {
            return led.map_or(DIRECT, |origin| self.find(&origin, &name));
        }
        let channel = self.find(&self.tagged(campaign, led.as_ref(), click.is_some()), &name);
        match led.filter(|_| click.is_some()) {
            Some(origin) if channel == UNASSIGNED => self.find(&origin, &name),
            _ => channel,
        }
    }

    fn find(&self, origin: &Origin, campaign: &str) -> &'static str {
        let category = self.sources.by_value(&origin.source).map(|source| source.category);
        self.channels.find(Visit { category, source: &origin.source, medium: &origin.medium, campaign })
    }

    /// What the tags say, filled up from click id or referrer.
    fn tagged(&self, campaign: &Campaign, led: Option<&Origin>, clicked: bool) -> Origin {
        let not_set = || Text::const_new(NOT_SET);
        let source = campaign.source.to_lowercase();
        let medium = campaign.medium.to_lowercase();
        // Of a source that is tagged, only a click id can say the medium: a referrer says it of itself.
        let medium = match led {
            Some(led) if medium.is_empty() && (clicked || source.is_empty()) => led.medium.clone(),
            _ if medium.is_empty() => not_set(),
            _ => medium,
        };
        let source = match led {
            Some(led) if source.is_empty() => led.source.clone(),
            _ if source.is_empty() => not_set(),
            _ => source,
        };
        Origin { source, medium }
    }

    /// What a click id says. The referrer is asked where the id does not name the platform, and where it names another
    /// site of the same kind (a click on Instagram carries Facebook's id).
    fn clicked(&self, kind: &ClickKind, referrer_host: &str) -> Origin {
        let referrer = self.sources.by_host(referrer_host);
        let category = self.sources.by_value(&kind.source).map(|source| source.category);
        let source = match referrer {
            Some(referrer) if kind.source.is_empty() || category == Some(referrer.category) => {
                Text::const_new(referrer.name)
            }
            _ if kind.source.is_empty() => Text::const_new(NOT_SET),
            _ => kind.source.clone(),
        };
        Origin { source, medium: kind.medium.clone() }
    }

    /// What a referrer says.
    fn referred(&self, host: &str) -> Option<Origin> {
        if host.is_empty() {
            return None;
        }
        let medium = match self.sources.by_host(host).map(|source| source.category) {
            Some(Category::Search) => "organic",
            Some(Category::Assistant) => "ai-assistant",
            _ => "referral",
        };
        Some(Origin { source: Text::new(host), medium: Text::const_new(medium) })
    }
}
