//! Which column is what: by its name first, then by its values.

use schemas::Source;
use std::collections::BTreeMap;

use super::profile::Profile;
use crate::import::apply::snake_case;
use crate::import::wire::{self, Kind};

/// What is proposed.
pub(super) struct Proposal {
    pub(super) source: Source,
    /// Wire field → indexes of profiles, alternatives in order.
    pub(super) fields: BTreeMap<String, Vec<usize>>,
    /// The column that says what happened.
    pub(super) event: Option<usize>,
    /// Names in that column → what they become.
    pub(super) names: Vec<(String, String)>,
    pub(super) time_format: Option<&'static str>,
    pub(super) decimal: char,
}

/// Names by which exports call a field; compared in lower case without separators. The wire field's own name counts
/// as well.
const SYNONYMS: &[(&str, &[&str])] = &[
    (
        "event_time",
        &[
            "timestamp",
            "time",
            "eventtime",
            "datetime",
            "date",
            "createdat",
            "occurredat",
            "ts",
            "orderdate",
            "submittedat",
            "transactiondate",
            "transactiontime",
            "updatedat",
        ],
    ),
    ("event_id", &["eventid", "messageid", "hitid"]),
    (
        "anonymous_id",
        &["clientid", "anonymousid", "visitorid", "cookieid", "deviceid", "gaclientid", "anonid", "distinctid"],
    ),
    ("user_id", &["userid", "accountid", "customerid", "uid"]),
    ("email", &["email", "useremail", "customeremail", "emailaddress", "mail", "emailhash", "contactemail"]),
    ("phone", &["phone", "phonenumber", "mobile", "mobilephone", "tel", "telephone", "contactphone"]),
    ("loyalty_id", &["loyaltyid", "cardnumber", "cardno", "loyaltycard", "membershipnumber", "memberno", "memberid"]),
    ("crm_id", &["crmid", "contactid"]),
    ("page.url", &["pageurl", "url", "pagelocation", "landingpage", "currenturl"]),
    ("page.title", &["pagetitle", "title"]),
    ("page.referrer", &["referrer", "referer", "pagereferrer"]),
    ("utm.id", &["utmid"]),
    ("utm.source", &["utmsource"]),
    ("utm.medium", &["utmmedium"]),
    ("utm.campaign", &["utmcampaign"]),
    ("utm.term", &["utmterm"]),
    ("utm.content", &["utmcontent"]),
    ("user_agent", &["useragent", "ua", "browser"]),
    ("ip", &["ip", "ipaddress", "clientip"]),
    ("order.order_id", &["transactionid", "orderid", "ordernumber", "orderno"]),
    ("order.value", &["revenue", "ordervalue", "ordertotal", "total", "amount", "grandtotal", "value"]),
    ("order.currency", &["currency", "currencycode"]),
    ("transaction_id", &["transactionid", "receiptid", "receiptno", "receiptnumber", "orderid", "bonid"]),
    ("value", &["value", "amount", "total", "revenue", "dollars", "euros", "price", "sum", "grandtotal", "dealvalue"]),
    ("currency", &["currency", "currencycode"]),
    ("store_id", &["storeid", "store", "shop", "shopid", "branch", "till"]),
    ("form_id", &["formid", "formname", "form"]),
    ("ticket_id", &["ticketid", "ticket", "caseid", "casenumber"]),
    ("channel", &["channel", "via"]),
    ("subject", &["subject"]),
    ("requester.email", &["requesteremail", "email", "customeremail"]),
    ("requester.phone", &["requesterphone", "phone", "customerphone"]),
    ("requester.name", &["requestername", "name", "customername"]),
    ("lead_id", &["leadid", "lead", "dealid"]),
    ("opportunity_id", &["opportunityid", "opportunity"]),
    ("reason", &["reason", "lostreason"]),
    ("day", &["day", "date", "reportdate"]),
    ("platform", &["platform", "network"]),
    ("campaign_id", &["campaignid"]),
    ("campaign", &["campaign", "campaignname"]),
    ("utm_source", &["utmsource"]),
    ("utm_medium", &["utmmedium"]),
    ("cost", &["cost", "spend", "amountspent"]),
    ("impressions", &["impressions", "impr", "views"]),
    ("clicks", &["clicks", "linkclicks"]),
];

/// Names of the column that says what happened.
const EVENT_NAMES: [&str; 9] =
    ["eventname", "event", "eventtype", "action", "activity", "type", "stage", "status", "transactiontype"];

/// Columns that give a source away, with their weight.
const TELLTALES: &[(Source, &[&str])] = &[
    (Source::Web, &["pageurl", "pagelocation", "referrer", "useragent", "sessionid", "clientid"]),
    (Source::Form, &["formid", "formname", "form", "submittedat", "gdpr", "consent"]),
    (Source::Pos, &["storeid", "store", "till", "receiptid", "receiptno", "sku", "cardnumber", "loyaltyid", "cashier"]),
    (Source::Support, &["ticketid", "ticket", "caseid", "agent", "requesteremail", "requester", "priority"]),
    (Source::Crm, &["leadid", "stage", "opportunityid", "pipeline", "dealid", "owner"]),
    (Source::AdSpend, &["impressions", "clicks", "spend", "cost", "ctr", "cpc"]),
];

