use phonenumber::country;
use rustc_hash::FxHashSet;
use schemas::{Identifier, Key, RawIdentifier};
use smallvec::SmallVec;

use crate::hygiene::Blocklist;
use crate::normalize::{self, NORMALIZER_VERSION};
use crate::{Error, Normalizer, Rules, TypeRule};

/// Version of the graph's rules as coded; part of the rules' hash.
pub(crate) const SEMANTICS_VERSION: u32 = 2;

/// A record that names more than this many identifiers keeps the strongest.
const MAX_IDENTIFIERS_PER_RECORD: usize = 32;

/// Turns raw identifiers into keys: normalises, drops what identifies nobody, hashes under the secret.
#[derive(Debug)]
pub struct Hasher {
    rules: Rules,
    secret: [u8; 32],
    blocklist: Blocklist,
    role_mailboxes: FxHashSet<String>,
    own_domains: Vec<String>,
    own_phones: FxHashSet<String>,
    region: Option<country::Id>,
    json: String,
}

/// What a raw value is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Names a person and links.
    Links,
    /// Never links: it stands for its record only when nothing else does.
    LastResort,
}

impl Hasher {
    /// A hasher for these rules; refuses rules that contradict themselves.
    pub fn new(secret: &[u8], rules: Rules) -> Result<Self, Error> {
        Self::under(blake3::derive_key("tributary identity keys, version 1", secret), rules)
    }

    fn under(secret: [u8; 32], rules: Rules) -> Result<Self, Error> {
        rules.validate()?;
        let region = rules.default_region.as_ref().and_then(|region| region.parse().ok());
        let mut own_phones = FxHashSet::default();
        for number in &rules.own_phones {
            let Some(number) = normalize::phone(normalize::trim(number), region) else {
                return Err(Error::Rules(format!("own_phones: `{number}` is no valid phone number")));
            };
            own_phones.insert(number);
        }
        let mut own_domains = Vec::new();
        for domain in &rules.own_domains {
            let Some(domain) = normalize::ascii_domain(normalize::trim(domain)) else {
                return Err(Error::Rules(format!("own_domains: `{domain}` is no domain")));
            };
            own_domains.push(domain);
        }
        let blocklist = Blocklist::new(&rules.blocked_values);
        let json = canonical_json(&rules, &secret);
        Ok(Hasher {
            role_mailboxes: rules.role_mailboxes.iter().map(|local| local.trim().to_lowercase()).collect(),
            own_domains,
            own_phones,
            blocklist,
            region,
            secret,
            json,
            rules,
        })
    }

