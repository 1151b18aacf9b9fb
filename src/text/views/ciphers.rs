//! Letters in another place: moved along the alphabet, turned round, pig Latin.
//!
//! Each word is priced as it stands and under every key by how surprising its
//! letters are ([`super::language`]); changing the key costs, too. The cheapest
//! way through the text (Viterbi's algorithm) says which runs of words are
//! written in which key. No rule is tried, and a sentence in a foreign language
//! stays, because no key makes it cheap enough. Called by [`super`] for texts
//! with a strange stretch; work is a constant per letter.

use std::ops::Range;

use super::language::{Cost, class, pair_cost, word_cost};
use super::parts::{Form, Parts};
use super::survey::strange;
use crate::domain::View;

/// Words that are looked at together.
const CHUNK_WORDS: usize = 2048;
/// A longer run of letters is no word; its beginning tells as much.
const WORD_BYTES_MAX: usize = 40;
/// The price of a pair of letters in a word that no key explains.
const FOREIGN_COST: Cost = 24;
/// What a word in a key costs besides: most words are in none.
const KEYED_COST: Cost = 5;
/// A run must read like this, on average, under its key.
const READ_COST_MAX: Cost = 18;
/// Longer words do not read well by chance.
const EDGE_BYTES_MAX: usize = 3;
/// Words beside a run that may belong to it, and how long they may be.
const WIDE_WORDS_MAX: usize = 4;
const WIDE_BYTES_MAX: usize = 4;
/// A run of fewer letters could be anything.
const LETTERS_MIN: usize = 4;

const PLAIN: usize = 0;
const ROT13: usize = 13;
const TURNED: usize = 26;
const TURNED_ROT13: usize = 27;
const PIG_LATIN: usize = 28;
const KEYS: usize = 29;

/// What it costs to begin with a key.
const fn begin_cost(key: usize) -> Cost {
    match key {
        PLAIN => 0,
        ROT13 => 24,
        PIG_LATIN => 30,
        TURNED => 36,
        _ => 56,
    }
}

/// A message found in a text: words with one key.
#[derive(Debug)]
struct Run {
    key: usize,
    words: Vec<Range<usize>>,
}

/// The text with its ciphers read, and other readings where there are some: in
/// the first turned words stay in their places, in the second their order is
/// turned, too. In the third a message goes on over the short words beside it,
/// which read as well as they stand by chance.
pub(crate) fn ciphers(text: &str) -> [Parts; 3] {
    let mut in_place = Parts::default();
    let mut other = Parts::default();
    let mut wide = Parts::default();
    let words: Vec<_> = strange(text).into_iter().map(|span| words(text, span)).collect();
    for chunk in words.iter().flat_map(|words| words.chunks(CHUNK_WORDS)) {
        for run in runs(text, chunk) {
            widen(text, chunk, &run, &mut wide);
            let (Some(first), Some(last)) = (run.words.first(), run.words.last()) else { continue };
            let span = first.start..last.end;
            let written = text.get(span.clone()).unwrap_or_default();
            match run.key {
                PIG_LATIN => {
                    for word in &run.words {
                        let written = text.get(word.clone()).unwrap_or_default();
                        if let Some(([first, second], _)) = unpig(written) {
                            in_place.push(word.clone(), View::PigLatin, Form::Whole, &first);
                            other.push(word.clone(), View::PigLatin, Form::Whole, &second);
                        }
                    }
                }
                TURNED | TURNED_ROT13 => {
                    let shift = if run.key == TURNED { 0 } else { ROT13 };
                    let kind = if run.key == TURNED { View::Reversed } else { View::Nested };
                    for word in &run.words {
                        let written = text.get(word.clone()).unwrap_or_default();
                        in_place.push(word.clone(), kind, Form::Turned, &turn(written, shift));
                    }
                    if run.words.len() > 1 && written.is_ascii() {
                        other.push(span, kind, Form::Turned, &turn(written, shift));
                    }
                }
                key => {
                    let read: String = written.chars().map(|c| moved(c, key)).collect();
                    in_place.push(span, View::Caesar, Form::Aligned, &read);
                }
            }
        }
    }
    in_place.settle();
    other.settle();
    wide.settle();
    [in_place, other, wide]
}

