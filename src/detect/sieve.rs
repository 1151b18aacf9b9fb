//! Finds, at about a cycle a byte, the few places where a literal may stand.
//!
//! Of each literal the rarest `WIDTH` bytes are kept (a gram), and the
//! `STRIDE - 1` grams after it, so that only every `STRIDE`th position of a
//! text has to be tested: any occurrence has exactly one of its grams there. A test is a
//! multiplication and two bits of one word (Bloom's filter, blocked as by
//! Putze, Sanders and Singler); what passes is looked up exactly. The cost
//! does not depend on how many literals there are as long as the filter stays
//! sparse. Knows bytes only; [`super::lexicon`] builds and drives it.

use super::frequency::surprise;

/// Odd and without structure: 2^64 divided by the golden ratio (Knuth, 6.4).
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// Tests between two branches.
const BATCH: usize = 8;
/// Grams per 64-bit word of the filter: two bits each, so one bit in 16 is set.
const GRAMS_PER_WORD: usize = 2;
const WORDS_MIN: usize = 64;
const WORDS_MAX: usize = 1 << 18;
/// How much worse a gram gets with each literal that has it already.
const CROWD_SHARE: f32 = 1e-6;

/// A filter for literals of at least `WIDTH + STRIDE - 1` bytes. `BLOCK` is
/// the bytes that a batch of tests reads.
#[derive(Debug)]
pub struct Sieve<const WIDTH: usize, const STRIDE: usize, const BLOCK: usize> {
    words: Box<[u64]>,
    word_shift: u32,
    /// Where the entries of a slot begin; one more than slots.
    heads: Box<[u32]>,
    head_shift: u32,
    entries: Box<[Entry]>,
}

/// One gram of one literal.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    literal: u32,
    /// Bytes from the literal's start to the gram.
    back: u32,
}

impl<const WIDTH: usize, const STRIDE: usize, const BLOCK: usize> Sieve<WIDTH, STRIDE, BLOCK> {
    /// Shorter literals belong to another sieve.
    pub const LITERAL_BYTES_MIN: usize = WIDTH + STRIDE - 1;

    /// `literals` with the numbers by which they are reported.
    pub fn new<'l>(literals: impl ExactSizeIterator<Item = (u32, &'l [u8])>) -> Self {
        let grams = literals.len() * STRIDE;
        let slots = grams.next_power_of_two().max(1);
        let head_shift = u64::BITS - slots.trailing_zeros();
        let mut crowd = vec![0u16; slots];
        let mut hashed: Vec<(u64, Entry)> = Vec::with_capacity(grams);
        for (number, literal) in literals {
            let first = rarest::<WIDTH, STRIDE>(literal, &crowd, head_shift);
            for back in first..first + STRIDE {
                let Some(gram) = literal.get(back..).and_then(gram::<WIDTH>) else { continue };
                let hash = hash(gram);
                if let Some(count) = crowd.get_mut(slot(hash, head_shift)) {
                    *count = count.saturating_add(1);
                }
                let back = u32::try_from(back).unwrap_or(u32::MAX);
                hashed.push((hash, Entry { tag: tag(hash), literal: number, back }));
            }
        }
        hashed.sort_unstable_by_key(|(hash, entry)| (*hash, entry.literal, entry.back));
        let count = (grams / GRAMS_PER_WORD).next_power_of_two().clamp(WORDS_MIN, WORDS_MAX);
        let word_shift = u64::BITS - count.trailing_zeros();
        let mut words = vec![0u64; count];
        let mut heads = vec![0u32; slots + 1];
        for (hash, _) in &hashed {
            if let Some(word) = words.get_mut(slot(*hash, word_shift)) {
                *word |= 1 << first_bit(*hash) | 1 << second_bit(*hash);
            }
            if let Some(head) = heads.get_mut(slot(*hash, head_shift) + 1) {
                *head += 1;
            }
        }
        let mut sum = 0;
        for head in &mut heads {
            sum += *head;
            *head = sum;
        }
        Self {
            words: words.into(),
            word_shift,
            heads: heads.into(),
            head_shift,
            entries: hashed.into_iter().map(|(_, entry)| entry).collect(),
        }
    }

    /// Tests every `STRIDE`th position from `at` on, up to `until` and as far as
    /// a gram fits; `found` gets the number of a literal and where it would
    /// start. Returns the first position that was not tested.
    pub fn scan(
        &self,
        text: &[u8],
        mut at: usize,
        until: usize,
        mut found: impl FnMut(u32, usize),
    ) -> usize {
        if self.entries.is_empty() {
            return at.max(until);
        }
        let end = until.saturating_add(WIDTH - 1).min(text.len());
        let mut rest = text.get(at..end).unwrap_or_default();
        while let Some(block) = rest.first_chunk::<BLOCK>() {
            let mut passed = 0u32;
            for step in 0..BATCH {
                let gram = block.get(step * STRIDE..).and_then(gram::<WIDTH>).unwrap_or_default();
                passed |= u32::from(self.passes(hash(gram))) << step;
            }
            while passed != 0 {
                let step = passed.trailing_zeros() as usize;
                passed &= passed - 1;
                if let Some(gram) = block.get(step * STRIDE..).and_then(gram::<WIDTH>) {
                    self.look(hash(gram), at + step * STRIDE, &mut found);
                }
            }
            at += BATCH * STRIDE;
            rest = rest.get(BATCH * STRIDE..).unwrap_or_default();
        }
        while let Some(gram) = gram::<WIDTH>(rest) {
            let hash = hash(gram);
            if self.passes(hash) {
                self.look(hash, at, &mut found);
            }
            at += STRIDE;
            rest = rest.get(STRIDE..).unwrap_or_default();
        }
        at
    }

    #[inline(always)]
    fn passes(&self, hash: u64) -> bool {
        let word = self.words.get(slot(hash, self.word_shift)).copied().unwrap_or_default();
        (word >> first_bit(hash)) & (word >> second_bit(hash)) & 1 != 0
    }

    #[inline(never)]
    fn look(&self, hash: u64, at: usize, found: &mut impl FnMut(u32, usize)) {
        let slot = slot(hash, self.head_shift);
        let (Some(from), Some(to)) = (self.heads.get(slot), self.heads.get(slot + 1)) else {
            return;
        };
        let entries = self.entries.get(*from as usize..*to as usize).unwrap_or_default();
        for entry in entries.iter().filter(|entry| entry.tag == tag(hash)) {
            if let Some(start) = at.checked_sub(entry.back as usize) {
                found(entry.literal, start);
            }
        }
    }
}

