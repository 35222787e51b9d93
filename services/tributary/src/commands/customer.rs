//! `tributary customer`: a raw e-mail, phone number or id to a person and everything they did.

use anyhow::Context;
use comfy_table::{ContentArrangement, Row, Table};
use identity::generation_key;
use schemas::Key;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write;
use store::Store;
use uuid::Uuid;

use super::config::hasher;
use super::sql::width;
use crate::cli::CustomerArgs;
use crate::config::Config;

/// Generations of an identifier that are looked for: what it was before it changed hands is another customer's past.
const GENERATIONS: u8 = 8;

/// Between a type and the number of its identifier's generation.
const GENERATION: &str = ", generation ";

/// A row of an answer.
type Record = Map<String, Value>;

/// Everything that is shown of one customer.
#[derive(Debug, Serialize)]
struct Customer {
    customer_id: Uuid,
    /// Which kind of identifier the value was found as.
    found_as: Vec<String>,
    identifiers: Vec<Record>,
    seen: Record,
    conversions: Vec<Record>,
    revenue: Vec<Record>,
    attribution: Vec<Record>,
    timeline: Vec<Record>,
}

/// Finds and prints.
pub(super) async fn run(config: Config, args: CustomerArgs) -> anyhow::Result<()> {
    let candidates = candidates(&config, &args)?;
    let store = Store::connect(&config.clickhouse).await?;
    let mut customers = Vec::new();
    for (customer_id, found_as) in find(&store, &candidates).await? {
        customers.push(load(&store, customer_id, found_as, args.limit).await?);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&customers)?)?;
        return Ok(());
    }
    anyhow::ensure!(!customers.is_empty(), "nobody is known by this value ({})", tried(&candidates));
    if customers.len() > 1 {
        writeln!(out, "{} customers are known by this value; --type tells them apart\n", customers.len())?;
    }
    for customer in &customers {
        write!(out, "{}", render(customer))?;
    }
    Ok(())
}

/// A key that the value may stand for, and as what.
struct Candidate {
    kind: String,
    key: Key,
}

fn tried(candidates: &[Candidate]) -> String {
    let firsts = candidates.iter().filter(|candidate| !candidate.kind.contains(GENERATION));
    let kinds: Vec<&str> = firsts.map(|candidate| candidate.kind.as_str()).collect();
    if kinds.is_empty() { "it is no usable identifier".to_owned() } else { format!("tried as {}", kinds.join(", ")) }
}

/// The keys under every identifier type, or under the named one; a UUID may also be an id that we printed ourselves.
fn candidates(config: &Config, args: &CustomerArgs) -> anyhow::Result<Vec<Candidate>> {
    let hasher = hasher(config)?;
    let names: Vec<&str> = hasher.rules().types.iter().map(|rule| rule.name.as_str()).collect();
    if let Some(kind) = &args.kind {
        anyhow::ensure!(names.contains(&kind.as_str()), "no identifier type `{kind}`; there are {}", names.join(", "));
    }
    let wanted = names.iter().filter(|name| args.kind.as_deref().is_none_or(|kind| kind == **name));
    let mut candidates: Vec<Candidate> = wanted
        .filter_map(|name| Some((name, hasher.key(name, &args.value)?.key)))
        .flat_map(|(name, key)| {
            let later = (1..=GENERATIONS).map(move |generation| Candidate {
                kind: format!("{name}{GENERATION}{generation}"),
                key: generation_key(key, generation),
            });
            std::iter::once(Candidate { kind: (*name).to_owned(), key }).chain(later)
        })
        .collect();
    if let (None, Ok(id)) = (&args.kind, Uuid::parse_str(args.value.trim())) {
        candidates.push(Candidate { kind: "customer id".to_owned(), key: Key(id.as_u128()) });
    }
    Ok(candidates)
}

