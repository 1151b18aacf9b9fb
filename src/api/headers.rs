//! The gateway's own response headers, each named once.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::HeaderValue;

use crate::pipeline::Notice;

/// The decision's identifier; finds the record in the audit log.
pub(crate) const DECISION: &str = "x-portcullis-decision";
/// How the exchange ended; absent on streams, whose end is not known yet.
pub(crate) const OUTCOME: &str = "x-portcullis-outcome";
/// The policy that judged, `name@version`.
pub(crate) const POLICY: &str = "x-portcullis-policy";
/// The policy's notice that this is an AI.
pub(crate) const NOTICE: &str = "x-portcullis-notice";
/// Request fields that were left out.
pub(crate) const STRIPPED: &str = "x-portcullis-stripped-fields";
/// A fresh identifier for every response.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// `false` where a client would try in vain; the official SDKs obey it.
pub(crate) const SHOULD_RETRY: &str = "x-should-retry";

/// Adds what is said of a decision.
pub(crate) fn decision(response: &mut HttpResponseBuilder, notice: &Notice) {
    response.insert_header((DECISION, notice.decision.to_string()));
    response.insert_header((POLICY, text(&policy(notice))));
    response.insert_header((NOTICE, text(&notice.ai_notice)));
}

/// Names the fields that were left out, if any were.
pub(crate) fn stripped(response: &mut HttpResponseBuilder, fields: &[String]) {
    if !fields.is_empty() {
        response.insert_header((STRIPPED, text(&fields.join(", "))));
    }
}

/// `name@version`.
pub(crate) fn policy(notice: &Notice) -> String {
    format!("{}@{}", notice.policy, notice.policy_version)
}

/// Header values hold visible ASCII; the rest becomes question marks.
fn text(value: &str) -> HeaderValue {
    let shown = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let value: String = value.chars().map(shown).collect();
    HeaderValue::from_str(value.trim()).unwrap_or(HeaderValue::from_static("?"))
}
