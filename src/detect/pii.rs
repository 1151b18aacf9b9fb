//! Recognisers of personal data and secrets.
//!
//! Each kind of [`Entity`] has patterns that find candidates in the canonical
//! view and checks that tell a candidate from a look-alike: check digits,
//! ranges, dates, and words that stand before it. The case of letters is gone
//! in that view, so checksums that need it (Base58, Base64) are not computed.
//! A recogniser knows nothing of rules and masks; the policy compiler puts its
//! patterns into rules.

mod account;
mod around;
mod birth;
mod digits;
mod documents;
mod mail;
mod national;
mod network;
mod phone;
mod private_key;
mod secrets;
mod street;
mod wallet;
mod web_token;

use std::borrow::Cow;
use std::sync::OnceLock;

use crate::detect::{Check, Pattern, PatternError};
use crate::domain::Entity;

/// Goes up whenever a recogniser finds something else than before, so that the
/// digest of a policy that uses them tells the difference.
pub const VERSION: u32 = 1;

/// One way in which an entity is written.
#[derive(Debug, Clone)]
struct Recogniser {
    pattern: Cow<'static, str>,
    check: Check,
    /// Bytes before a match that `check` reads.
    before_bytes_max: usize,
    /// Inside a refused match no other can begin.
    whole_runs: bool,
}

impl Recogniser {
    const fn new(pattern: &'static str, check: Check) -> Self {
        Self::of(Cow::Borrowed(pattern), check)
    }

    const fn of(pattern: Cow<'static, str>, check: Check) -> Self {
        Self { pattern, check, before_bytes_max: around::NEAR_BYTES_MAX, whole_runs: false }
    }

    const fn looking_back(mut self, before_bytes_max: usize) -> Self {
        self.before_bytes_max = before_bytes_max;
        self
    }

    const fn in_whole_runs(mut self) -> Self {
        self.whole_runs = true;
        self
    }

    fn compile(&self, entity: Entity) -> Result<Pattern, PatternError> {
        let pattern = Pattern::parse(&self.pattern)?
            .of_entity(entity, Some(self.check))
            .looking_back(self.before_bytes_max);
        Ok(if self.whole_runs { pattern.in_whole_runs() } else { pattern })
    }
}

/// The patterns of a kind, compiled on first use.
pub fn patterns(entity: Entity) -> &'static [Pattern] {
    static COMPILED: [OnceLock<Vec<Pattern>>; Entity::ALL.len()] =
        [const { OnceLock::new() }; Entity::ALL.len()];
    let index = Entity::ALL.iter().position(|known| *known == entity);
    index.and_then(|index| COMPILED.get(index)).map_or(&[], |compiled| {
        // A pattern that does not compile is a mistake of ours; a test tells.
        compiled.get_or_init(|| {
            recognisers(entity).iter().filter_map(|known| known.compile(entity).ok()).collect()
        })
    })
}

fn recognisers(entity: Entity) -> Vec<Recogniser> {
    match entity {
        Entity::Email => mail::RECOGNISERS.to_vec(),
        Entity::Phone => phone::RECOGNISERS.to_vec(),
        Entity::Card => account::CARD.to_vec(),
        Entity::Iban => account::IBAN.to_vec(),
        Entity::NationalId => national::recognisers(),
        Entity::Passport => documents::PASSPORT.to_vec(),
        Entity::DrivingLicence => documents::DRIVING_LICENCE.to_vec(),
        Entity::DateOfBirth => birth::RECOGNISERS.to_vec(),
        Entity::StreetAddress => street::RECOGNISERS.to_vec(),
        Entity::IpAddress => network::IP_ADDRESS.to_vec(),
        Entity::MacAddress => network::MAC_ADDRESS.to_vec(),
        Entity::ApiKey => secrets::RECOGNISERS.to_vec(),
        Entity::PrivateKey => private_key::RECOGNISERS.to_vec(),
        Entity::Jwt => web_token::RECOGNISERS.to_vec(),
        Entity::CryptoWallet => wallet::RECOGNISERS.to_vec(),
    }
}

#[cfg(test)]
mod tests;