/// Customers by the candidates that are known at all.
async fn find(store: &Store, candidates: &[Candidate]) -> anyhow::Result<Vec<(Uuid, Vec<String>)>> {
    let keys = array(candidates.iter().map(|candidate| candidate.key.uuid()));
    // An identifier that was never linked is in no map: it is its own customer.
    let sql = "SELECT known.key AS key, if(m.customer_id = toUUID('00000000-0000-0000-0000-000000000000'), known.key, m.customer_id) AS customer_id \
        FROM (SELECT identifier_key AS key FROM identifiers WHERE identifier_key IN {keys:Array(UUID)} \
              UNION DISTINCT SELECT identity_key FROM profiles WHERE identity_key IN {keys:Array(UUID)} \
              UNION DISTINCT SELECT identity_key FROM identity_map WHERE identity_key IN {keys:Array(UUID)}) AS known \
        LEFT JOIN (SELECT identity_key, customer_id FROM identity_map FINAL WHERE identity_key IN {keys:Array(UUID)}) AS m \
        ON m.identity_key = known.key";
    let mut customers: Vec<(Uuid, Vec<String>)> = Vec::new();
    let rows = rows(store, sql, &[("keys", &keys)]).await?;
    for candidate in candidates {
        let text = candidate.key.to_string();
        let Some(row) = rows.iter().find(|row| row.get("key").and_then(Value::as_str) == Some(&text)) else {
            continue;
        };
        let customer_id = row.get("customer_id").and_then(Value::as_str).unwrap_or(&text).parse::<Uuid>()?;
        match customers.iter_mut().find(|(known, _)| *known == customer_id) {
            Some((_, found_as)) => found_as.push(candidate.kind.clone()),
            None => customers.push((customer_id, vec![candidate.kind.clone()])),
        }
    }
    Ok(customers)
}

async fn load(store: &Store, customer_id: Uuid, found_as: Vec<String>, limit: u32) -> anyhow::Result<Customer> {
    let id = customer_id.to_string();
    let members =
        rows(store, "SELECT identity_key FROM identity_map FINAL WHERE customer_id = {id:UUID}", &[("id", &id)])
            .await?;
    let members = members.iter().filter_map(|row| row.get("identity_key")?.as_str()?.parse().ok());
    let keys = array(members.chain([customer_id]));
    let limit = limit.to_string();
    let params = [("keys", keys.as_str()), ("limit", limit.as_str())];
    let mut timeline = rows(store, TIMELINE, &params).await?;
    timeline.reverse();
    Ok(Customer {
        customer_id,
        found_as,
        identifiers: rows(store, IDENTIFIERS, &params).await?,
        seen: rows(store, SEEN, &params).await?.pop().unwrap_or_default(),
        conversions: rows(store, CONVERSIONS, &params).await?,
        revenue: rows(store, REVENUE, &params).await?,
        attribution: rows(store, ATTRIBUTION, &params).await?,
        timeline,
    })
}

const IDENTIFIERS: &str = "SELECT type, uniqExact(identifier_key) AS number, min(first_seen) AS first_seen, max(last_seen) AS last_seen \
    FROM identifiers WHERE identifier_key IN {keys:Array(UUID)} GROUP BY type ORDER BY type";
const SEEN: &str = "SELECT count() AS events, min(event_time) AS first_seen, max(event_time) AS last_seen, \
    uniqExactIf(session_id, session_id != toUUID('00000000-0000-0000-0000-000000000000')) AS sessions, \
    arraySort(groupUniqArray(source)) AS sources FROM events WHERE identity_key IN {keys:Array(UUID)}";
const CONVERSIONS: &str = "SELECT conversion_time AS time, name, kind, source, order_id, value_minor, currency \
    FROM counted_conversions WHERE identity_key IN {keys:Array(UUID)} ORDER BY conversion_time";
const REVENUE: &str = "SELECT currency, countIf(kind = 'conversion') AS orders, sum(value_minor) AS revenue_minor \
    FROM counted_conversions WHERE identity_key IN {keys:Array(UUID)} AND currency != '' GROUP BY currency ORDER BY currency";
const ATTRIBUTION: &str = "SELECT model, channel, campaign, currency, sum(credit_minor) AS credit_minor, round(sum(share), 3) AS conversions \
    FROM attribution WHERE customer_id IN {keys:Array(UUID)} AND model IN ('last_non_direct', 'linear') \
    GROUP BY model, channel, campaign, currency ORDER BY model, credit_minor DESC, channel";
const TIMELINE: &str = "SELECT event_time AS time, source, event_type AS event, page_path AS page, channel, campaign, order_id, value_minor, currency \
    FROM events WHERE identity_key IN {keys:Array(UUID)} \
    ORDER BY event_time DESC, topic_id DESC, partition DESC, offset DESC LIMIT {limit:UInt32}";

async fn rows(store: &Store, sql: &str, params: &[(&str, &str)]) -> anyhow::Result<Vec<Record>> {
    let used: Vec<(&str, &str)> =
        params.iter().copied().filter(|(name, _)| sql.contains(&format!("{{{name}:"))).collect();
    let text = store.query_text(sql, "JSONEachRow", &used).await?;
    text.lines()
        .map(|line| serde_json::from_str(line).context("ClickHouse answered with something that is no row"))
        .collect()
}

/// An array parameter.
fn array(keys: impl Iterator<Item = Uuid>) -> String {
    let keys: Vec<String> = keys.map(|key| format!("'{key}'")).collect();
    format!("[{}]", keys.join(","))
}

