//! How surprising a piece of text is in ordinary English, in bits.
//!
//! The matcher looks for the rarest part of each literal, so that it seldom
//! looks closer for nothing. A wrong guess costs time and changes no result;
//! other languages and rare spellings simply count as rare. Called when rules
//! are compiled, never while a text is read. Knows nothing of rules.

/// Bits, in halves, that the column's character costs after the row's: `A` is
/// 0, `B` one half. Order: a to z, space, anything else. Counted by ourselves
/// over 4.7 million characters of harmless prompts and answers (Dolly, GSM8K,
/// MMLU, Banking77, CLINC150 and the like), lower case, one space between words.
const PAIRS: [&[u8; KINDS]; KINDS] = [
    b"ULJKTOLRLTMHJFUMXGHGNLPSLRHL",
    b"GOPSEWWVIOZHTUGSZIMQHZXZIZMI",
    b"GYLTGZZGIZKKWWFVVJPHJZZZOYJJ",
    b"IUVNFVQTGVZPRRIVXLKUKQSZOZDI",
    b"JRKILOOSNYRKLHPORGHKRNOMOUDJ",
    b"IXVZHKXZGZYLZZFZZHRKJZZZQZDM",
    b"ITXRFVOIHZZLSLIVZILOKZUZNYEI",
    b"FVXSCZZXHZZRSPHVZNRLNZUZNZHK",
    b"KOIKJLLVRWNJKEIMTKGHRKZSVOJL",
    b"EXVRFUXUJSSTTVEQXQMUEWVVZZNL",
    b"JTVTESQLGVULPJLTZOIMMYSZMYFI",
    b"GQOJFPRYGZQGPUHPZTLLKQRZJZGK",
    b"FJSUEUWXHZZRLRHIZUMUKYXZIYGJ",
    b"JUJGHPGPJTOPROJSXUJHMPWZNTEJ",
    b"ONMLOHNQNUOJIFLLZGKKHLJSQUGM",
    b"GVSSFUVJIZZGPVHJZGLJJZYZMZIL",
    b"PQZZXVZXRXZIZXVRVSZVAVVZVZMO",
    b"HQMKERMTGZNMLLHQZLJJMPTZKWFJ",
    b"LULTHQXKIZPOPQJLQWKGKURZPYDH",
    b"JTRVGWYEHZZORUHSZJKNLWOUMVFJ",
    b"KLJLJPLWKVQHIGTKZGGHXSYTPSIL",
    b"GXXXCZXZFZZUWZIXZSVZRZZZRZNK",
    b"FUTTGVZEFZVOWKHZZJMRSZPZUZGM",
    b"HRIZJQZPHYXRVVNFUZRFNTVOMZFH",
    b"MRPPIVSZMZXOMOGMZRJLSZTZWTCG",
    b"FPRPDXQOGZSMOPHUZZTNIQOXMKII",
    b"HKIKLJMKIPOLJLJKRLIGNNIUMUZG",
    b"PSPSSTUTPWURPMRSWQNORTTWUWEB",
];

/// Kinds of characters that the table tells apart.
const KINDS: usize = 28;
const SPACE: usize = 26;
const OTHER: usize = 27;
/// What the first character of a literal costs: about that of a letter.
const FIRST_BITS: f32 = 4.5;
const BYTE_BITS: f32 = 9.0;

/// Words that instructions are made of. The table thinks each letter by
/// itself and finds `how do i` rare; it stands in every other message.
const COMMON: &[&str] = &[
    "a", "about", "an", "and", "any", "are", "as", "at", "be", "but", "by", "can", "could",
    "create", "do", "does", "explain", "find", "for", "from", "get", "give", "good", "has", "have",
    "help", "how", "i", "if", "in", "is", "it", "know", "like", "list", "make", "me", "more", "my",
    "need", "new", "not", "of", "on", "one", "or", "other", "out", "people", "please", "show",
    "should", "so", "some", "someone", "tell", "that", "the", "their", "them", "there", "these",
    "they", "this", "to", "up", "use", "using", "want", "was", "way", "we", "what", "when",
    "where", "which", "who", "why", "will", "with", "without", "would", "write", "you", "your",
];
/// What a common word costs, with the space after it.
const COMMON_BITS: f32 = 4.0;

/// Bits that each byte of a literal adds: sums over a part say how rare it is.
pub fn surprise(literal: &[u8]) -> Vec<f32> {
    let mut bits = Vec::with_capacity(literal.len());
    let mut before = None;
    for byte in literal {
        let (row, column) = (before.map(kind), kind(*byte));
        bits.push(match row {
            _ if !byte.is_ascii() => BYTE_BITS,
            None => FIRST_BITS,
            Some(row) => {
                let pair = PAIRS.get(row).and_then(|pairs| pairs.get(column));
                pair.map_or(BYTE_BITS, |code| f32::from(code.saturating_sub(b'A')) / 2.0)
            }
        });
        before = Some(*byte);
    }
    let mut at = 0;
    for word in literal.split_inclusive(|byte| *byte == b' ') {
        let letters = word.strip_suffix(b" ").unwrap_or(word);
        // Only words that are whole in any text that has the literal.
        let whole = letters.len() < word.len() && (at == 0 || letters.len() > 1);
        if whole && COMMON.iter().any(|common| common.as_bytes() == letters) {
            let each = COMMON_BITS / word.len() as f32;
            for cost in bits.iter_mut().skip(at).take(word.len()) {
                *cost = cost.min(each);
            }
        }
        at += word.len();
    }
    bits
}

/// The share of positions at which ordinary text has these bytes.
pub fn share(literal: &[u8]) -> f32 {
    (-surprise(literal).iter().sum::<f32>()).exp2()
}

/// The share of bytes of ordinary text that are this one.
pub fn byte_share(byte: u8) -> f32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.06,
        b'a'..=b'z' => 0.02,
        b' ' => 0.17,
        b'0'..=b'9' => 0.001,
        b'.' | b',' | b'\'' | b'-' => 0.008,
        _ => 0.000_5,
    }
}

fn kind(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b' ' => SPACE,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_are_rarer_than_what_everybody_says() {
        assert!(share(b"how do i ") > share(b"zeppelin"));
        assert!(share(b"make a ") > share(b"bomb"));
        assert!(share(b"there") > share(b"vodka"));
        assert!(share("ж".as_bytes()) < share(b"e"));
        assert_eq!(share(b""), 1.0);
    }
}
