use rand::Rng;
use sha2::{Digest, Sha256};

use crate::shop;

/// Somebody with devices and ways to be recognised.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user_id: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) loyalty_id: String,
    pub(crate) devices: Vec<Device>,
    /// Whether they ever tell who they are.
    pub(crate) identifies: bool,
}

/// A browser with its tracker's id.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) anonymous_id: String,
    pub(crate) agent: &'static str,
}

impl Person {
    pub(crate) fn new(seed: u64, number: u64, random: &mut impl Rng) -> Self {
        let tag = format!("{seed:x}-{number}");
        let devices = (0..random.random_range(1..=2))
            .map(|device| Device {
                anonymous_id: format!("anon-{tag}-{device}"),
                agent: shop::agent(random),
            })
            .collect();
        Self {
            user_id: format!("user-{tag}"),
            email: format!("person.{tag}@mail-example.com"),
            phone: phone(seed.wrapping_mul(31).wrapping_add(number)),
            loyalty_id: format!("card-{tag}"),
            devices,
            identifies: random.random_bool(0.35),
        }
    }

    /// What records of the help desk are keyed by: no raw address in a message key.
    pub(crate) fn key_hash(&self) -> String {
        Sha256::digest(self.email.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// A family: now and then a laptop, an address or a junk id is used by two people.
    pub(crate) fn mix_with(&mut self, other: &Person, random: &mut impl Rng) {
        if random.random_bool(0.04) {
            self.devices[0].clone_from(&other.devices[0]);
        }
        if random.random_bool(0.02) {
            self.email.clone_from(&other.email);
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
