//! The language of a text, when it is sure.
//!
//! A trigram model names the language of anything, so most of the work is to
//! know when not to ask it: code, numbers, names and short texts have none.
//! Reads the text as it was sent. Called by [`super::condition`] and, for the
//! languages that a policy covers, by `policy`.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

use whatlang::Lang;

/// Fewer letters say nothing, unless the caller asks for more.
pub const LETTERS_MIN: usize = 40;
/// A long text is looked at in three places, each of this size.
const SAMPLE_BYTES: usize = 4 << 10;
/// Most of what is asked about must be words: letters and a few marks.
const WORDS_SHARE_MIN: f64 = 0.6;
/// A text with this share of its words among the commonest of a language is
/// not in another one, whatever the trigrams say.
const COMMON_SHARE_MIN: f64 = 0.12;
/// With this share, and twice that of any other, it is in that language.
const COMMON_SURE_MIN: f64 = 0.3;
/// With fewer words, shares mean nothing.
const WORDS_MIN: usize = 6;

/// ISO 639-1 (639-3 where there is none), and what the model calls it.
const LANGUAGES: &[(&str, Lang)] = &[
    ("af", Lang::Afr),
    ("ak", Lang::Aka),
    ("am", Lang::Amh),
    ("ar", Lang::Ara),
    ("az", Lang::Aze),
    ("be", Lang::Bel),
    ("bg", Lang::Bul),
    ("bn", Lang::Ben),
    ("ca", Lang::Cat),
    ("cs", Lang::Ces),
    ("cy", Lang::Cym),
    ("da", Lang::Dan),
    ("de", Lang::Deu),
    ("el", Lang::Ell),
    ("en", Lang::Eng),
    ("eo", Lang::Epo),
    ("es", Lang::Spa),
    ("et", Lang::Est),
    ("fa", Lang::Pes),
    ("fi", Lang::Fin),
    ("fr", Lang::Fra),
    ("gu", Lang::Guj),
    ("he", Lang::Heb),
    ("hi", Lang::Hin),
    ("hr", Lang::Hrv),
    ("hu", Lang::Hun),
    ("hy", Lang::Hye),
    ("id", Lang::Ind),
    ("it", Lang::Ita),
    ("ja", Lang::Jpn),
    ("jv", Lang::Jav),
    ("ka", Lang::Kat),
    ("km", Lang::Khm),
    ("kn", Lang::Kan),
    ("ko", Lang::Kor),
    ("la", Lang::Lat),
    ("lt", Lang::Lit),
    ("lv", Lang::Lav),
    ("mk", Lang::Mkd),
    ("ml", Lang::Mal),
    ("mr", Lang::Mar),
    ("my", Lang::Mya),
    ("nb", Lang::Nob),
    ("ne", Lang::Nep),
    ("nl", Lang::Nld),
    ("or", Lang::Ori),
    ("pa", Lang::Pan),
    ("pl", Lang::Pol),
    ("pt", Lang::Por),
    ("ro", Lang::Ron),
    ("ru", Lang::Rus),
    ("si", Lang::Sin),
    ("sk", Lang::Slk),
    ("sl", Lang::Slv),
    ("sn", Lang::Sna),
    ("sr", Lang::Srp),
    ("sv", Lang::Swe),
    ("ta", Lang::Tam),
    ("te", Lang::Tel),
    ("th", Lang::Tha),
    ("tk", Lang::Tuk),
    ("tl", Lang::Tgl),
    ("tr", Lang::Tur),
    ("uk", Lang::Ukr),
    ("ur", Lang::Urd),
    ("uz", Lang::Uzb),
    ("vi", Lang::Vie),
    ("yi", Lang::Yid),
    ("zh", Lang::Cmn),
    ("zu", Lang::Zul),
];

