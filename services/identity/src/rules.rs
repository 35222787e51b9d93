use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Error;

/// How strong a piece of evidence is. Edges are replayed by the tier of their weaker end, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Given by a system to one person: `user_id`, `crm_id`, `loyalty_id`.
    Account,
    /// A way to reach a person: `email`, `phone`.
    Contact,
    /// A thing a person uses: a cookie, a phone, a till.
    Device,
}

/// What happens when an edge would break a limit; the edge's weaker end decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The edge is kept dormant: the identifier stays with the customer it had first.
    KeepFirst,
    /// The identifier is shared by several people: it stops linking and those it had joined part.
    Share,
    /// The last known user wins: the identifier leaves the customer it was with, and its past stays there.
    Move,
}

/// How values of a type are brought into one form before they are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalizer {
    /// Trimmed.
    Id,
    /// Lower case, the domain in ASCII, then SHA-256; 64 hex digits count as hashed already.
    Email,
    /// E.164, by the numbering plan.
    Phone,
}

/// One type of identifier. What a configuration leaves out comes from the tier's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenTypeRule")]
pub struct TypeRule {
    /// Name: what records call it.
    pub name: String,
    /// Strength of evidence.
    pub tier: Tier,
    /// Rank within all types, lowest first; the strongest identifier of a record is its hub. Ranks follow the tiers.
    pub priority: u16,
    /// How values are normalised.
    pub normalizer: Normalizer,
    /// How many of this type one customer may hold; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_customer: Option<u32>,
    /// To how many values of one account or contact type an identifier of this type may be linked before it counts as
    /// shared.
    pub max_links: u32,
    /// What happens when an edge whose weaker end is of this type would break a limit.
    pub on_conflict: OnConflict,
    /// Whether identifiers of this type link to others at all. One that does not is used only by a record that has
    /// nothing else.
    pub links: bool,
}

/// A [`TypeRule`] as written in a configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTypeRule {
    name: String,
    tier: Tier,
    priority: u16,
    normalizer: Option<Normalizer>,
    max_per_customer: Option<u32>,
    max_links: Option<u32>,
    on_conflict: Option<OnConflict>,
    links: Option<bool>,
}

impl From<WrittenTypeRule> for TypeRule {
    fn from(written: WrittenTypeRule) -> Self {
        let defaults = TypeRule::new(&written.name, written.tier, written.priority);
        TypeRule {
            normalizer: written.normalizer.unwrap_or(defaults.normalizer),
            max_per_customer: written.max_per_customer,
            max_links: written.max_links.unwrap_or(defaults.max_links),
            on_conflict: written.on_conflict.unwrap_or(defaults.on_conflict),
            links: written.links.unwrap_or(true),
            ..defaults
        }
    }
}

impl TypeRule {
    /// A type with its tier's defaults and no limit per customer.
    pub fn new(name: &str, tier: Tier, priority: u16) -> Self {
        TypeRule {
            name: name.to_owned(),
            tier,
            priority,
            normalizer: match name {
                "email" => Normalizer::Email,
                "phone" => Normalizer::Phone,
                _ => Normalizer::Id,
            },
            max_per_customer: None,
            max_links: if tier == Tier::Account { 20 } else { 3 },
            on_conflict: if tier == Tier::Device { OnConflict::Share } else { OnConflict::KeepFirst },
            links: true,
        }
    }

    /// The same with a limit per customer.
    pub fn limited(self, max_per_customer: u32) -> Self {
        TypeRule { max_per_customer: Some(max_per_customer), ..self }
    }
}

/// The secret of the keyed hash. Never printed, never serialised.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The bytes, for [`crate::Hasher::new`].
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(…)" })
    }
}