/// What common exports call the events that mean something to the pipeline.
const EVENTS: &[(&str, &[&str])] = &[
    ("page_viewed", &["pageview", "pageviewed", "view", "screenview"]),
    ("order_completed", &["purchase", "checkoutcompleted", "ordercompleted", "transaction", "orderplaced"]),
    ("order_refunded", &["refund", "orderrefunded"]),
    ("form_submitted", &["formsubmit", "formsubmitted", "generatelead", "leadsubmitted"]),
    ("product_added_to_cart", &["addtocart", "productaddedtocart", "productadded"]),
    ("checkout_started", &["begincheckout", "checkoutstarted"]),
];

impl Proposal {
    /// Guesses from what was seen.
    pub(super) fn new(profiles: &[Profile]) -> Self {
        let source = source(profiles);
        let event = wire::event_field(source).and_then(|_| event_column(profiles));
        let mut fields = fields(source, profiles, event);
        let time = wire::time_field(source);
        if !fields.contains_key(time) {
            let by_value =
                profiles.iter().position(|profile| profile.time_format.is_some() && looks_like_dates(profile));
            fields.extend(by_value.map(|at| (time.to_owned(), vec![at])));
        }
        let of_time = fields.get(time).and_then(|found| profiles[found[0]].time_format);
        let money = wire::fields(source).find(|(_, kind)| *kind == Kind::Money).and_then(|(path, _)| fields.get(path));
        let decimal = money.and_then(|found| profiles[found[0]].decimal).unwrap_or('.');
        let names = event.map(|at| names(&profiles[at])).unwrap_or_default();
        Proposal { source, fields, event, names, time_format: of_time, decimal }
    }

    /// Whether a column is proposed for anything.
    pub(super) fn uses(&self, at: usize) -> bool {
        self.event == Some(at) || self.fields.values().any(|used| used.contains(&at))
    }
}

fn fold(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The name of a column, and of a place inside one without the column's name.
fn names_of(profile: &Profile) -> [String; 2] {
    let inner = profile.path.rsplit('.').next().unwrap_or(&profile.path);
    [fold(&profile.path), fold(inner)]
}

fn source(profiles: &[Profile]) -> Source {
    let score = |telltales: &[&str]| {
        profiles
            .iter()
            .filter(|profile| names_of(profile).iter().any(|name| telltales.contains(&name.as_str())))
            .count()
    };
    let by_columns = TELLTALES.iter().map(|(source, names)| (score(names), *source)).filter(|(score, _)| *score > 0);
    // The first of equals: web before the others.
    let best = by_columns.rev().max_by_key(|(score, _)| *score);
    let headerless_till = || profiles.iter().any(|profile| profile.path.starts_with("column_"));
    best.map_or_else(
        || {
            if headerless_till() { Source::Pos } else { Source::Web }
        },
        |(_, source)| source,
    )
}

fn event_column(profiles: &[Profile]) -> Option<usize> {
    let named = |wanted: &str| {
        profiles.iter().position(|profile| names_of(profile)[0] == wanted && profile.few_values() && !profile.nested)
    };
    EVENT_NAMES.iter().find_map(|wanted| named(wanted))
}

fn fields(source: Source, profiles: &[Profile], event: Option<usize>) -> BTreeMap<String, Vec<usize>> {
    let mut fields = BTreeMap::new();
    let mut used: Vec<usize> = event.into_iter().collect();
    for (path, kind) in wire::fields(source) {
        let own = fold(path);
        let synonyms = SYNONYMS.iter().find(|(field, _)| *field == path).map_or(&[][..], |(_, names)| names);
        let mut found = Vec::new();
        for wanted in std::iter::once(own.as_str()).chain(synonyms.iter().copied()) {
            for (at, profile) in profiles.iter().enumerate() {
                let fits = match kind {
                    Kind::Time | Kind::Day => profile.time_format.is_some(),
                    Kind::Money | Kind::Count => profile.decimal.is_some(),
                    Kind::Text => !profile.nested,
                };
                if fits && !used.contains(&at) && names_of(profile).iter().any(|name| name == wanted) {
                    found.push(at);
                    used.push(at);
                }
            }
        }
        // Two columns of one name at different depths are alternatives of identifiers only; a second amount or time is
        // another thing.
        if kind != Kind::Text {
            used.retain(|at| !found.iter().skip(1).any(|surplus| surplus == at));
            found.truncate(1);
        }
        if !found.is_empty() {
            fields.insert(path.to_owned(), found);
        }
    }
    fields
}

/// A number may be epoch seconds by accident; a date has separators or eight digits.
fn looks_like_dates(profile: &Profile) -> bool {
    profile.distinct.iter().all(|text| text.len() >= 8 && text.bytes().filter(u8::is_ascii_digit).count() >= 6)
}

fn names(profile: &Profile) -> Vec<(String, String)> {
    let canonical = |name: &str| {
        let folded = fold(name);
        let known = EVENTS.iter().find(|(_, names)| names.contains(&folded.as_str())).map(|(event, _)| *event);
        known.map_or_else(|| snake_case(name), str::to_owned)
    };
    profile.distinct.iter().map(|name| (name.clone(), canonical(name))).collect()
}
