use schemas::conversions::ConversionDefinitions;
use schemas::{Agent, Campaign, ClickId, EnrichedEvent, IdentifiedEvent, Source, Text, Touch, TouchKind};

use crate::agent::Agents;
use crate::campaign::{self, Campaigns};
use crate::channel::Channels;
use crate::session::Visit;
use crate::sources::Sources;
use crate::traffic::Traffic;
use crate::url::Url;
use crate::{EnrichConfig, EnrichError, SessionConfig, SessionState, host};

/// The tables, ready to use; one for all partitions.
#[derive(Debug)]
pub struct Enricher {
    campaigns: Campaigns,
    traffic: Traffic,
    agents: Agents,
    own_hosts: Vec<Text>,
    ignored_referrers: Vec<Text>,
    sessions: SessionConfig,
}

impl Enricher {
    /// Reads the built-in tables and the configured additions.
    pub fn new(config: EnrichConfig) -> Result<Enricher, EnrichError> {
        config.sessions.check()?;
        Ok(Enricher {
            campaigns: Campaigns::new(&config)?,
            traffic: Traffic { sources: Sources::new(&config.sources)?, channels: Channels::new(&config.channels)? },
            agents: Agents::new(&config),
            own_hosts: hosts(&config.own_hosts, "own_hosts")?,
            ignored_referrers: hosts(&config.ignored_referrers, "ignored_referrers")?,
            sessions: config.sessions,
        })
    }

    /// Enriches one partition's events, which must come in the order of the log: `sessions` is that partition's, and
    /// stands after them when this returns. Other sources than the web leave it alone.
    pub fn enrich(
        &self,
        events: Vec<IdentifiedEvent>,
        sessions: &mut SessionState,
        conversions: &ConversionDefinitions,
    ) -> Vec<EnrichedEvent> {
        let headers = events.iter().map(|identified| identified.event.user_agent.as_str());
        let agents = self.agents.read_all(headers);
        events
            .into_iter()
            .zip(agents)
            .map(|(identified, agent)| self.enrich_one(identified, agent, sessions, conversions))
            .collect()
    }

    fn enrich_one(
        &self,
        identified: IdentifiedEvent,
        agent: Agent,
        sessions: &mut SessionState,
        conversions: &ConversionDefinitions,
    ) -> EnrichedEvent {
        let event = &identified.event;
        let url = Url::parse(&event.page.url);
        let (campaign, click_ids) = self.campaigns.read(&event.utm, &url);
        let referrer_host = self.referrer_host(&event.page.referrer, &url.host);
        let is_visit = matches!(event.source, Source::Web | Source::Form) && !agent.is_bot;
        let channel = match is_visit {
            true => self.traffic.channel(&campaign, &click_ids, &referrer_host, &self.campaigns.click_ids),
            false => "",
        };
        let campaign_hash = campaign_hash(&campaign, &click_ids).filter(|_| is_visit);
        let visit = identified.anonymous_key.filter(|_| event.source == Source::Web).map(|anonymous_key| Visit {
            anonymous_key,
            event_id: &event.event_id,
            event_time_ms: event.event_time_ms,
            append_time_ms: event.received_at_ms,
            campaign_hash,
        });
        let (session, touch) = match visit.map(|visit| sessions.advance(&visit, &self.sessions)) {
            Some((session, touch)) => (Some(session), touch),
            None => (None, (event.source == Source::Form && campaign_hash.is_some()).then_some(TouchKind::Form)),
        };
        EnrichedEvent {
            page_path: Text::new(url.path),
            page_host: url.host,
            referrer_host,
            campaign,
            click_ids,
            channel,
            touch: touch.filter(|_| is_visit).map(|kind| Touch { kind }),
            conversion: conversions.find(event.source, &event.event_type),
            agent,
            session,
            identified,
        }
    }

    /// The referrer's host, unless it is the shop itself or a place that people only pass through.
    fn referrer_host(&self, referrer: &str, page_host: &str) -> Text {
        if referrer.is_empty() {
            return Text::default();
        }
        let host = Url::parse(referrer).host;
        let among = |hosts: &[Text]| hosts.iter().any(|own| host::is_under(&host, own));
        let same_site = !page_host.is_empty() && host::registrable(&host) == host::registrable(page_host);
        if same_site || among(&self.own_hosts) || among(&self.ignored_referrers) { Text::default() } else { host }
    }
}

/// Hash of everything that tells one campaign from another; never 0, which stands for "no campaign".
fn campaign_hash(campaign: &Campaign, click_ids: &[ClickId]) -> Option<u64> {
    if click_ids.is_empty() && campaign::is_empty(campaign) {
        return None;
    }
    let Campaign { id, source, medium, campaign, term, content, source_platform } = campaign;
    let fields = [id, source, medium, campaign, term, content, source_platform].map(Text::as_str);
    let clicks = click_ids.iter().flat_map(|click| [click.kind, click.value.as_str()]);
    let mut hasher = blake3::Hasher::new();
    for part in fields.into_iter().chain(clicks) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    Some(u64::from_le_bytes(bytes).max(1))
}

fn hosts(configured: &[Text], place: &'static str) -> Result<Vec<Text>, EnrichError> {
    configured
        .iter()
        .map(|entry| {
            let host = Url::parse(entry).host;
            let plain = host.eq_ignore_ascii_case(entry) || format!("www.{host}").eq_ignore_ascii_case(entry);
            if host.is_empty() || !plain {
                Err(EnrichError::Host { entry: entry.to_string(), place })
            } else {
                Ok(host)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
