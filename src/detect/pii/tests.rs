//! What the recognisers have in common; the texts that each must find and
//! must leave alone are the policy tests'.

use super::*;

/// The most that an output rule may match; see the policy compiler.
const OUTPUT_MATCH_CHARS_MAX: usize = 512;

#[test]
fn every_pattern_compiles_and_is_bounded() {
    for entity in Entity::ALL {
        let known = recognisers(*entity);
        for recogniser in &known {
            let pattern = recogniser
                .compile(*entity)
                .unwrap_or_else(|error| panic!("{entity}: {error}: {}", recogniser.pattern));
            let chars = pattern.chars_max();
            assert!(
                chars.is_some_and(|chars| chars <= OUTPUT_MATCH_CHARS_MAX),
                "{entity}: {chars:?}: {}",
                recogniser.pattern
            );
        }
        assert_eq!(patterns(*entity).len(), known.len(), "{entity}");
        assert!(!known.is_empty(), "{entity}");
    }
}