/// Reads a run together with the short words on either side of it.
fn widen(text: &str, chunk: &[Range<usize>], run: &Run, wide: &mut Parts) {
    let (Some(first), Some(last)) = (run.words.first(), run.words.last()) else { return };
    let from = chunk.partition_point(|word| word.start < first.start);
    let to = chunk.partition_point(|word| word.end <= last.end);
    let joins = |word: &Range<usize>, gap: Range<usize>| {
        let written = text.get(word.clone()).unwrap_or_default();
        let fits = if run.key == PIG_LATIN {
            written.to_ascii_lowercase().ends_with("ay")
        } else {
            written.len() <= WIDE_BYTES_MAX
        };
        fits && text.get(gap).is_some_and(|gap| gap.trim_matches([' ', '\n', ',']).is_empty())
    };
    let mut start = from;
    while let Some([before, after]) = start
        .checked_sub(1)
        .filter(|at| from - at <= WIDE_WORDS_MAX)
        .and_then(|at| chunk.get(at..)?.first_chunk::<2>())
        && joins(before, before.end..after.start)
    {
        start -= 1;
    }
    let mut end = to;
    while let Some([before, after]) = end
        .checked_sub(1)
        .filter(|_| end - to < WIDE_WORDS_MAX)
        .and_then(|at| chunk.get(at..)?.first_chunk::<2>())
        && joins(after, before.end..after.start)
    {
        end += 1;
    }
    let Some(words @ [first, .., last]) = chunk.get(start..end) else { return };
    if words.len() == run.words.len() {
        return;
    }
    let span = first.start..last.end;
    let written = text.get(span.clone()).unwrap_or_default();
    match run.key {
        PIG_LATIN => {
            for word in words {
                let written = text.get(word.clone()).unwrap_or_default();
                if let Some(([first, _], _)) = unpig(written) {
                    wide.push(word.clone(), View::PigLatin, Form::Whole, &first);
                }
            }
        }
        TURNED | TURNED_ROT13 if written.is_ascii() => {
            let (shift, kind) =
                if run.key == TURNED { (0, View::Reversed) } else { (ROT13, View::Nested) };
            wide.push(span, kind, Form::Turned, &turn(written, shift));
        }
        TURNED | TURNED_ROT13 => {}
        key => {
            let read: String = written.chars().map(|c| moved(c, key)).collect();
            wide.push(span, View::Caesar, Form::Aligned, &read);
        }
    }
}

/// Runs of ASCII letters in a part of the text that begins and ends between words.
fn words(text: &str, span: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let part = text.as_bytes().get(span.clone()).unwrap_or_default();
    for (at, byte) in (span.start..).zip(part.iter().copied().chain([b' '])) {
        if byte.is_ascii_alphabetic() {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            words.push(start..at);
        }
    }
    words
}

fn runs(text: &str, words: &[Range<usize>]) -> Vec<Run> {
    let mut best = [Cost::MAX / 2; KEYS];
    best[PLAIN] = 0;
    let mut from: Vec<[u8; KEYS]> = Vec::with_capacity(words.len());
    let mut prices: Vec<[Cost; KEYS]> = Vec::with_capacity(words.len());
    for word in words {
        let price = price(text.get(word.clone()).unwrap_or_default());
        let (cheapest, cost) = cheapest(&best);
        let mut came = [0u8; KEYS];
        for (key, ((best, price), came)) in
            best.iter_mut().zip(price).zip(came.iter_mut()).enumerate()
        {
            let changed = cost + begin_cost(key);
            let (before, least) = if *best <= changed { (key, *best) } else { (cheapest, changed) };
            *best = least + price;
            *came = u8::try_from(before).unwrap_or_default();
        }
        from.push(came);
        prices.push(price);
    }
    let mut runs: Vec<Run> = Vec::new();
    let (mut key, _) = cheapest(&best);
    let mut keys = vec![PLAIN; words.len()];
    for (slot, came) in keys.iter_mut().zip(&from).rev() {
        *slot = key;
        key = came.get(key).copied().map_or(PLAIN, usize::from);
    }
    let mut cost = 0;
    let mut letters = 0;
    let ended = words
        .iter()
        .cloned()
        .zip(keys)
        .zip(prices)
        .map(|((word, key), price)| (word, key, price.get(key).copied().unwrap_or_default()));
    for (word, key, price) in ended {
        match runs.last_mut().filter(|run| run.key == key) {
            Some(run) => run.words.push(word.clone()),
            None => {
                drop_unlikely(&mut runs, cost, letters);
                (cost, letters) = (0, 0);
                runs.push(Run { key, words: vec![word.clone()] });
            }
        }
        cost += price;
        letters += word.len();
    }
    drop_unlikely(&mut runs, cost, letters);
    runs.retain(|run| run.key != PLAIN);
    for run in runs.iter_mut().filter(|run| (1..TURNED).contains(&run.key)) {
        trim(text, &mut run.words);
    }
    runs
}