/// The identity rules: everything that decides which identifiers are usable and which customers they make.
///
/// They are part of the identity log: a process whose rules differ from the log's refuses to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The types of identifiers. A configured list replaces the default one.
    pub types: Vec<TypeRule>,
    /// How many identifiers one customer may hold.
    pub max_identifiers: u32,
    /// Values longer than this many bytes (after trimming) are not identifiers.
    pub max_value_bytes: usize,
    /// E-mail domains of the company itself and of its agencies; sub-domains included. They never link.
    pub own_domains: Vec<String>,
    /// Phone numbers of the company itself. They never link.
    pub own_phones: Vec<String>,
    /// Local parts of e-mail addresses that a group of people reads: `info`, `sales`, … They never link. A configured
    /// list replaces the default one.
    pub role_mailboxes: Vec<String>,
    /// Values that identify nobody, beside the built-in ones; compared without regard to case, for every type.
    pub blocked_values: Vec<String>,
    /// Region (ISO 3166, `DE`) of phone numbers written without a country code; without it such numbers are not
    /// identifiers.
    pub default_region: Option<String>,
    /// Secret of the keyed hash. Whoever knows it can test whether an e-mail is among the keys; without it every
    /// history becomes unreadable, so keep it.
    #[serde(skip_serializing)]
    pub secret: Secret,
}

impl Default for Rules {
    fn default() -> Self {
        let account = |name, priority| TypeRule::new(name, Tier::Account, priority);
        let contact = |name, priority| TypeRule::new(name, Tier::Contact, priority);
        let device = |name, priority| TypeRule::new(name, Tier::Device, priority);
        Rules {
            types: vec![
                account("user_id", 10).limited(1),
                account("crm_id", 20).limited(1),
                account("wechat_unionid", 30).limited(1),
                account("loyalty_id", 40).limited(3),
                contact("email", 50).limited(5),
                contact("phone", 60).limited(3),
                device("device_id", 70),
                device("advertising_id", 80),
                device("anonymous_id", 90),
                TypeRule { links: false, ..device("transaction_id", 100) },
            ],
            max_identifiers: 500,
            max_value_bytes: 256,
            own_domains: Vec::new(),
            own_phones: Vec::new(),
            role_mailboxes: crate::hygiene::role_mailboxes().map(str::to_owned).collect(),
            blocked_values: Vec::new(),
            default_region: None,
            secret: Secret::default(),
        }
    }
}

/// The greatest number of types: a component's types are kept as bits.
pub(crate) const MAX_TYPES: usize = 24;

impl Rules {
    /// Says what contradicts itself, if anything does.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Rules(reason));
        if self.types.is_empty() || self.types.len() > MAX_TYPES {
            return refuse(format!("{} types are configured, expected 1 to {MAX_TYPES}", self.types.len()));
        }
        for (index, rule) in self.types.iter().enumerate() {
            let name = &rule.name;
            if name.is_empty() || name.bytes().any(|b| !(b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')) {
                return refuse(format!("type name `{name}` is not of the form [a-z0-9_]+"));
            }
            if self.types[..index].iter().any(|other| other.name == *name) {
                return refuse(format!("type `{name}` is configured twice"));
            }
            if rule.max_per_customer == Some(0) || rule.max_links == 0 {
                return refuse(format!("type `{name}` has a limit of 0, expected at least 1"));
            }
            if let Some(stronger) = self.types.iter().find(|o| o.tier < rule.tier && o.priority >= rule.priority) {
                return refuse(format!(
                    "type `{name}` has priority {} but is weaker than `{}` with priority {}; priorities follow tiers",
                    rule.priority, stronger.name, stronger.priority
                ));
            }
        }
        if self.max_identifiers < 2 {
            return refuse(format!("max_identifiers is {}, expected at least 2", self.max_identifiers));
        }
        if let Some(region) = &self.default_region
            && region.parse::<phonenumber::country::Id>().is_err()
        {
            return refuse(format!("default_region `{region}` is not a region code such as `DE`"));
        }
        Ok(())
    }

    /// Index of a type by name.
    pub fn type_index(&self, name: &str) -> Option<u8> {
        self.types.iter().position(|rule| rule.name == name).and_then(|index| u8::try_from(index).ok())
    }
}
