//! OpenAI's error body.

use serde::Serialize;
use utoipa::ToSchema;

use super::portcullis::Extension;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    pub error: ErrorDetail,
    /// When a decision was made before things went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portcullis: Option<Extension>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorDetail {
    pub message: String,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The request field that is meant.
    pub param: Option<String>,
    pub code: &'static str,
}
