//! Detectors: what finds evidence in a text. SKELETON.
