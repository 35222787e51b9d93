use rand::Rng;
use sha2::{Digest, Sha256};

use crate::shop;

/// Somebody with devices and ways to be recognised.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Unique in a scenario.
    pub(crate) tag: String,
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) loyalty_id: String,
    pub(crate) devices: Vec<Device>,
    /// Whether they ever tell who they are.
    pub(crate) identifies: bool,
    /// Whether sales people follow them up.
    pub(crate) is_lead: bool,
}

/// A browser or app with its tracker's id.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) anonymous_id: String,
    pub(crate) agent: &'static str,
    /// Whether its tracker sends Avro.
    pub(crate) speaks_avro: bool,
}

impl Person {
    pub(crate) fn new(seed: u64, number: u64, random: &mut impl Rng) -> Self {
        let tag = format!("{seed:x}-{number}");
        let devices = (0..random.random_range(1..=2))
            .map(|device| Device {
                anonymous_id: format!("anon-{tag}-{device}"),
                agent: shop::agent(random),
                speaks_avro: random.random_bool(0.15),
            })
            .collect();
        let identifies = random.random_bool(0.35);
        Self {
            user_id: format!("user-{tag}"),
            email: format!("person.{tag}@mail-example.com"),
            phone: phone(seed.wrapping_mul(31).wrapping_add(number)),
            loyalty_id: format!("card-{tag}"),
            devices,
            identifies,
            is_lead: identifies && random.random_bool(0.1),
            tag,
        }
    }

    /// What records of the help desk are keyed by: no raw address in a message key.
    pub(crate) fn key_hash(&self) -> String {
        Sha256::digest(self.email.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Life is not tidy: now and then a laptop or an address is used by two people of a family, a form is filled in on
    /// the shop's own tablet, or an id is junk.
    pub(crate) fn mix_with(&mut self, other: &Person, tablet: &str, random: &mut impl Rng) {
        if random.random_bool(0.05) {
            self.devices[0].clone_from(&other.devices[0]);
        }
        if random.random_bool(0.02) {
            tablet.clone_into(&mut self.devices[0].anonymous_id);
        }
        if random.random_bool(0.02) {
            self.email.clone_from(&other.email);
        }
        if random.random_bool(0.02) {
            self.phone.clone_from(&other.phone);
        }
        if random.random_bool(0.02) {
            "null".clone_into(&mut self.user_id);
        }
        if random.random_bool(0.01) {
            "test@test.com".clone_into(&mut self.email);
        }
    }
}

/// Valid numbers of the North American plan, four million of them: exchanges 420 to 499 of five area codes.
fn phone(number: u64) -> String {
    const AREAS: [u32; 5] = [212, 312, 415, 617, 713];
    let area = AREAS[(number / 800_000 % 5) as usize];
    format!("+1{area}{:07}", 4_200_000 + number % 800_000)
}