/// The first `WIDTH` bytes as a number.
#[inline(always)]
fn gram<const WIDTH: usize>(bytes: &[u8]) -> Option<u64> {
    match WIDTH {
        8 => bytes.first_chunk::<8>().map(|gram| u64::from_le_bytes(*gram)),
        4 => bytes.first_chunk::<4>().map(|gram| u32::from_le_bytes(*gram).into()),
        3 => match bytes.first_chunk::<4>() {
            Some(gram) => Some(u64::from(u32::from_le_bytes(*gram) & 0xff_ffff)),
            None => bytes.first_chunk().map(|[a, b, c]| u32::from_le_bytes([*a, *b, *c, 0]).into()),
        },
        2 => bytes.first_chunk::<2>().map(|gram| u16::from_le_bytes(*gram).into()),
        _ => bytes.first().map(|byte| u64::from(*byte)),
    }
}

#[inline(always)]
fn hash(gram: u64) -> u64 {
    gram.wrapping_mul(MULTIPLIER)
}

/// The top bits; `shift` leaves as many as there are slots.
#[inline(always)]
fn slot(hash: u64, shift: u32) -> usize {
    hash.checked_shr(shift).unwrap_or_default() as usize
}

#[inline(always)]
fn first_bit(hash: u64) -> u32 {
    (hash >> 28) as u32 & 63
}

#[inline(always)]
fn second_bit(hash: u64) -> u32 {
    (hash >> 34) as u32 & 63
}

fn tag(hash: u64) -> u32 {
    (hash >> 12) as u32
}

/// Where the `STRIDE` grams begin that a text has least often.
fn rarest<const WIDTH: usize, const STRIDE: usize>(
    literal: &[u8],
    crowd: &[u16],
    head_shift: u32,
) -> usize {
    let bits = surprise(literal);
    let costs: Vec<f32> = literal
        .windows(WIDTH)
        .zip(bits.windows(WIDTH))
        .map(|(bytes, bits)| {
            let share = (-bits.iter().sum::<f32>()).exp2();
            let others = gram::<WIDTH>(bytes)
                .and_then(|gram| crowd.get(slot(hash(gram), head_shift)))
                .map_or(0.0, |count| f32::from(*count));
            share * (1.0 + others) + CROWD_SHARE * others
        })
        .collect();
    costs
        .windows(STRIDE)
        .map(|grams| grams.iter().sum::<f32>())
        .enumerate()
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places<const W: usize, const S: usize, const B: usize>(
        literals: &[&str],
        text: &str,
        cut: usize,
    ) -> Vec<(u32, usize)> {
        let numbered: Vec<(u32, &[u8])> =
            literals.iter().enumerate().map(|(n, l)| (n as u32, l.as_bytes())).collect();
        let sieve = Sieve::<W, S, B>::new(numbered.into_iter());
        let mut found = Vec::new();
        let mut at = 0;
        let mut seen = 0;
        while seen < text.len() {
            seen = (seen + cut).min(text.len());
            at = sieve.scan(&text.as_bytes()[..seen], at, seen, |literal, start| {
                found.push((literal, start));
            });
        }
        found.sort_unstable();
        found
    }

    type Finder<'f> = dyn Fn(&[&str]) -> Vec<(u32, usize)> + 'f;

    proptest! {
        /// Each occurrence is a candidate once, wherever the text is cut.
        #[test]
        fn no_occurrence_is_missed(
            text in "[ab]{0,120}",
            long in proptest::collection::vec("[ab]{11,16}", 1..6),
            middle in proptest::collection::vec("[ab]{5,9}", 1..6),
            short in proptest::collection::vec("[ab]{3,4}", 1..4),
            cut in 1usize..50,
        ) {
            let check = |literals: &[String], found: &Finder<'_>| {
                let literals: Vec<&str> = literals.iter().map(String::as_str).collect();
                let found = found(&literals);
                for (number, literal) in literals.iter().enumerate() {
                    for at in 0..text.len() {
                        if text[at..].starts_with(literal) {
                            let times = found.iter().filter(|f| **f == (number as u32, at)).count();
                            assert_eq!(times, 1, "{literal} at {at}");
                        }
                    }
                }
            };
            check(&long, &|l| places::<8, 4, 36>(l, &text, cut));
            check(&middle, &|l| places::<4, 2, 18>(l, &text, cut));
            check(&short, &|l| places::<3, 1, 11>(l, &text, cut));
            check(&short, &|l| places::<2, 1, 9>(l, &text, cut));
            check(&short, &|l| places::<1, 1, 8>(l, &text, cut));
        }
    }
}
