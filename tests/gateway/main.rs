//! The gateway as its users meet it: over HTTP, with the real pipeline, policy
//! engine, audit log and metrics. Only the model is scripted, so that it says
//! what a test needs it to say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic, in its helpers as well"
)]

mod access;
mod admin_listener;
mod answers;
mod bad_input;
mod chat_command;
mod conversations;
mod crash;
mod embedded;
mod harness;
mod limits_of_work;
mod operations;
mod records;
mod streams;
mod system_prompt;
mod tls;
mod upstream;