    /// A hasher for the rules that a log goes on with: with this one's secret, and told by their text. Refuses, with
    /// what differs, rules of another secret or of another version of the graph's code, and those that drop or reorder
    /// types, unless `from_nothing`: when no identifier is known.
    pub(crate) fn adopt(&self, json: &str, from_nothing: bool) -> Result<Self, Vec<String>> {
        let refused = |reason: &str| {
            let mut lines = self.difference_from(json);
            lines.push(reason.to_owned());
            Err(lines)
        };
        let Ok(logged) = serde_json::from_str::<serde_json::Value>(json) else {
            return refused("the rules in the log are no JSON");
        };
        let own: serde_json::Value = serde_json::from_str(&self.json).unwrap_or_default();
        if ["secret_check", "semantics_version"].iter().any(|part| logged.get(part) != own.get(part)) {
            return refused("the secret and the semantics version of a log stay");
        }
        let rules = logged.get("rules").cloned().unwrap_or_default();
        let rules: Rules = match serde_json::from_value(rules) {
            Ok(rules) => rules,
            Err(error) => return refused(&format!("the rules in the log cannot be read: {error}")),
        };
        let names = |rules: &Rules| rules.types.iter().map(|rule| rule.name.clone()).collect::<Vec<_>>();
        if !from_nothing && !names(&rules).starts_with(&names(&self.rules)) {
            return refused("types can be added at the end of the list only");
        }
        match Hasher::under(self.secret, rules) {
            Ok(hasher) => Ok(Hasher { json: json.to_owned(), ..hasher }),
            Err(error) => refused(&error.to_string()),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The usable identifiers of one record, strongest first (priority, then key), each once. When a record has none,
    /// the strongest of those that never link stands in: a transaction id, a role mailbox.
    pub fn identifiers(&self, raw: &[RawIdentifier]) -> SmallVec<[Identifier; 4]> {
        let mut usable: SmallVec<[Identifier; 4]> = SmallVec::new();
        let mut last_resort: Option<(bool, Identifier)> = None;
        for RawIdentifier { kind, value } in raw {
            match self.examine(kind, value) {
                Some((identifier, Use::Links)) => usable.push(identifier),
                Some((identifier, Use::LastResort)) => {
                    // One's own number says less about a sale than the sale's own id.
                    let candidate = (self.type_rule(identifier.kind).links, identifier);
                    let rank = |c: &(bool, Identifier)| (c.0, self.rank(c.1));
                    if last_resort.as_ref().is_none_or(|best| rank(&candidate) < rank(best)) {
                        last_resort = Some(candidate);
                    }
                }
                None => {}
            }
        }
        usable.sort_unstable_by_key(|identifier| self.rank(*identifier));
        usable.dedup();
        usable.truncate(MAX_IDENTIFIERS_PER_RECORD);
        if usable.is_empty() {
            usable.extend(last_resort.map(|(_, identifier)| identifier));
        }
        usable
    }

    /// The key of one value; `None` when the type is not configured or the value identifies nobody.
    pub fn key(&self, kind: &str, value: &str) -> Option<Identifier> {
        self.examine(kind, value).map(|(identifier, _)| identifier)
    }

    /// Name of a type by its index.
    pub fn type_name(&self, kind: u8) -> &str {
        self.rules.types.get(usize::from(kind)).map_or("", |rule| rule.name.as_str())
    }

    /// The identifiers that these rules name as belonging to nobody and `before` did not: each new entry of
    /// `blocked_values` as a value of every type that `before` has, in the ways of writing it that do not give one key
    /// (as configured, lower case, upper case, words with capitals), and each new number of `own_phones`. Ascending by
    /// (kind, key). The graph treats those it knows as shared when the rules change; the built-in lists are not among
    /// them, so that a log means the same to every version of this program.
    pub fn newly_blocked(&self, before: &Hasher) -> Vec<Identifier> {
        let old: FxHashSet<String> =
            before.rules.blocked_values.iter().map(|value| value.trim().to_lowercase()).collect();
        let new_values = self.rules.blocked_values.iter().filter(|value| !old.contains(&value.trim().to_lowercase()));
        let written: Vec<String> = new_values.flat_map(|value| ways_of_writing(value.trim())).collect();
        let phones: Vec<&String> = self.own_phones.iter().filter(|own| !before.own_phones.contains(*own)).collect();
        let mut found = Vec::new();
        for (kind, rule) in (0u8..).zip(&before.rules.types) {
            let mut add = |normal: &str| found.push(Identifier { kind, key: before.hash(&rule.name, normal) });
            match rule.normalizer {
                Normalizer::Id => written.iter().for_each(|value| add(value)),
                Normalizer::Email => {
                    let hashed = |value: &String| match normalize::address(value) {
                        Some(address) => address.hashed(),
                        None => normalize::as_sha256_hex(value).unwrap_or_else(|| normalize::sha256_hex(value)),
                    };
                    written.iter().for_each(|value| add(&hashed(value)));
                }
                Normalizer::Phone => {
                    written
                        .iter()
                        .filter_map(|value| normalize::phone(value, before.region))
                        .for_each(|e164| add(&e164));
                    phones.iter().for_each(|e164| add(e164));
                }
            }
        }
        found.sort_unstable_by_key(|identifier| (identifier.kind, identifier.key));
        found.dedup();
        found
    }

    /// The rules with everything that decides keys and customers, as JSON. Holds no secret, only a check value of it.
    pub fn rules_json(&self) -> &str {
        &self.json
    }

    /// Hash of [`Self::rules_json`]: what the log's `Rules` entry must show.
    pub fn rules_hash(&self) -> [u8; 16] {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(self.json.as_bytes()).as_bytes()[..16]);
        hash
    }

    /// One line for every setting in which a log's rules differ from these.
    pub fn difference_from(&self, logged_rules_json: &str) -> Vec<String> {
        crate::rules_difference::difference(&self.json, logged_rules_json)
    }

    /// Order of strength: smaller is stronger.
    pub(crate) fn rank(&self, identifier: Identifier) -> (u16, Key) {
        (self.type_rule(identifier.kind).priority, identifier.key)
    }

    pub(crate) fn type_rule(&self, kind: u8) -> &TypeRule {
        &self.rules.types[usize::from(kind)]
    }

    fn examine(&self, kind: &str, value: &str) -> Option<(Identifier, Use)> {
        let kind = self.rules.type_index(kind)?;
        let rule = self.type_rule(kind);
        let value = normalize::trim(value);
        if value.len() > self.rules.max_value_bytes || self.blocklist.blocks(value) {
            return None;
        }
        let (normal, usable) = match rule.normalizer {
            Normalizer::Id => (value.to_owned(), Use::Links),
            Normalizer::Email => self.examine_email(value)?,
            Normalizer::Phone => {
                let number = normalize::phone(value, self.region)?;
                let base = number.split(';').next().unwrap_or(&number);
                if self.blocklist.blocks_phone(base) {
                    return None;
                }
                let own = self.own_phones.contains(base);
                (number, if own { Use::LastResort } else { Use::Links })
            }
        };
        let usable = if rule.links { usable } else { Use::LastResort };
        Some((Identifier { kind, key: self.hash(&rule.name, &normal) }, usable))
    }

    fn examine_email(&self, value: &str) -> Option<(String, Use)> {
        if let Some(hashed) = normalize::as_sha256_hex(value) {
            return (!self.blocklist.blocks_hash(&hashed)).then_some((hashed, Use::Links));
        }
        let address = normalize::address(value)?;
        if self.blocklist.blocks_address(&address.local, &address.domain) {
            return None;
        }
        let mailbox = address.local.split('+').next().unwrap_or(&address.local);
        let own = self.own_domains.iter().any(|own| {
            address.domain.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
        let usable = if own || self.role_mailboxes.contains(mailbox) { Use::LastResort } else { Use::Links };
        Some((address.hashed(), usable))
    }

    fn hash(&self, type_name: &str, value: &str) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(type_name.as_bytes());
        hasher.update(&[0]);
        hasher.update(value.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Key(u128::from_be_bytes(key))
    }
}

/// A value as its writers may have written it; comparing blocked values does not regard case, keys do.
fn ways_of_writing(value: &str) -> [String; 4] {
    let mut capitals = String::with_capacity(value.len());
    let mut inside = false;
    for c in value.chars() {
        if inside {
            capitals.extend(c.to_lowercase())
        } else {
            capitals.extend(c.to_uppercase())
        }
        inside = c.is_alphanumeric();
    }
    [value.to_owned(), value.to_lowercase(), value.to_uppercase(), capitals]
}

/// Equal rules give equal text: the order in which lists of values are written says nothing.
fn canonical_json(rules: &Rules, secret: &[u8; 32]) -> String {
    let mut rules = rules.clone();
    for list in [&mut rules.own_domains, &mut rules.own_phones, &mut rules.role_mailboxes, &mut rules.blocked_values] {
        list.sort_unstable();
        list.dedup();
    }
    let check = blake3::keyed_hash(secret, b"check value");
    serde_json::json!({
        "rules": rules,
        "built_in_blocklist": crate::hygiene::built_in_digest(),
        "normalizer_version": NORMALIZER_VERSION,
        "semantics_version": SEMANTICS_VERSION,
        "secret_check": check.to_hex()[..16],
    })
    .to_string()
}
