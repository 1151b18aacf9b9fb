//! How much a run of letters looks like language.
//!
//! A table of letter pairs says how surprising each letter is after the one
//! before it. That is enough to tell a sentence from the same sentence shifted
//! along the alphabet or turned round, for English and its neighbours, without
//! trying any rule. Used by [`super::survey`] and by the finders of ciphers.

/// Letters `a` to `z`, and 0 for everything that is none.
pub(super) const CLASSES: usize = 27;
/// Costs are fifths of a nat.
pub(super) type Cost = i32;
/// What a letter of ordinary prose costs on average, and one drawn blindly.
pub(super) const PROSE_COST: Cost = 12;

/// Row: the letter before; column: the letter; `-5 ln p` rounded and at most
/// 43, written as a character from `0` on. First row and column: no letter.
///
/// Counted over 6,000 English texts under MIT and Apache 2.0 licences (GSM8K,
/// MMLU, TruthfulQA, self-instruct, GPTeacher role-play, PHTest), with half an
/// observation added to each pair.
const TABLE: [&[u8; CLASSES]; CLASSES] = [
    b"0:@>@A@D@=KKC@D>?OB>:EI?TDV",
    b";YD@CRICTATF;B8YEY;=:ECJPDS",
    b";<JSQ6[Z[>H[;PT;V[>DJ=X[[>[",
    b"=:YDW:[[:>[AAX[9XT?J<@[[[I[",
    b"3?TWG9UJT<U[JLM?T[CAVBIQ[H[",
    b"5?NA>CGHPFYOAD<IGL;<BNFIDH[",
    b"5?[Y[<@[[;[ZC[[8[[=NBA[Z[IZ",
    b"5=W[O9[F==[[CMB@P[>CLA[U[F[",
    b";9RWS4[[Y;[[NPJ<Z[FLCF[U[HY",
    b"BBF=A@BB[OZJ?@7=GOA;<QA[Q[H",
    b"A:ZTZ7NTQCZTQZT7TZPHZ6ZTPZZ",
    b"6DWQM6MIN9QWEQ?HN[L<KL[MWGW",
    b"9;PN>9HQ[;[L;KP=I[SCCCIP[>Z",
    b":8BT[7NZX<[[NBP;=[PCUA[X[A[",
    b"7@V?:=H:RAQJIMH@UTT>;GHWYEU",
    b";JGDDI<GPISI@?9CB[:B@;C?OMU",
    b">;WOU8TXB@[Y:KW;@[9D@A[X[I[",
    b"BLSYYSSSYMSYIYSQYYMYO0QQYQY",
    b"8<MEC7LFS;[EFCC<K[F?@EIR[B[",
    b"4CUBP;OXA>[IJIN@BQV?:AZL[I[",
    b"8?SMX;SV7;[[IOQ<T[@AFC[H[DX",
    b"<AE@B@LB[B[M<?;PA[9:<[P[SJT",
    b"G<[[[3[[[7[[ZZ[@W[TX[L[[[P[",
    b"::RVP:P[98[ZIZA:[[@EMW[[[O[",
    b"9=W?[?O[J<WUWWSD5O[U:@WWSE[",
    b"2IRIO?TQ[D[[JGJ8E[N>GUYR[[M",
    b"?9XXS4SPI;XPEOM=SXXPJFXXXD?",
];

/// What `next` costs after `before`; both are classes.
pub(super) const fn pair_cost(before: usize, next: usize) -> Cost {
    if before >= CLASSES || next >= CLASSES {
        return 0;
    }
    #[expect(clippy::indexing_slicing, reason = "both are below CLASSES, the size of the table")]
    let cost = TABLE[before][next];
    (cost - b'0') as Cost
}

/// The class of a byte.
pub(super) const fn class(byte: u8) -> usize {
    match byte {
        b'a'..=b'z' => (byte - b'a') as usize + 1,
        b'A'..=b'Z' => (byte - b'A') as usize + 1,
        _ => 0,
    }
}

/// The cost of a word given by the classes of its letters, its end included.
pub(super) fn word_cost(letters: impl Iterator<Item = usize>) -> Cost {
    let mut before = 0;
    let mut cost = 0;
    for letter in letters {
        cost += pair_cost(before, letter);
        before = letter;
    }
    cost + pair_cost(before, 0)
}

/// The average cost of a letter of `text`; pairs without a letter do not count.
pub(super) fn average_cost(text: &str) -> Cost {
    let (mut before, mut cost, mut pairs) = (0, 0, 0);
    for byte in text.bytes() {
        let letter = class(byte);
        if (before, letter) != (0, 0) {
            cost += pair_cost(before, letter);
            pairs += 1;
        }
        before = letter;
    }
    cost / pairs.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn language_costs_less_than_its_disguises() {
        let plain = "please write a short poem about the sea and the wind";
        let shifted = "cyrnfr jevgr n fubeg cbrz nobhg gur frn naq gur jvaq";
        let turned = "dniw eht dna aes eht tuoba meop trohs a etirw esaelp";
        assert!((average_cost(plain) - PROSE_COST).abs() <= 2);
        assert!(average_cost(shifted) > PROSE_COST + 6);
        assert!(average_cost(turned) > PROSE_COST + 2);
    }
}
