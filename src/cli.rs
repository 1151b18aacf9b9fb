//! SKELETON.

pub mod audit;
pub mod keys;
