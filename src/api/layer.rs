//! What every response gets: an identifier, a count in the metrics when it is
//! a rejection, and a proper error body even when a handler panics.

use std::panic::AssertUnwindSafe;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data, Payload};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, ResponseError as _, Route};
use futures::FutureExt as _;
use uuid::Uuid;

use super::error::{ApiError, Plain, Rejected};
use super::headers::REQUEST_ID;
use super::{Edge, body};

/// A path that takes one method.
pub(crate) fn resource(
    path: &str,
    method: &'static str,
    route: Route,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    web::resource(path)
        .route(route)
        .default_service(web::to(move |request: HttpRequest, payload: Payload| async move {
            drain(&request, payload).await;
            method_not_allowed(method)
        }))
        .wrap(from_fn(finish))
}

fn method_not_allowed(method: &'static str) -> HttpResponse {
    let mut response = ApiError::from(Plain::MethodNotAllowed).error_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
    response
}

/// The answer where no path matches.
pub(crate) async fn not_found(request: HttpRequest, payload: Payload) -> HttpResponse {
    drain(&request, payload).await;
    let mut response = ApiError::from(Plain::NotFound).error_response();
    complete(&mut response, edge(&request));
    response
}

async fn drain(request: &HttpRequest, payload: Payload) {
    if let Some(edge) = edge(request) {
        body::drain(request.headers(), payload, &edge.config).await;
    }
}

fn edge(request: &HttpRequest) -> Option<&Edge> {
    request.app_data::<Data<Edge>>().map(|edge| edge.get_ref())
}

async fn finish<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let edge = request.app_data::<Data<Edge>>().cloned();
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let Ok(answered) = answered else {
        tracing::error!("a request handler panicked");
        return Err(ApiError::from(Plain::Internal).into());
    };
    let mut response = answered?;
    complete(response.response_mut(), edge.as_ref().map(|edge| edge.get_ref()));
    Ok(response)
}

fn complete<B>(response: &mut HttpResponse<B>, edge: Option<&Edge>) {
    let rejected = response.extensions().get::<Rejected>().copied();
    if let (Some(Rejected(code)), Some(edge)) = (rejected, edge) {
        edge.metrics.request_rejected(code);
    }
    let headers = response.headers_mut();
    let id = format!("req_{}", Uuid::now_v7().simple());
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static(REQUEST_ID), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::test::{TestRequest, init_service, try_call_service};

    use super::*;

    #[actix_web::test]
    async fn a_panic_is_an_ordinary_error_and_the_next_request_is_served() {
        async fn broken() -> HttpResponse {
            panic!("a secret")
        }
        async fn fine() -> HttpResponse {
            HttpResponse::Ok().finish()
        }
        let broken = resource("/broken", "GET", web::get().to(broken));
        let fine = resource("/fine", "GET", web::get().to(fine));
        let service = init_service(App::new().service(broken).service(fine)).await;
        let call = async |path| {
            let request = TestRequest::get().uri(path).to_request();
            try_call_service(&service, request).await
        };
        let error = call("/broken").await.unwrap_err();
        let response = error.error_response();
        assert_eq!(response.status().as_u16(), 500);
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
        let response = call("/fine").await.unwrap();
        assert!(response.headers().contains_key(REQUEST_ID));
    }
}
