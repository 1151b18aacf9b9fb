//! `GET /v1/models`: the back ends by name and by alias.

use serde::Serialize;
use utoipa::ToSchema;

use crate::inference::{ModelInfo, Registry};

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// `list`.
    pub object: &'static str,
    pub data: Vec<Model>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Model {
    /// What a request's `model` says.
    pub id: String,
    /// `model`.
    pub object: &'static str,
    /// Unix seconds at which it was loaded.
    pub created: i64,
    /// `portcullis`.
    pub owned_by: &'static str,
    pub portcullis: ModelDetail,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelDetail {
    /// The back end that answers; differs from `id` for an alias.
    pub backend: String,
    /// `embedded` or `upstream`.
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_tokens: Option<usize>,
}

impl ModelList {
    pub(crate) fn new(registry: &Registry) -> Self {
        let backends = registry.backends().map(|backend| Model::new(None, backend.info()));
        let aliases = registry.aliases().filter_map(|(alias, name)| {
            Some(Model::new(Some(alias), registry.resolve(name)?.info()))
        });
        Self { object: "list", data: backends.chain(aliases).collect() }
    }
}

impl Model {
    /// A back end under its own name, or under an alias.
    pub(crate) fn new(alias: Option<&str>, info: &ModelInfo) -> Self {
        Self {
            id: alias.unwrap_or(&info.name).to_owned(),
            object: "model",
            created: info.created,
            owned_by: "portcullis",
            portcullis: ModelDetail {
                backend: info.name.to_string(),
                kind: info.kind,
                digest: info.digest.map(|digest| digest.to_string()),
                context_tokens: info.context_tokens,
            },
        }
    }
}
