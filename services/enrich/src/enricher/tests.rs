use proptest::prelude::*;
use schemas::{ConversionKind, Event, Key, Order, Page, Position, Session, Utm};

use super::*;

const MINUTE: i64 = 60_000;
const T: i64 = 1_740_268_800_000;
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36";
const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn event(source: Source, minutes: i64, url: &str, referrer: &str) -> IdentifiedEvent {
    let event = Event {
        position: Position { topic_id: uuid::Uuid::nil(), partition: 0, offset: minutes },
        source,
        received_at_ms: T + minutes * MINUTE,
        event_id: Text::from(format!("e{minutes}")),
        event_type: Text::const_new("page_viewed"),
        event_time_ms: T + minutes * MINUTE,
        identifiers: Vec::new(),
        page: Page { url: url.into(), title: String::new(), referrer: referrer.into() },
        utm: Utm::default(),
        user_agent: Text::const_new(CHROME),
        ip: Text::default(),
        order: None,
        spend: None,
        properties: "{}".into(),
    };
    IdentifiedEvent {
        event,
        identifiers: Default::default(),
        identity_key: Key(7),
        generation: 0,
        customer_id: Key(7),
        customer_version: 0,
        anonymous_key: Some(Key(7)),
    }
}

fn web(minutes: i64, url: &str, referrer: &str) -> IdentifiedEvent {
    event(Source::Web, minutes, url, referrer)
}

fn enrich(events: Vec<IdentifiedEvent>) -> Vec<EnrichedEvent> {
    enrich_with(EnrichConfig::default(), events)
}

fn enrich_with(config: EnrichConfig, events: Vec<IdentifiedEvent>) -> Vec<EnrichedEvent> {
    let enricher = Enricher::new(config).unwrap();
    enricher.enrich(events, &mut SessionState::default(), &ConversionDefinitions::default())
}

fn one(event: IdentifiedEvent) -> EnrichedEvent {
    enrich(vec![event]).remove(0)
}

fn touches(events: &[EnrichedEvent]) -> Vec<Option<TouchKind>> {
    events.iter().map(|event| event.touch.map(|touch| touch.kind)).collect()
}

#[test]
fn a_visit_from_a_search_ad() {
    let visit =
        one(web(0, "https://www.Shop.example/a?utm_source=Google&utm_medium=cpc&gclid=X1", "https://www.google.com/"));
    assert_eq!((visit.page_host.as_str(), visit.page_path.as_str()), ("shop.example", "/a"));
    assert_eq!(visit.referrer_host, "google.com");
    assert_eq!((visit.campaign.source.as_str(), visit.campaign.medium.as_str()), ("Google", "cpc"));
    assert_eq!(visit.click_ids, [ClickId { kind: "gclid", value: "X1".into() }]);
    assert_eq!(visit.channel, "Paid Search");
    assert_eq!((visit.agent.browser.as_str(), visit.agent.device, visit.agent.is_bot), ("Chrome", "desktop", false));
    assert_eq!(visit.touch, Some(Touch { kind: TouchKind::SessionStart }));
    assert_ne!(visit.session.unwrap().touch_hash, 0);
    assert_eq!(visit.conversion, None);
}

#[test]
fn own_sites_are_no_referrers() {
    let referrer = |page: &str, referrer: &str, own: &[&str]| {
        let own_hosts = own.iter().map(Text::new).collect();
        let config = EnrichConfig { own_hosts, ..EnrichConfig::default() };
        enrich_with(config, vec![web(0, page, referrer)]).remove(0).referrer_host
    };
    assert_eq!(referrer("https://shop.example/", "https://shop.example/a", &[]), "");
    assert_eq!(referrer("https://m.shop.example/", "https://www.shop.example/a", &[]), "");
    assert_eq!(referrer("https://a.shop.co.uk/", "https://b.shop.co.uk/", &[]), "");
    assert_eq!(referrer("https://a.myshopify.com/", "https://b.myshopify.com/", &[]), "b.myshopify.com");
    assert_eq!(referrer("https://shop.example/", "https://pay.other.example/", &[]), "pay.other.example");
    assert_eq!(referrer("https://shop.example/", "https://pay.other.example/", &["other.example"]), "");
    assert_eq!(referrer("https://shop.example/", "https://www.paypal.com/x", &[]), "");
    assert_eq!(referrer("/relative", "https://blog.example/", &[]), "blog.example");
    assert_eq!(referrer("https://shop.example/", "not a url", &[]), "");
}

#[test]
fn later_pages_of_a_visit_are_no_touches() {
    let pages = enrich(vec![
        web(0, "https://shop.example/?gclid=1", "https://www.google.com/"),
        web(1, "https://shop.example/a", "https://shop.example/?gclid=1"),
        web(2, "https://shop.example/?utm_source=newsletter&utm_medium=email", ""),
        web(90, "https://shop.example/", ""),
    ]);
    use TouchKind::{CampaignChange, SessionStart};
    assert_eq!(touches(&pages), [Some(SessionStart), None, Some(CampaignChange), Some(SessionStart)]);
    let channels: Vec<_> = pages.iter().map(|page| page.channel).collect();
    assert_eq!(channels, ["Paid Search", "Direct", "Email", "Direct"]);
    let sessions: Vec<Session> = pages.iter().filter_map(|page| page.session).collect();
    assert_eq!(sessions[0].id, sessions[2].id);
    assert_ne!(sessions[2].id, sessions[3].id);
}

