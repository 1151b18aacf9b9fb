//! `/openapi.json` and the documentation page at `/docs/`.
//!
//! Request schemas come from the field table, answers from the wire types. The
//! page's script and styles are part of the program; a content security policy
//! makes sure that it loads nothing from outside.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::web::{ServiceConfig, get};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::fields;
use super::layer::resource;
use super::routes::{PolicyState, Readiness, Reloaded};
use super::system_card::SystemCard;
use super::wire::chat::{ChatChunk, ChatCompletion};
use super::wire::completions::Completion;
use super::wire::error::ErrorBody;
use super::wire::models::{Model, ModelList};
use super::wire::moderations::Moderation;
use crate::domain::Endpoint;

mod paths;

pub(crate) fn pages(cfg: &mut ServiceConfig) {
    cfg.service(resource("/openapi.json", "GET", get().to(openapi_json)));
    #[cfg(feature = "docs-ui")]
    ui::page(cfg);
}

async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().json(Description::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portcullis",
        description = "OpenAI's API in front of Llama 2, with the acceptable-use policy enforced.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact(name = "the operator of this gateway")
    ),
    paths(
        paths::chat_completions,
        paths::completions,
        paths::moderations,
        paths::models,
        paths::model,
        paths::system_card,
        paths::healthz,
        paths::readyz,
        paths::metrics,
        paths::reload,
        paths::policies
    ),
    components(schemas(
        ChatRequest, ChatCompletion, ChatChunk, CompletionRequest, Completion, ModerationRequest,
        Moderation, ModelList, Model, ErrorBody, Readiness, SystemCard, PolicyState, Reloaded
    )),
    security(("key" = [])),
    modifiers(&Security)
)]
struct Description;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::Http(bearer));
    }
}

/// Declares a request body whose schema is the endpoint's field table.
macro_rules! request_schema {
    ($name:ident, $endpoint:ident) => {
        #[derive(Debug)]
        struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                fields::schema(fields::of(Endpoint::$endpoint))
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

request_schema!(ChatRequest, ChatCompletions);
request_schema!(CompletionRequest, Completions);
request_schema!(ModerationRequest, Moderations);

#[cfg(feature = "docs-ui")]
mod ui {
    //! Swagger UI, from the vendored archive.

    use actix_web::HttpResponse;
    use actix_web::http::header::{self, CONTENT_SECURITY_POLICY, HeaderValue};
    use actix_web::middleware::DefaultHeaders;
    use actix_web::web::{self, ServiceConfig, get};
    use utoipa_swagger_ui::{Config, SwaggerUi};

    /// The page styles itself inline; scripts, styles and data come from here only.
    const POLICY: HeaderValue = HeaderValue::from_static(
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    );

    pub(super) fn page(cfg: &mut ServiceConfig) {
        // The default validator would show the description to a server outside.
        let config = Config::from("/openapi.json").validator_url("none");
        let ui = web::scope("/docs")
            .wrap(DefaultHeaders::new().add((CONTENT_SECURITY_POLICY, POLICY)))
            .service(SwaggerUi::new("/{_:.*}").config(config));
        cfg.route("/docs", get().to(to_page)).service(ui);
    }

    async fn to_page() -> HttpResponse {
        HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
    }
}