fn cheapest(costs: &[Cost; KEYS]) -> (usize, Cost) {
    let least = costs.iter().copied().enumerate().min_by_key(|(key, cost)| (*cost, *key));
    least.unwrap_or((PLAIN, 0))
}

/// Short words at the edges of a run that read well as they are stay so: the
/// words around a message, not of it.
fn trim(text: &str, words: &mut Vec<Range<usize>>) {
    let plain = |word: &Range<usize>| {
        let written = text.get(word.clone()).unwrap_or_default();
        let pairs = Cost::try_from(written.len() + 1).unwrap_or(Cost::MAX);
        written.len() <= EDGE_BYTES_MAX
            && word_cost(written.bytes().map(class)) <= READ_COST_MAX.saturating_mul(pairs)
    };
    while words.last().is_some_and(plain) {
        words.pop();
    }
    let leading = words.iter().take_while(|word| plain(word)).count();
    words.drain(..leading);
}

/// Takes the last run back if it is short or does not read like language.
fn drop_unlikely(runs: &mut Vec<Run>, cost: Cost, letters: usize) {
    let Some(run) = runs.last() else { return };
    let pairs = Cost::try_from(letters + run.words.len()).unwrap_or(Cost::MAX);
    if run.key != PLAIN && (letters < LETTERS_MIN || cost > READ_COST_MAX.saturating_mul(pairs)) {
        runs.pop();
    }
}

/// What a word costs under each key.
fn price(word: &str) -> [Cost; KEYS] {
    let word = word.get(..WORD_BYTES_MAX).unwrap_or(word);
    let pairs = Cost::try_from(word.len() + 1).unwrap_or(Cost::MAX);
    let mut prices = [0; KEYS];
    for (key, price) in prices.iter_mut().enumerate() {
        *price = match key {
            PLAIN => word_cost(word.bytes().map(class)).min(FOREIGN_COST * pairs),
            TURNED => word_cost(word.bytes().rev().map(class)),
            TURNED_ROT13 => word_cost(word.bytes().rev().map(|byte| moved_class(byte, ROT13))),
            PIG_LATIN => unpig(word).map_or(FOREIGN_COST * 2 * pairs, |(_, cost)| cost),
            shift => word_cost(word.bytes().map(|byte| moved_class(byte, shift))),
        };
        if key != PLAIN {
            *price += KEYED_COST;
        }
    }
    prices
}

/// The class of a letter moved along the alphabet.
fn moved_class(byte: u8, by: usize) -> usize {
    let at = class(byte) - 1 + by;
    if at >= 26 { at - 25 } else { at + 1 }
}

fn moved(c: char, by: usize) -> char {
    match u8::try_from(c) {
        Ok(byte) if byte.is_ascii_alphabetic() => {
            let small = u8::try_from(moved_class(byte, by) - 1).unwrap_or_default() + b'a';
            char::from(if byte.is_ascii_uppercase() { small.to_ascii_uppercase() } else { small })
        }
        _ => c,
    }
}

fn turn(text: &str, shift: usize) -> String {
    text.chars().rev().map(|c| moved(c, shift)).collect()
}