/// The commonest words of the languages that short texts are most often taken
/// for another of; written down by us.
const COMMON: [(&str, &[&str]); 7] = [
    (
        "en",
        &[
            "the", "a", "an", "and", "or", "of", "to", "in", "is", "are", "was", "were", "i",
            "you", "he", "she", "it", "we", "they", "my", "your", "his", "her", "me", "do", "does",
            "did", "what", "which", "who", "how", "when", "where", "why", "for", "with", "on",
            "at", "by", "from", "that", "this", "these", "be", "been", "have", "has", "had", "can",
            "will", "would", "should", "not", "if", "but", "as", "there", "their", "about",
            "please", "give", "write", "make", "name", "into", "than", "some", "any", "all", "am",
            "i'm",
        ],
    ),
    (
        "de",
        &[
            "der", "die", "das", "und", "oder", "ist", "sind", "ein", "eine", "ich", "du", "er",
            "sie", "es", "wir", "nicht", "mit", "von", "zu", "für", "auf", "wie", "was", "den",
            "dem", "im", "in", "bitte", "kann", "mir",
        ],
    ),
    (
        "fr",
        &[
            "le", "la", "les", "un", "une", "et", "ou", "de", "des", "du", "je", "tu", "il",
            "elle", "nous", "vous", "est", "sont", "ne", "pas", "que", "qui", "dans", "pour",
            "avec", "sur", "comment", "mon", "ma", "à",
        ],
    ),
    (
        "es",
        &[
            "el", "la", "los", "las", "un", "una", "y", "o", "de", "del", "que", "en", "es", "son",
            "no", "por", "para", "con", "como", "cómo", "qué", "mi", "su", "me", "se", "lo", "al",
            "más", "yo", "está",
        ],
    ),
    (
        "pt",
        &[
            "o", "a", "os", "as", "um", "uma", "e", "de", "do", "da", "que", "em", "no", "na", "é",
            "são", "não", "por", "para", "com", "como", "meu", "minha", "se", "mais", "eu", "você",
            "dos", "ao", "qual",
        ],
    ),
    (
        "it",
        &[
            "il", "lo", "la", "gli", "le", "un", "una", "e", "di", "del", "della", "che", "in",
            "è", "sono", "non", "per", "con", "come", "mi", "si", "da", "al", "più", "io", "nel",
            "a", "qual", "mio", "i",
        ],
    ),
    (
        "nl",
        &[
            "de", "het", "een", "en", "of", "van", "is", "zijn", "ik", "je", "hij", "zij", "wij",
            "niet", "met", "voor", "op", "te", "dat", "die", "hoe", "wat", "mijn", "in", "er",
            "aan", "om", "kan", "naar", "ook",
        ],
    ),
];

/// No word of [`COMMON`] is longer.
const COMMON_BYTES_MAX: usize = 8;

/// Every name that a policy may use.
pub fn names() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|(name, _)| *name)
}

/// A text's language and the part that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// As in [`names`].
    pub language: &'static str,
    pub span: Range<usize>,
}

/// The language of each place that was looked at, when it is sure; none of
/// fewer than `letters_min` letters.
pub fn spoken(text: &str, letters_min: usize) -> Vec<Spoken> {
    samples(text)
        .into_iter()
        .filter_map(|span| {
            let language = sure(text.get(span.clone())?, letters_min)?;
            Some(Spoken { language, span })
        })
        .collect()
}

/// The first place in a language that is not one of `covered`.
pub fn beyond(text: &str, covered: &[&str], letters_min: usize) -> Option<Spoken> {
    samples(text).into_iter().find_map(|span| {
        let sample = text.get(span.clone())?;
        let language = sure(sample, letters_min)?;
        let shares = common_shares(sample);
        let common =
            |name: &&str| shares.iter().any(|(of, share)| of == name && *share >= COMMON_SHARE_MIN);
        let is_covered = covered.contains(&language) || covered.iter().any(common);
        (!is_covered).then_some(Spoken { language, span })
    })
}

/// The whole of a short text; beginning, middle and end of a long one.
fn samples(text: &str) -> Vec<Range<usize>> {
    if text.len() <= 3 * SAMPLE_BYTES {
        return std::iter::once(0..text.len()).collect();
    }
    let at = |offset: usize| text.floor_char_boundary(offset);
    let middle = (text.len() - SAMPLE_BYTES) / 2;
    vec![
        0..at(SAMPLE_BYTES),
        at(middle)..at(middle + SAMPLE_BYTES),
        at(text.len() - SAMPLE_BYTES)..text.len(),
    ]
}

fn sure(sample: &str, letters_min: usize) -> Option<&'static str> {
    let prose = prose(sample)?;
    if prose.chars().filter(|c| c.is_alphabetic()).count() < letters_min.max(1) {
        return None;
    }
    let shares = common_shares(&prose);
    let (best, share) = best(&shares);
    let second = shares.iter().filter(|(name, _)| *name != best).map(|(_, share)| *share);
    if share >= COMMON_SURE_MIN && share >= 2.0 * second.fold(0.0, f64::max) {
        return Some(best);
    }
    let info = whatlang::detect(&prose).filter(whatlang::Info::is_reliable)?;
    let name = LANGUAGES.iter().find(|(_, lang)| *lang == info.lang()).map(|(name, _)| *name)?;
    // Where common words say otherwise, nothing is sure.
    let contested = best != name && share >= COMMON_SHARE_MIN;
    (!contested).then_some(name)
}

/// The words of a text without what belongs to no language; `None` when that
/// is most of it.
fn prose(sample: &str) -> Option<String> {
    let mut kept = String::new();
    let mut bytes = 0;
    for word in sample.split_whitespace() {
        bytes += word.len();
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let is_word = !bare.is_empty()
            && !bare.chars().any(|c| c.is_ascii_digit() || "_/\\=<>{}()[]@#$%^&*|~+".contains(c))
            && !bare.contains("::")
            && !bare.chars().skip(1).any(|c| c.is_ascii_uppercase());
        if is_word {
            kept.push_str(bare);
            kept.push(' ');
        }
    }
    (kept.len() as f64 >= WORDS_SHARE_MIN * bytes as f64).then_some(kept)
}

