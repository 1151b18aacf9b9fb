//! `GET /system-card`: what an end user must be able to find out (clause 4 of
//! the acceptable-use policy): which model answers, which policy judges, what
//! is known to go wrong, and where to report it. Open to everybody.

mod html;

use actix_web::http::header::{ACCEPT, CONTENT_SECURITY_POLICY, VARY};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

use super::Edge;
use crate::domain::{Category, Stage};
use crate::policy::Engine;

/// The page has its style inline and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                           base-uri 'none'; form-action 'none'";

/// What is known not to work, in the words of the people who built it.
const LIMITATIONS: &[&str] = &[
    "The answers come from a language model. They can be wrong, made up, out of date or biased, \
     and nobody reads them before they are sent.",
    "Llama 2 was tuned and tested mostly in English; in other languages it answers worse, and the \
     policy's rules find less.",
    "The policy works with patterns, phrases and statistics. It misses some violations and stops \
     some harmless text; both kinds of error should be reported.",
    "The answers are not professional advice in medicine, law or finance, and must not control \
     machines or infrastructure.",
    "The model has no access to the internet, to the present time or to earlier conversations.",
];

/// Where to report what went wrong.
const CHANNELS: &[(&str, &str)] = &[
    ("Problems with the model", "https://github.com/facebookresearch/llama/issues"),
    ("Risky content that the model wrote", "https://developers.facebook.com/llama_output_feedback"),
    ("Bugs and security problems", "https://www.facebook.com/whitehat/info"),
    ("Violations of the acceptable-use policy", "mailto:LlamaUseReport@meta.com"),
];

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemCard {
    /// True: nobody answers here but a program.
    pub ai: bool,
    /// The policy's notice, as sent with every answer.
    pub notice: String,
    pub models: Vec<CardModel>,
    pub policy: CardPolicy,
    pub limitations: Vec<&'static str>,
    pub reporting: Vec<Channel>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardModel {
    pub name: String,
    /// `embedded` or `upstream`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardPolicy {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub categories: Vec<CardCategory>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CardCategory {
    pub category: &'static str,
    /// Clause of the Llama 2 Acceptable Use Policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clause: Option<&'static str>,
    pub title: &'static str,
    /// What happens to a prompt: `allow`, `flag`, `redact`, `replace` or `block`.
    pub input: &'static str,
    /// What happens to an answer.
    pub output: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Channel {
    pub about: &'static str,
    pub address: &'static str,
}

pub(crate) async fn show(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    let card = SystemCard::new(&edge);
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, "accept"));
    if prefers_html(&request) {
        response
            .insert_header((CONTENT_SECURITY_POLICY, PAGE_POLICY))
            .content_type("text/html; charset=utf-8")
            .body(html::page(&card))
    } else {
        response.json(card)
    }
}

/// Browsers name `text/html`; everything else gets JSON.
fn prefers_html(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let position = |wanted: &str| accept.find(wanted);
    match (position("text/html"), position("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}

impl SystemCard {
    fn new(edge: &Edge) -> Self {
        let engine = edge.pipeline.policies.engine(None);
        let models = edge.pipeline.backends.backends().map(|backend| {
            let info = backend.info();
            CardModel {
                name: info.name.to_string(),
                kind: info.kind,
                digest: info.digest.map(|digest| digest.to_string()),
                context_tokens: info.context_tokens,
            }
        });
        Self {
            ai: true,
            notice: engine
                .as_ref()
                .map_or_else(String::new, |engine| engine.disclosure().header.to_string()),
            models: models.collect(),
            policy: CardPolicy::new(engine.as_deref()),
            limitations: LIMITATIONS.to_vec(),
            reporting: CHANNELS.iter().map(|(about, address)| Channel { about, address }).collect(),
        }
    }
}

impl CardPolicy {
    fn new(engine: Option<&Engine>) -> Self {
        let Some(engine) = engine else {
            let none = || "none".to_owned();
            let categories = Vec::new();
            return Self { name: none(), version: none(), digest: none(), categories };
        };
        let action = |category, stage| engine.decision_for(category, stage).0.name();
        let categories = Category::ALL.iter().map(|category| CardCategory {
            category: category.slug(),
            clause: category.clause(),
            title: category.title(),
            input: action(*category, Stage::Input),
            output: action(*category, Stage::Output),
        });
        Self {
            name: engine.name().to_owned(),
            version: engine.version().to_owned(),
            digest: engine.digest().to_string(),
            categories: categories.collect(),
        }
    }
}
