//! Portcullis: a gateway that lets nothing in or out of a language model that
//! the acceptable-use policy forbids, and proves what it did.
//!
//! ```text
//! HTTP ─ api ─ admission ─▶ Admitted<Call>                no work without a caller and a permit
//!      ─ pipeline::input  (text, policy) ─▶ Permitted | Refusal
//!      ─ pipeline::generate (inference)  ─▶ TokenStream   accepts only Permitted
//!      ─ pipeline::output (hold-back)    ─▶ Released      the only text that api::sse can write
//!      ─ exchange.seal(outcome)          ─▶ Receipt       audit appended, metrics emitted
//!      ─ api                             ─▶ HTTP          the final frame requires a Receipt
//! ```
//!
//! The modules below stand in the order in which a request meets what they
//! define; lower ones may use higher ones, never the other way round
//! (`tests/architecture.rs`). Start with [`pipeline`].

#![cfg_attr(
    test,
    allow(clippy::string_slice, reason = "a test may panic; clippy.toml covers the other lints")
)]

pub mod domain;
pub mod text;

pub mod admission;
pub mod audit;
pub mod model;
pub mod telemetry;

pub mod detect;
pub mod inference;

pub mod policy;

pub mod pipeline;

pub mod api;

pub mod app;
pub mod config;

pub mod cli;