/// Per language of [`COMMON`]: the share of the words that are among its commonest.
fn common_shares(text: &str) -> [(&'static str, f64); COMMON.len()] {
    static LANGUAGES_OF: OnceLock<HashMap<&'static str, Vec<usize>>> = OnceLock::new();
    let languages_of = LANGUAGES_OF.get_or_init(|| {
        let mut map: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (index, (_, words)) in COMMON.iter().enumerate() {
            for word in *words {
                map.entry(word).or_default().push(index);
            }
        }
        map
    });
    let mut found = COMMON.map(|(name, _)| (name, 0.0));
    let mut words = 0usize;
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()) {
        words += 1;
        if word.len() > COMMON_BYTES_MAX {
            continue;
        }
        for index in languages_of.get(word.to_lowercase().as_str()).into_iter().flatten() {
            if let Some((_, count)) = found.get_mut(*index) {
                *count += 1.0;
            }
        }
    }
    for (_, count) in &mut found {
        *count = if words < WORDS_MIN { 0.0 } else { *count / words as f64 };
    }
    found
}

fn best(shares: &[(&'static str, f64)]) -> (&'static str, f64) {
    shares.iter().fold(("", 0.0), |best, next| if next.1 > best.1 { *next } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        spoken(text, LETTERS_MIN).first().map(|spoken| spoken.language)
    }

    #[test]
    fn prose_has_a_language() {
        for (language, text) in [
            ("en", "Could you tell me how long I should boil the potatoes for a salad?"),
            ("de", "Kannst du mir bitte erklären, wie lange ich die Kartoffeln kochen muss?"),
            ("fr", "Pouvez-vous me dire combien de temps il faut cuire les pommes de terre ?"),
            ("es", "¿Cuánto tiempo tengo que cocer las patatas para hacer una buena ensalada?"),
            (
                "ru",
                "Скажите, пожалуйста, как долго нужно варить картошку? Я никогда этого не делал и хотел бы знать, что для этого нужно купить и сколько времени это обычно занимает, чтобы всё было готово к обеду.",
            ),
            (
                "zh",
                "请告诉我做沙拉的土豆需要煮多长时间，还有需要准备哪些其他的材料，谢谢你的帮助，我已经买好了鸡蛋和黄瓜",
            ),
            (
                "ja",
                "サラダに使うじゃがいもはどれくらいの時間ゆでればいいですか。ほかに必要な材料も教えてください。",
            ),
        ] {
            assert_eq!(of(text), Some(language), "{text}");
            assert!(beyond(text, &[language], LETTERS_MIN).is_none());
            assert!(beyond(text, &["sw"], LETTERS_MIN).is_some());
        }
    }

    #[test]
    fn code_numbers_and_short_texts_have_none() {
        for text in [
            "Bonjour à tous",
            "ja",
            "12,5 + 7 = 19,5; 3 x 4 = 12; 100 / 8 = 12,5; 2 ^ 10 = 1024",
            "for (int i = 0; i < n; i++) { sum += values[i] * weights[i]; } return sum / n;",
            "SELECT name, count(*) FROM orders WHERE year(date) = 2024 GROUP BY name;",
            "https://www.example.com/a/very/long/path?with=many&query=parameters&and=more",
            "def f(x):\n    return [g(y) for y in x if y is not None and y.z()]\n",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_looked_at_in_three_places() {
        let english =
            "This is the story of a boy who went to the market with his dog. ".repeat(300);
        let german = "Das ist die Geschichte von einem Jungen, der mit dem Hund zum Markt ging. "
            .repeat(100);
        assert_eq!(spoken(&english, LETTERS_MIN).len(), 3);
        assert!(beyond(&english, &["en"], LETTERS_MIN).is_none());
        let mixed = format!("{english}{german}");
        let found = beyond(&mixed, &["en"], LETTERS_MIN).unwrap();
        assert_eq!((found.language, found.span.end), ("de", mixed.len()));
    }

    #[test]
    fn every_name_is_two_letters_and_used_once() {
        let mut all: Vec<_> = names().collect();
        assert!(all.iter().all(|name| name.len() == 2));
        all.dedup();
        assert_eq!(all.len(), LANGUAGES.len());
        let words = COMMON.iter().flat_map(|(_, words)| words.iter());
        assert!(words.clone().all(|word| word.len() <= COMMON_BYTES_MAX));
        assert!(COMMON.iter().all(|(name, _)| names().any(|known| known == *name)));
    }
}
