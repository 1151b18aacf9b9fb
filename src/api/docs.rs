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

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::Value;

    use super::*;
    use crate::api::fixtures::Fixture;

    /// Every reference of the document leads somewhere in it.
    fn check_references(value: &Value, document: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                map.values().for_each(|value| check_references(value, document));
            }
            Value::Array(items) => items.iter().for_each(|item| check_references(item, document)),
            _ => {}
        }
    }

    #[test]
    fn the_description_is_complete() {
        let document = serde_json::to_value(Description::openapi()).unwrap();
        check_references(&document, &document);
        for path in ["/v1/chat/completions", "/v1/completions", "/v1/moderations"] {
            assert!(document["paths"][path]["post"]["requestBody"].is_object(), "{path}");
        }
        let chat = &document["components"]["schemas"]["ChatRequest"];
        assert_eq!(chat["additionalProperties"], false);
        assert_eq!(chat["required"], serde_json::json!(["messages", "model"]));
        assert_eq!(chat["properties"]["temperature"]["maximum"], 2.0);
        let names = chat["properties"].as_object().unwrap().len();
        assert_eq!(names, fields::of(Endpoint::ChatCompletions).len());
    }

    #[cfg(feature = "docs-ui")]
    #[actix_web::test]
    async fn the_page_and_its_parts_come_from_here() {
        let gateway = Fixture::saying(&[]);
        let get = async |path: &str| gateway.send(TestRequest::get().uri(path)).await;
        assert_eq!(get("/docs").await.headers["location"], "/docs/");
        let page = get("/docs/").await;
        assert_eq!(page.status, 200);
        assert!(page.headers["content-security-policy"].starts_with("default-src 'self'"));
        let start = get("/docs/swagger-initializer.js").await.text;
        assert!(start.contains("/openapi.json"), "{start}");
        assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
        for text in [&page.text, &start] {
            assert!(!text.contains("http://") && !text.contains("https://"), "{text}");
            assert!(!text.contains("\"//"), "{text}");
        }
        // All that the page names is there.
        for part in page.text.split(['"', '\'']).filter(|part| part.starts_with("./")) {
            let part = format!("/docs/{}", part.trim_start_matches("./"));
            let gateway = Fixture::saying(&[]);
            assert_eq!(gateway.status_of(&part).await, 200, "{part}");
        }
        assert_eq!(get("/openapi.json").await.status, 200);
    }
}
