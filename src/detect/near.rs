//! Words that stand close together, as patterns with a bound.
//!
//! `near` is compiled, not searched for: each order of the groups becomes one
//! regular expression on the canonical view, so that the prefilter, the
//! hold-back of streams and exceptions treat it like any other pattern. Called
//! by the policy compiler; knows no YAML.
//!
//! A word is a run of letters, digits, `_` and `'`. Scripts that are written
//! without spaces have no such runs: beside one of their words each of their
//! characters counts as a word.

use super::lexicon::is_unspaced;
use super::{Pattern, PatternError};

/// Groups in one `near`; each order of them is a pattern of its own.
pub const GROUPS_MAX: usize = 4;
/// Words in a group; with more, the prefilter could not announce the pattern.
pub const GROUP_WORDS_MAX: usize = 48;
/// Words between two neighbours.
pub const WITHIN_WORDS_MAX: usize = 32;
/// A longer run is no word (a hash, a link) and is not bridged.
const WORD_CHARS_MAX: usize = 24;
/// Spaces and punctuation between two words.
const SEPARATORS_MAX: usize = 8;

/// ASCII spaces and punctuation except `'` and `_`. The canonical view has
/// hardly any other; what it has counts as a letter.
const SEPARATORS: &str = r" -&(-/:-@\[-^{-~";
/// Han, kana, Thai, Lao, Burmese, Khmer, as in [`is_unspaced`].
const UNSPACED: &str = r"\u{e00}-\u{eff}\u{1000}-\u{109f}\u{1780}-\u{17ff}\u{2e80}-\u{2fdf}\u{3005}-\u{30ff}\u{3400}-\u{4dbf}\u{4e00}-\u{9fff}\u{f900}-\u{faff}\u{20000}-\u{3ffff}";

/// The patterns of one `near`, one for each order of its groups. Every
/// word is in canonical form; one that ends in `*` stands for all words that
/// begin so. At most `within` words may stand between two neighbours.
///
/// # Errors
/// When a pattern is too large.
pub fn patterns(
    groups: &[Vec<String>],
    within: usize,
    ordered: bool,
) -> Result<Vec<Pattern>, PatternError> {
    let unspaced = groups.iter().flatten().any(|word| word.chars().any(is_unspaced));
    let gap = gap(within, unspaced);
    let arms: Vec<String> = groups.iter().map(|words| arm(words)).collect();
    orders(arms.len(), ordered)
        .iter()
        .map(|order| {
            let parts: Vec<&str> =
                order.iter().filter_map(|index| arms.get(*index)).map(String::as_str).collect();
            Pattern::parse(&parts.join(&gap))
        })
        .collect()
}

/// What may stand between two neighbours. Quotation marks at the words'
/// edges belong to neither.
fn gap(within: usize, unspaced: bool) -> String {
    if unspaced {
        let word = format!("(?:[{UNSPACED}]|[^{SEPARATORS}{UNSPACED}]{{1,{WORD_CHARS_MAX}}})");
        let separators = format!("[{SEPARATORS}]{{0,{SEPARATORS_MAX}}}");
        return format!("(?:{separators}{word}){{0,{within}}}?{separators}");
    }
    let word = format!("[^{SEPARATORS}]{{1,{WORD_CHARS_MAX}}}");
    let separators = format!("[{SEPARATORS}]{{1,{SEPARATORS_MAX}}}");
    format!("'{{0,2}}(?:{separators}{word}){{0,{within}}}?{separators}'{{0,2}}")
}

/// One of the words of a group.
fn arm(words: &[String]) -> String {
    let arms: Vec<String> = words
        .iter()
        .map(|word| {
            let (stem, more) = match word.strip_suffix('*') {
                Some(stem) => (stem, format!("[^{SEPARATORS}]{{0,{WORD_CHARS_MAX}}}")),
                None => (word.as_str(), boundary(word.chars().next_back()).to_owned()),
            };
            format!("{}{}{more}", boundary(stem.chars().next()), regex_syntax::escape(stem))
        })
        .collect();
    format!("(?:{})", arms.join("|"))
}

/// What makes an edge of a word an edge, by its outermost character.
fn boundary(edge: Option<char>) -> &'static str {
    match edge {
        Some(c) if c.is_ascii_alphanumeric() || c == '_' => r"(?-u:\b)",
        Some(c) if c.is_alphanumeric() && !is_unspaced(c) => r"\b",
        _ => "",
    }
}

