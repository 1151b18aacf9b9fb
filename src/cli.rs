//! TEMP.
pub mod policy;
