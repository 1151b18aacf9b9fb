//! Keys of the common vendors by their published prefixes and lengths, and
//! random-looking values after a name such as `api_key =`.
//!
//! The prefixes are those that the vendors document for secret scanning.

use super::Recogniser;
use super::around::whole;
use crate::detect::Candidate;

pub(super) const RECOGNISERS: &[Recogniser] = &[
    // Amazon: identifiers are Base32.
    Recogniser::new(
        r"\b(?:akia|asia|aroa|aida|agpa|anpa|anva|aipa|abia|acca)[a-z2-7]{16}\b",
        is_amazon,
    ),
    // GitHub, GitLab.
    Recogniser::new(r"\b(?:gh[pousr]_[a-z0-9]{36,80}|github_pat_[a-z0-9_]{50,100})\b", is_random),
    Recogniser::new(
        r"\bgl(?:pat|dt|rt|ptt|soat|agent|ft|cbt|imt|oas)-[a-z0-9_.-]{20,80}\b",
        is_random,
    ),
    // Google.
    Recogniser::new(r"\baiza[a-z0-9_-]{35}", is_random),
    Recogniser::new(r"\b(?:ya29\.[a-z0-9_-]{20,200}|gocspx-[a-z0-9_-]{28})", is_random),
    // Slack.
    Recogniser::new(
        r"\b(?:xox[abeoprs]-[a-z0-9-]{10,160}|xapp-[0-9]-[a-z0-9-]{20,160})\b",
        is_random,
    ),
    Recogniser::new(
        r"\bhooks\.slack\.com/(?:services|workflows)/t[a-z0-9]{8,12}/[a-z0-9]{8,16}/[a-z0-9]{18,30}\b",
        is_random,
    ),
    // Stripe, Square, Shopify.
    Recogniser::new(
        r"\b(?:(?:sk|rk)_(?:live|test)_[a-z0-9]{16,120}|whsec_[a-z0-9+/=]{24,80})\b",
        is_random,
    ),
    Recogniser::new(
        r"\b(?:sq0(?:atp|csp|idp)-[a-z0-9_-]{22,43}|shp(?:at|ca|pa|ss)_[0-9a-f]{32})\b",
        is_random,
    ),
    // Models: Anthropic, OpenAI, Hugging Face, Groq, Replicate, xAI, Perplexity.
    Recogniser::new(r"\bsk-[a-z0-9_-]{20,200}\b", is_random),
    Recogniser::new(
        r"\b(?:hf_[a-z0-9]{30,40}|gsk_[a-z0-9]{40,60}|r8_[a-z0-9]{37}|xai-[a-z0-9]{70,90}|pplx-[a-z0-9]{40,60})\b",
        is_random,
    ),
    // Twilio, SendGrid, Mailgun, Telegram, Discord.
    Recogniser::new(r"\b(?:ac|sk)[0-9a-f]{32}\b", is_random),
    Recogniser::new(r"\bsg\.[a-z0-9_-]{16,32}\.[a-z0-9_-]{30,64}", is_random),
    Recogniser::new(r"\b(?:key-[0-9a-f]{32}|[0-9]{8,10}:aa[a-z0-9_-]{33})\b", is_random),
    Recogniser::new(r"\b[mno][a-z0-9_-]{23,27}\.[a-z0-9_-]{6}\.[a-z0-9_-]{27,40}\b", is_random),
    // Registries: npm, PyPI, crates.io, RubyGems, Docker.
    Recogniser::new(
        r"\b(?:npm_[a-z0-9]{36}|cio[a-z0-9]{32}|rubygems_[0-9a-f]{48}|dckr_pat_[a-z0-9_-]{24,40})\b",
        is_random,
    ),
    Recogniser::new(r"\bpypi-age[a-z0-9_-]{50,250}", is_random),
    // Azure.
    Recogniser::new(r"\baccountkey=[a-z0-9+/]{86}==", is_random),
    Recogniser::new(r"\b[a-z0-9_~.-]{3}[0-9]q~[a-z0-9_~.-]{31,34}", is_random),
    Recogniser::new(r"\bsig=[a-z0-9%+/]{40,80}(?:%3d|=)", is_random),
    // Clouds and services.
    Recogniser::new(
        concat!(
            r"\b(?:do[opr]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|hv[sbr]\.[a-z0-9_-]{24,140}|lin_api_[a-z0-9]{40}|ntn_[a-z0-9]{40,50}|",
            r"pmak-[0-9a-f]{24}-[0-9a-f]{34}|gl(?:sa|c)_[a-z0-9+/=_]{30,140}|nrak-[a-z0-9]{27}|dp\.(?:pt|st|ct)\.[a-z0-9]{40,44}|sntrys_[a-z0-9+/=_]{50,200})",
        ),
        is_random,
    ),
    // Anything random that is called a key.
    Recogniser::new(r"[a-z0-9_+/=.~-]{16,128}", is_called_a_key).in_whole_runs(),
];