/// All orders of `count` groups, or the written one only.
fn orders(count: usize, ordered: bool) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for index in 0..count.min(GROUPS_MAX) {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                let first = if ordered { order.len() } else { 0 };
                (first..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, index);
                    longer
                })
            })
            .collect();
    }
    orders
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::detect::{Detector, Rule};
    use crate::text::{Canonical, canonical};

    fn near(groups: &[&[&str]], within: usize, ordered: bool) -> Vec<Pattern> {
        let groups: Vec<Vec<String>> =
            groups.iter().map(|words| words.iter().map(|word| canonical(word)).collect()).collect();
        patterns(&groups, within, ordered).unwrap()
    }

    fn finds(patterns: &[Pattern], text: &str) -> bool {
        let text = canonical(text);
        patterns.iter().any(|pattern| pattern.find_at(&text, 0).is_some())
    }

    #[test]
    fn words_between_are_counted() {
        let near = near(&[&["make", "build"], &["bomb*"]], 2, false);
        for text in [
            "make bomb",
            "MAKE a — really — BÖMB",
            "'make' a 'bomb'",
            "a bomb, I build",
            "build don't can't bombs",
            "make ... bomber",
            "make(a)bombshell",
        ] {
            assert!(finds(&near, text), "{text}");
        }
        for text in [
            "make one two three bomb",
            "remake bomb",
            "makes a bomb",
            "make",
            "bomb",
            "a abomb make",
        ] {
            assert!(!finds(&near, text), "{text}");
        }
        assert_eq!(near.len(), 2);
    }

    #[test]
    fn order_matters_when_asked() {
        let near = near(&[&["ignore"], &["all", "previous"], &["instructions"]], 1, true);
        assert_eq!(near.len(), 1);
        assert!(finds(&near, "ignore all the instructions"));
        assert!(!finds(&near, "instructions: all of it, ignore"));
        assert_eq!(self::near(&[&["a"], &["b"], &["c"], &["d"]], 1, false).len(), 24);
    }

    #[test]
    fn other_scripts_have_words_too() {
        let russian = near(&[&["сделать", "собрать"], &["бомб*"]], 2, false);
        assert!(finds(&russian, "Как СДЕЛАТЬ большую бомбу?"));
        assert!(!finds(&russian, "сделатьли бомбу"));
        let chinese = near(&[&["制造"], &["炸弹"]], 4, false);
        assert!(finds(&chinese, "如何制造一个大炸弹"));
        assert!(finds(&chinese, "制造 炸弹"));
        assert!(!finds(&chinese, "制造很多奇怪的炸弹"));
        let mixed = near(&[&["make", "сделать"], &["炸弹"]], 2, false);
        assert!(finds(&mixed, "make炸弹") && finds(&mixed, "make a 炸弹"));
        assert!(!finds(&mixed, "remake炸弹"));
    }

    #[test]
    fn a_match_has_a_bound_and_literals_announce_it() {
        for pattern in near(&[&["make", "build"], &["bomb", "explosive"]], 8, false) {
            assert!(pattern.chars_max().unwrap() < 320, "{:?}", pattern.chars_max());
            assert!(pattern.anchor().is_some());
        }
    }

    const WORDS: &[&str] = &["a", "b", "c", "ab", "abc", "x", "don't", "x_y", "жа", "7"];
    const GAPS: &[&str] = &[" ", ", ", ". ", " - ", "-", "\n", " (", "/"];

    /// Words as the doc defines them.
    fn words(text: &str) -> Vec<String> {
        canonical(text)
            .split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_' && c != '\'')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn is_in(word: &str, group: &[&str]) -> bool {
        group.iter().map(|entry| canonical(entry)).any(|entry| match entry.strip_suffix('*') {
            Some(stem) => word.starts_with(stem),
            None => word == entry,
        })
    }

    /// The search as one would write it without patterns.
    fn naive(words: &[String], groups: &[&[&str]], within: usize, ordered: bool) -> bool {
        orders(groups.len(), ordered).iter().any(|order| {
            let mut ends: Vec<usize> =
                (0..words.len()).filter(|at| is_in(&words[*at], groups[order[0]])).collect();
            for index in &order[1..] {
                ends = (0..words.len())
                    .filter(|at| is_in(&words[*at], groups[*index]))
                    .filter(|at| ends.iter().any(|end| end < at && at - end - 1 <= within))
                    .collect();
            }
            !ends.is_empty()
        })
    }

    fn writing() -> impl Strategy<Value = String> {
        proptest::collection::vec((select(WORDS), select(GAPS)), 0..14)
            .prop_map(|parts| parts.iter().map(|(word, gap)| format!("{word}{gap}")).collect())
    }

    const GROUPS: &[&[&[&str]]] = &[
        &[&["a", "abc"], &["b"]],
        &[&["a"], &["a", "7"]],
        &[&["ab*"], &["c", "жа"]],
        &[&["a"], &["b"], &["c"]],
        &[&["x_y"], &["don't", "b"]],
    ];

    proptest! {
        #[test]
        fn it_is_the_naive_search(
            text in writing(), groups in select(GROUPS), within in 0usize..4, ordered: bool,
        ) {
            let found = finds(&near(groups, within, ordered), &text);
            prop_assert_eq!(found, naive(&words(&text), groups, within, ordered), "{}", text);
        }

        /// In any cut, and whatever stands around it.
        #[test]
        fn neither_a_cut_nor_more_words_hide_it(
            text in writing(), before in writing(), after in writing(),
            groups in select(GROUPS), within in 0usize..3, size in 1usize..9,
        ) {
            let rule = Rule { patterns: near(groups, within, false), ..Rule::default() };
            let detector = Detector::new(vec![rule]).unwrap();
            let (mut whole, mut cut) = (Vec::new(), Vec::new());
            let view = Canonical::of(&text);
            detector.scan(&view, 0..view.end(), &mut detector.pass(), &mut whole);
            let mut pass = detector.pass();
            let mut from = 0;
            while from < view.end() {
                let until = (from + size).min(view.end());
                let until = (until..=view.end()).find(|at| view.text().is_char_boundary(*at)).unwrap();
                detector.scan(&view, from..until, &mut pass, &mut cut);
                from = until;
            }
            let key = |hit: &crate::detect::Hit| (hit.span.start, hit.span.end);
            whole.sort_by_key(key);
            cut.sort_by_key(key);
            prop_assert_eq!(&cut, &whole);
            if !whole.is_empty() {
                let longer = format!("{before} . {text} . {after}");
                prop_assert!(finds(&near(groups, within, false), &longer), "{}", longer);
            }
        }
    }
}
