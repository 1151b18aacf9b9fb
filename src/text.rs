//! Text as detectors see it. SKELETON.
