//! Kinds of personal data and secrets, by the names that policies, findings
//! and masks use. How each is recognised is `detect`'s.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! entities {
    ($($(#[$meta:meta])* $name:ident, $slug:literal, $mask:literal;)*) => {
        /// A kind of personal data or secret.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Entity { $($(#[$meta])* $name,)* }

        impl Entity {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name, e.g. `iban`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// What stands in its place when nothing else is said, e.g. `[IBAN]`.
            pub const fn mask(self) -> &'static str {
                match self { $(Self::$name => $mask,)* }
            }
        }
    };
}

entities! {
    Email, "email", "[EMAIL]";
    Phone, "phone", "[PHONE]";
    Card, "card", "[CARD]";
    Iban, "iban", "[IBAN]";
    NationalId, "national_id", "[NATIONAL_ID]";
    Passport, "passport", "[PASSPORT]";
    DrivingLicence, "driving_licence", "[DRIVING_LICENCE]";
    DateOfBirth, "date_of_birth", "[DATE_OF_BIRTH]";
    StreetAddress, "street_address", "[STREET_ADDRESS]";
    IpAddress, "ip_address", "[IP_ADDRESS]";
    MacAddress, "mac_address", "[MAC_ADDRESS]";
    ApiKey, "api_key", "[API_KEY]";
    PrivateKey, "private_key", "[PRIVATE_KEY]";
    Jwt, "jwt", "[JWT]";
    CryptoWallet, "crypto_wallet", "[CRYPTO_WALLET]";
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A name that is no kind of personal data.
#[derive(Debug, thiserror::Error)]
#[error("unknown entity `{0}`")]
pub struct UnknownEntity(pub String);

impl FromStr for Entity {
    type Err = UnknownEntity;

    fn from_str(slug: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|entity| entity.slug() == slug)
            .ok_or_else(|| UnknownEntity(slug.to_owned()))
    }
}
