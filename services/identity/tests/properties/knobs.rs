//! Rules that can be anything.

use super::oracle::salted;
use identity::{OnConflict, Rules, Tier, TypeRule};
use proptest::prelude::*;

/// What random rules differ in.
#[derive(Debug, Clone)]
pub(crate) struct Knobs {
    pub(crate) account: OnConflict,
    pub(crate) contact: OnConflict,
    pub(crate) device: OnConflict,
    pub(crate) account_links: u32,
    pub(crate) contact_links: u32,
    pub(crate) device_links: u32,
    /// How many e-mails and phones one customer may have.
    pub(crate) contacts: u32,
    /// How many loyalty cards.
    pub(crate) cards: u32,
    /// How many devices, if limited.
    pub(crate) devices: Option<u32>,
    pub(crate) size: u32,
    pub(crate) phones_first: bool,
    pub(crate) phones_link: bool,
    /// Whether there is one more type.
    pub(crate) union_ids: bool,
    /// A name whose value is blocked.
    pub(crate) blocked: Option<(&'static str, u8)>,
}

impl Knobs {
    /// Few values of every type, so that links collide all the time.
    pub(crate) fn crowded() -> Self {
        Knobs {
            account: OnConflict::KeepFirst,
            contact: OnConflict::KeepFirst,
            device: OnConflict::Share,
            account_links: 20,
            contact_links: 3,
            device_links: 3,
            contacts: 2,
            cards: 2,
            devices: None,
            size: 9,
            phones_first: false,
            phones_link: true,
            union_ids: false,
            blocked: None,
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        let (emails, phones) = if self.phones_first { (60, 50) } else { (50, 60) };
        let devices = TypeRule { max_per_customer: self.devices, ..TypeRule::new("anonymous_id", Tier::Device, 90) };
        let mut types = vec![
            TypeRule::new("user_id", Tier::Account, 10).limited(1),
            TypeRule::new("loyalty_id", Tier::Account, 40).limited(self.cards),
            TypeRule::new("email", Tier::Contact, emails).limited(self.contacts),
            TypeRule {
                links: self.phones_link,
                ..TypeRule::new("phone", Tier::Contact, phones).limited(self.contacts)
            },
            devices,
            TypeRule { links: false, ..TypeRule::new("transaction_id", Tier::Device, 100) },
        ];
        if self.union_ids {
            types.push(TypeRule::new("wechat_unionid", Tier::Account, 30).limited(1));
        }
        for rule in &mut types {
            (rule.on_conflict, rule.max_links) = match rule.tier {
                Tier::Account => (self.account, self.account_links),
                Tier::Contact => (self.contact, self.contact_links),
                Tier::Device => (self.device, self.device_links),
            };
        }
        let blocked_values = self.blocked.iter().map(|(kind, value)| salted(kind, &value.to_string())).collect();
        Rules { types, max_identifiers: self.size, blocked_values, ..Rules::default() }
    }
}

fn on_conflict(usual: OnConflict) -> impl Strategy<Value = OnConflict> {
    prop_oneof![4 => Just(usual), 1 => Just(OnConflict::KeepFirst), 1 => Just(OnConflict::Share), 1 => Just(OnConflict::Move)]
}

pub(crate) fn any() -> impl Strategy<Value = Knobs> {
    let answers =
        (on_conflict(OnConflict::KeepFirst), on_conflict(OnConflict::KeepFirst), on_conflict(OnConflict::Share));
    let links = (prop_oneof![2 => Just(20u32), 1 => 1u32..5], 1u32..5, 1u32..5);
    let limits = (1u32..4, 1u32..4, prop_oneof![3 => Just(None), 1 => (1u32..4).prop_map(Some)], 2u32..10);
    let blocked = prop_oneof![
        2 => Just(None),
        1 => (prop_oneof![Just("user_id"), Just("loyalty_id"), Just("anonymous_id")], 0u8..4).prop_map(Some),
    ];
    let rest = (any_bool(1), any_bool(7), any_bool(2), blocked);
    (answers, links, limits, rest).prop_map(
        |((account, contact, device), links, (contacts, cards, devices, size), rest)| Knobs {
            account,
            contact,
            device,
            account_links: links.0,
            contact_links: links.1,
            device_links: links.2,
            contacts,
            cards,
            devices,
            size,
            phones_first: rest.0,
            phones_link: rest.1,
            union_ids: rest.2,
            blocked: rest.3,
        },
    )
}

/// True so many times of eight.
fn any_bool(of_eight: u8) -> impl Strategy<Value = bool> {
    (0u8..8).prop_map(move |n| n < of_eight)
}