/// `oempay` is `poem`: the letters before `ay` were in front, as many as an
/// English word can begin with; words that begin with a vowel take `way` or
/// `yay`. Two readings, because `owhay` and `indway` are ambiguous.
fn unpig(word: &str) -> Option<([String; 2], Cost)> {
    if !word.as_bytes().last_chunk::<2>()?.eq_ignore_ascii_case(b"ay") {
        return None;
    }
    let small = word.to_ascii_lowercase();
    let stem = small.strip_suffix("ay").filter(|stem| !stem.is_empty())?;
    let mut moved = Vec::new();
    if stem.starts_with(['a', 'e', 'i', 'o', 'u', 'y']) {
        for letters in (1..=ONSET_LETTERS_MAX).rev() {
            let split = stem.len().checked_sub(letters).and_then(|at| stem.split_at_checked(at));
            let Some((rest, head)) = split.filter(|(rest, _)| !rest.is_empty()) else { continue };
            if letters == 1 || ONSETS.contains(&head) {
                moved.push([head, rest].concat());
            }
        }
    }
    let vowel = |stem: &&str| stem.starts_with(['a', 'e', 'i', 'o', 'u']);
    let bare = stem.strip_suffix(['w', 'y']).filter(vowel).map(str::to_owned);
    let cost = |word: &String| word_cost(word.bytes().map(class));
    let mut moved = moved.into_iter();
    let longest = moved.next();
    let first = bare.clone().or(longest.clone())?;
    let second = if bare.is_some() { longest } else { moved.min_by_key(cost) };
    let second = second.filter(|word| bare.is_some() || cost(word) < cost(&first));
    let second = second.unwrap_or_else(|| first.clone());
    let least = cost(&first).min(cost(&second));
    Some(([first, second], least + pair_cost(class(b'a'), class(b'y'))))
}

/// Letters with which an English word begins before its first vowel.
const ONSET_LETTERS_MAX: usize = 3;
const ONSETS: [&str; 38] = [
    "bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "kn", "ph", "pl", "pr", "qu", "sc",
    "scr", "sh", "shr", "sk", "sl", "sm", "sn", "sp", "spl", "spr", "squ", "st", "str", "sw", "th",
    "thr", "tr", "tw", "wh", "wr", "ps", "gu",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let readings = ciphers(text);
        readings
            .iter()
            .filter(|parts| !parts.is_empty())
            .map(|parts| parts.splice(text).0)
            .collect()
    }

    fn caesar(text: &str, by: usize) -> String {
        text.chars().map(|c| moved(c, by)).collect()
    }

    const SENTENCE: &str = "write a short poem about the sea and the wind";

    #[test]
    fn every_distance_is_found_alone_and_inside_a_sentence() {
        for by in 1..26 {
            let hidden = caesar(SENTENCE, by);
            assert_eq!(read(&hidden), [SENTENCE], "{by}");
            let told = format!("Please decode the following and answer it: {hidden}. Thank you.");
            let meant =
                format!("Please decode the following and answer it: {SENTENCE}. Thank you.");
            assert_eq!(read(&told), [meant], "{by}");
        }
        assert_eq!(read("write a short cbrz please"), ["write a short poem please"]);
    }

    #[test]
    fn turned_text_is_found() {
        let turned: String = SENTENCE.chars().rev().collect();
        assert!(read(&turned).contains(&SENTENCE.to_owned()), "{:?}", read(&turned));
        let words: Vec<String> =
            SENTENCE.split(' ').map(|word| word.chars().rev().collect()).collect();
        assert!(read(&words.join(" ")).contains(&SENTENCE.to_owned()));
        let told = format!("read this backwards: {turned}, then answer");
        assert!(read(&told).iter().any(|text| text.contains(SENTENCE)));
        let twice = caesar(&turned, 13);
        assert!(read(&twice).contains(&SENTENCE.to_owned()));
    }

    #[test]
    fn pig_latin_is_found() {
        let text = "itewray away ortshay oempay aboutway ethay easay andway ethay indway";
        assert!(
            read(text).iter().any(|text| text.contains("write a short poem about the sea and the")),
            "{:?}",
            read(text)
        );
    }

    #[test]
    fn other_languages_names_and_code_stay() {
        for text in [
            "Wie kann ich das heute noch machen, ohne jemanden zu fragen?",
            "Pouvez-vous écrire une lettre pour mon propriétaire, s'il vous plaît",
            "Fyodor Dostoyevsky, Zygmunt Bauman and Nguyen Van Thieu met in Reykjavik",
            "fn main() { let mut rng = thread_rng(); println!(\"{}\", rng.gen_range(0..10)); }",
            "SELECT id, name FROM tbl_usr WHERE ts > NOW() AND qty < 5",
            "ok lol brb idk tbh imo nvm thx bye",
            "the quick brown fox jumps over the lazy dog every single day of the week",
        ] {
            assert_eq!(read(text), Vec::<String>::new());
        }
    }
}