/// What a value is called, right before it.
const NAMES: &[&str] = &[
    "api_key",
    "api-key",
    "api key",
    "apikey",
    "secret",
    "secret_key",
    "secret key",
    "secret-key",
    "access_key",
    "access key",
    "access-key",
    "accesskey",
    "auth_token",
    "auth token",
    "auth-token",
    "access_token",
    "access token",
    "access-token",
    "token",
    "client_secret",
    "client secret",
    "client-secret",
    "private_key",
    "private key",
    "encryption_key",
    "signing_key",
    "signing key",
    "secret_access_key",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "bearer",
    "credential",
    "api_secret",
    "api secret",
    "webhook_secret",
    "license_key",
    "account key",
    "accountkey",
];
/// Between a name and its value.
const BETWEEN: [&str; 10] = [":", "=", "=>", ":=", "is", "is:", "->", "to", "as", "of"];

/// Bits per character of a random value; prose and identifiers have less.
const ENTROPY_MIN: f64 = 3.0;
const ENTROPY_HIGH: f64 = 4.0;
const DIGITS_MIN: usize = 2;

fn is_amazon(candidate: &Candidate<'_>) -> Option<usize> {
    let matched = candidate.matched();
    let digit = matched.bytes().any(|byte| byte.is_ascii_digit());
    whole(candidate, matched.starts_with("akia") || digit)
}

/// Letters and digits in no order: an identifier of a program has few digits
/// and repeats its letters.
fn is_random(candidate: &Candidate<'_>) -> Option<usize> {
    whole(candidate, looks_random(candidate.matched()))
}

fn looks_random(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_lowercase).count();
    letters >= DIGITS_MIN
        && (digits >= DIGITS_MIN && entropy(text) >= ENTROPY_MIN
            // One digit is enough in a text without words.
            || digits > 0 && !text.contains(['_', '-', '.']) && entropy(text) >= ENTROPY_HIGH)
}

/// Shannon's, in bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 128];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = text.len().max(1) as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / length;
            -share * share.log2()
        })
        .sum()
}

fn is_called_a_key(candidate: &Candidate<'_>) -> Option<usize> {
    // A full stop ends the sentence.
    let matched = candidate.matched().trim_end_matches('.');
    // `api_key=value` is one run; the value begins after the sign.
    if let Some((name, value)) = matched.split_once('=')
        && value.len() >= 16
    {
        let named = NAMES.iter().any(|known| name.ends_with(known));
        return (named && looks_random(value) && is_no_path(value)).then_some(matched.len());
    }
    let before = candidate.before().trim_end_matches([' ', '"', '\'', '(', '<']);
    let named = |text: &str| {
        let text = text.trim_end_matches([' ', '"', '\'', '`', ']', ')']);
        NAMES.iter().any(|name| text.ends_with(name))
    };
    let called = BETWEEN.iter().any(|sign| before.strip_suffix(sign).is_some_and(named))
        || before.ends_with("bearer");
    (called && looks_random(matched) && is_no_path(matched)).then_some(matched.len())
}

/// A path or a host name is no secret.
fn is_no_path(text: &str) -> bool {
    text.split(['/', '.']).map(str::len).max().unwrap_or_default() >= 12
}