#[test]
fn bots_make_no_touch_and_have_no_channel() {
    let mut bot = web(0, "https://shop.example/?gclid=1", "https://www.google.com/");
    bot.event.user_agent = BOT.into();
    let bot = one(bot);
    assert!(bot.agent.is_bot);
    assert_eq!((bot.channel, bot.touch, bot.agent.device), ("", None, "bot"));
    assert_eq!(bot.session.unwrap().touch_hash, 0);
    assert_eq!(bot.click_ids.len(), 1, "what it carried is kept");
}

#[test]
fn forms_are_touches_when_they_name_a_campaign() {
    let plain = one(event(Source::Form, 0, "https://shop.example/contact", ""));
    assert_eq!((plain.touch, plain.session, plain.channel), (None, None, "Direct"));
    assert_eq!(plain.conversion, None);
    let mut tagged = event(Source::Form, 0, "https://shop.example/contact?utm_source=ignored&utm_medium=cpc", "");
    tagged.event.utm = Utm { source: "newsletter".into(), medium: "email".into(), ..Utm::default() };
    tagged.event.event_type = "form_submitted".into();
    let tagged = one(tagged);
    assert_eq!(tagged.touch, Some(Touch { kind: TouchKind::Form }));
    assert_eq!((tagged.channel, tagged.session), ("Email", None));
    assert_eq!(tagged.campaign.source, "newsletter");
    assert_eq!(tagged.conversion.unwrap().name, "lead");
}

#[test]
fn other_sources_are_no_visits_but_may_convert() {
    for (source, event_type, name, kind) in [
        (Source::Pos, "sale", "sale", ConversionKind::Conversion),
        (Source::Pos, "refund", "sale", ConversionKind::Refund),
        (Source::Crm, "won", "won", ConversionKind::Conversion),
    ] {
        let mut record = event(source, 0, "", "");
        record.event.event_type = event_type.into();
        record.event.order = Some(Order { order_id: "o".into(), value_minor: 1, currency: "USD".into() });
        record.event.user_agent = Text::default();
        let record = one(record);
        assert_eq!((record.channel, record.touch, record.session), ("", None, None));
        assert_eq!((record.agent.device, record.agent.is_bot), ("", false));
        let conversion = record.conversion.unwrap();
        assert_eq!((conversion.name.as_str(), conversion.kind), (name, kind));
    }
    let spend = one(event(Source::AdSpend, 0, "", ""));
    assert_eq!((spend.channel, spend.touch, spend.session, spend.conversion), ("", None, None, None));
}

#[test]
fn web_events_without_an_anonymous_id_have_no_session() {
    let mut page = web(0, "https://shop.example/?gclid=1", "");
    page.anonymous_key = None;
    let page = one(page);
    assert_eq!((page.session, page.touch, page.channel), (None, None, "Paid Search"));
}

#[test]
fn campaigns_differ_in_every_field() {
    let hash = |query: &str| one(web(0, &format!("https://shop.example/?{query}"), "")).session.unwrap().touch_hash;
    let queries =
        ["utm_source=a", "utm_medium=a", "utm_source=a&utm_medium=b", "utm_source=ab", "gclid=a", "dclid=a", "gclid=b"];
    for (index, query) in queries.iter().enumerate() {
        for other in &queries[..index] {
            assert_ne!(hash(query), hash(other), "{query} and {other}");
        }
    }
    assert_eq!(hash(""), 0);
    assert_eq!(hash("utm_source=a"), 2_931_483_571_489_322_960, "stored: it must never change");
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let error = |text: &str| Enricher::new(toml::from_str(text).unwrap()).unwrap_err().to_string();
    assert_eq!(
        error("own_hosts = [\"https://shop.example\"]"),
        "`https://shop.example` in own_hosts is no host: write it without scheme, port and path"
    );
    assert_eq!(error("[sessions]\ninactivity_minutes = 0"), "inactivity_minutes must be at least 1");
    assert_eq!(
        error("[sessions]\ninactivity_minutes = 90\nhorizon_hours = 1"),
        "horizon_hours must be no shorter than inactivity_minutes"
    );
    assert!(toml::from_str::<EnrichConfig>("own_host = []").is_err());
    assert!(toml::from_str::<EnrichConfig>("[sessions]\nminutes = 3").is_err());
    assert!(Enricher::new(toml::from_str("own_hosts = [\"www.Shop.example\", \"localhost\"]").unwrap()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// How a partition is cut into batches changes nothing.
    #[test]
    fn batches_can_be_cut_anywhere(steps in prop::collection::vec((0..50i64, 0..6usize, any::<bool>()), 0..30), size in 1..9usize) {
        let urls = ["", "?gclid=1", "?utm_source=a", "?utm_source=a&utm_medium=cpc", "?fbclid=2", "#utm_source=b"];
        let mut minutes = 0;
        let events: Vec<IdentifiedEvent> = steps
            .iter()
            .map(|(wait, url, form)| {
                minutes += wait;
                let source = if *form { Source::Form } else { Source::Web };
                event(source, minutes, &format!("https://shop.example/{}", urls[*url]), "https://t.co/x")
            })
            .collect();
        let enricher = Enricher::new(EnrichConfig::default()).unwrap();
        let conversions = ConversionDefinitions::default();
        let whole = enricher.enrich(events.clone(), &mut SessionState::default(), &conversions);
        let mut state = SessionState::default();
        let parts: Vec<EnrichedEvent> =
            events.chunks(size).flat_map(|batch| enricher.enrich(batch.to_vec(), &mut state, &conversions)).collect();
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn nothing_panics(url in "\\PC*", referrer in "\\PC*", agent in "\\PC*", source in "\\PC*", time in any::<i64>()) {
        let mut event = web(0, &url, &referrer);
        event.event.user_agent = agent.into();
        event.event.utm.source = source.into();
        event.event.event_time_ms = time;
        one(event);
    }
}
