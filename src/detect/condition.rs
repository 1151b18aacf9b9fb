//! What can be asked about a text as a whole.
//!
//! A [`Condition`] holds or does not; when it holds it points at the part that
//! shows it. All read the text as it was sent, in time linear in its length.
//! Compiled by the policy compiler, asked by the policy engine for whole texts.

use std::ops::Range;

use serde::Serialize;

use super::language;
use super::noise;
use super::script::{self, Script};
use super::shape;

/// One question about a whole text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A third or more of the letters are of these scripts.
    Script(Vec<ScriptName>),
    /// A word mixes alphabets so that letters pose as others.
    MixedScripts,
    /// Surely in one of these languages.
    Language(Vec<&'static str>),
    /// Surely in a language that is none of these.
    LanguageNot(Vec<&'static str>),
    /// More characters, or more words, than these.
    Length { chars_over: Option<usize>, words_over: Option<usize> },
    /// A larger share of lines, or of eight-word sequences, occurred before.
    Repetition { share_over: f64 },
    /// More turns of a dialogue are written out.
    TurnMarkers { over: usize },
    /// Less like writing than this, at the end or in any part.
    Noise { tail_over: Option<f64>, anywhere_over: Option<f64> },
}

/// A script by its name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(into = "&'static str")]
pub struct ScriptName(pub Script);

impl From<ScriptName> for &'static str {
    fn from(name: ScriptName) -> Self {
        name.0.full_name()
    }
}

impl Condition {
    /// Where the text shows that the condition holds; `None` when it does not.
    /// Bytes of `text`, on character boundaries.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        let spoken = |wanted: &dyn Fn(&str) -> bool| {
            let places = language::spoken(text, language::LETTERS_MIN);
            places.into_iter().find(|place| wanted(place.language)).map(|place| place.span)
        };
        match self {
            Self::Script(names) => {
                let scripts: Vec<Script> = names.iter().map(|name| name.0).collect();
                script::written_in(text, &scripts)
            }
            Self::MixedScripts => script::mixed(text),
            Self::Language(names) => spoken(&|language| names.contains(&language)),
            Self::LanguageNot(names) => {
                language::beyond(text, names, language::LETTERS_MIN).map(|place| place.span)
            }
            Self::Length { chars_over, words_over } => {
                shape::longer_than(text, *chars_over, *words_over)
            }
            Self::Repetition { share_over } => shape::repeats(text, *share_over),
            Self::TurnMarkers { over } => shape::dialogue(text, *over),
            Self::Noise { tail_over, anywhere_over } => {
                noise::find(text, *tail_over, *anywhere_over)
            }
        }
    }
}
