//! SKELETON.

pub mod model;