fn render(customer: &Customer) -> String {
    let mut text = format!("customer     {}\nfound as     {}\n", customer.customer_id, customer.found_as.join(", "));
    let known: Vec<String> =
        customer.identifiers.iter().map(|row| format!("{} × {}", plain(row, "number"), plain(row, "type"))).collect();
    text += &format!("known by     {}\n", if known.is_empty() { "nothing else".to_owned() } else { known.join(", ") });
    text += &format!(
        "seen         {} events in {} visits, {} to {}, in {}\n",
        plain(&customer.seen, "events"),
        plain(&customer.seen, "sessions"),
        plain(&customer.seen, "first_seen"),
        plain(&customer.seen, "last_seen"),
        plain(&customer.seen, "sources"),
    );
    let revenue = customer.revenue.iter().map(|row| money(row, "revenue_minor"));
    let revenue: Vec<String> = revenue.collect();
    text += &format!("revenue      {}\n", if revenue.is_empty() { "none".to_owned() } else { revenue.join(", ") });
    text += &section(
        "conversions",
        &customer.conversions,
        &["time", "name", "kind", "source", "order_id"],
        Some("value_minor"),
    );
    text += &section(
        "attribution",
        &customer.attribution,
        &["model", "channel", "campaign", "conversions"],
        Some("credit_minor"),
    );
    text += &section(
        "timeline",
        &customer.timeline,
        &["time", "source", "event", "page", "channel", "campaign", "order_id"],
        Some("value_minor"),
    );
    text + "\n"
}

fn section(title: &str, rows: &[Record], columns: &[&str], amount: Option<&str>) -> String {
    if rows.is_empty() {
        return format!("\n{title}: none\n");
    }
    let mut table = Table::new();
    table.load_preset(crate::table::LINES).set_truncation_indicator("…");
    if let Some(width) = width(false) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(columns.iter().copied().chain(amount.map(|_| "amount")));
    for row in rows {
        let cells = columns.iter().map(|column| plain(row, column)).chain(amount.map(|name| money(row, name)));
        let mut row = Row::from(cells.collect::<Vec<_>>());
        row.max_height(1);
        table.add_row(row);
    }
    format!("\n{title}\n{}\n", table.trim_fmt())
}

fn plain(row: &Record, column: &str) -> String {
    match row.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().unwrap_or_default()).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// Minor units as people write them: `1,234.50 USD`; empty when there is no money.
fn money(row: &Record, column: &str) -> String {
    let currency = plain(row, "currency");
    let Ok(minor) = plain(row, column).parse::<i128>() else {
        return String::new();
    };
    if currency.is_empty() {
        return String::new();
    }
    let exponent =
        iso_currency::Currency::from_code(&currency).and_then(iso_currency::Currency::exponent).map_or(0, usize::from);
    let digits = format!("{:0>width$}", minor.unsigned_abs(), width = exponent + 1);
    let (whole, fraction) = digits.split_at(digits.len() - exponent);
    let point = if exponent == 0 { "" } else { "." };
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{whole}{point}{fraction} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_by_their_currency() {
        let amount =
            |minor: i64, currency: &str| money(json!({"m": minor, "currency": currency}).as_object().unwrap(), "m");
        assert_eq!(amount(4_837_200, "USD"), "48372.00 USD");
        assert_eq!(amount(-5, "EUR"), "-0.05 EUR");
        assert_eq!(amount(1_200, "JPY"), "1200 JPY");
        assert_eq!(amount(0, ""), "");
    }

    #[test]
    fn an_e_mail_is_tried_as_every_type_and_a_uuid_as_an_id() {
        let config = Config::default();
        let args = |value: &str, kind: Option<&str>| CustomerArgs {
            value: value.to_owned(),
            kind: kind.map(str::to_owned),
            json: false,
            limit: 1,
        };
        let found = candidates(&config, &args("Ann@Example.com", None)).unwrap();
        assert!(found.iter().any(|candidate| candidate.kind == "email"));
        let only = candidates(&config, &args("ann@example.com", Some("email"))).unwrap();
        assert_eq!(only.iter().filter(|candidate| candidate.kind == "email").count(), 1);
        assert!(only.iter().all(|candidate| candidate.kind.starts_with("email")), "and what it became");
        assert_eq!(tried(&only), "tried as email");
        assert!(found.iter().any(|candidate| candidate.key == only[0].key), "spelling does not matter");
        let id = candidates(&config, &args("00000000-0000-0000-0000-0000000000ff", None)).unwrap();
        assert!(id.iter().any(|candidate| candidate.kind == "customer id" && candidate.key == Key(255)));
        assert!(candidates(&config, &args("x", Some("shoe_size"))).is_err());
    }
}
