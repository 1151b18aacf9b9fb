//! Published examples of each number, and what happens when a digit is wrong.

use super::*;

/// Per scheme: numbers that its authority or its documentation gives as examples.
pub(in crate::detect::pii) const EXAMPLES: &[(&str, &[&str])] = &[
    ("GB NHS number", &["943 476 5919"]),
    ("GB national insurance number", &["ab 12 34 56 c"]),
    ("IE personal public service number", &["1234567t", "1234567fa"]),
    ("DE tax identification number", &["86 095 742 719", "47036892816", "65929970489"]),
    ("AT social insurance number", &["1237 010180"]),
    ("CH AHV number", &["756.9217.0769.85"]),
    ("FR NIR", &["1 84 12 76 451 089 46", "255081416802538"]),
    ("IT codice fiscale", &["rssmra85t10a562s", "mrtmtt25d09f205z"]),
    ("ES DNI and NIE", &["12345678z", "x1234567l"]),
    ("PT NIF", &["123456789"]),
    ("NL BSN", &["111222333"]),
    ("BE national register number", &["85.07.30-033.28"]),
    ("LU national number", &["1893120105732"]),
    ("PL PESEL", &["44051401359", "02070803628"]),
    ("CZ and SK birth number", &["736028/5163"]),
    ("RO CNP", &["1630615123457"]),
    ("BG EGN", &["7523169263"]),
    ("HR OIB", &["33392005961"]),
    ("GR AMKA", &["01013099997"]),
    ("SE personal identity number", &["811228-9874", "640823-3234"]),
    ("FI HETU", &["131052-308t"]),
    ("NO birth number", &["15108695088"]),
    ("DK CPR number", &["070761-4285"]),
    ("DK CPR number by its name", &["211062-5629"]),
    ("IS kennitala", &["120174-3399"]),
    ("EE and LT personal code", &["37605030299", "33309240064"]),
    ("US social security number", &["219-09-9999"]),
    ("CA social insurance number", &["130 692 544"]),
    ("MX CURP", &["boxw310820hnerxn09"]),
    ("BR CPF", &["111.444.777-35", "529.982.247-25"]),
    ("CL RUT", &["12.531.909-2"]),
    ("AR CUIL", &["20-05536168-2"]),
    ("IN Aadhaar", &["2341 2341 2346"]),
    ("IN permanent account number", &["acupa7085r"]),
    ("CN resident identity number", &["11010519491231002x"]),
    ("KR resident registration number", &["971013-2019903"]),
    ("JP individual number", &["123456789018"]),
    ("SG NRIC", &["s1234567d"]),
    ("TW identity number", &["a123456789"]),
    ("TH identity number", &["1-2345-45678-78-1"]),
    ("TR identity number", &["10000000146"]),
    ("IL identity number", &["039337423"]),
    ("AE Emirates ID", &["784-1980-1234567-8"]),
    ("ZA identity number", &["8001015009087"]),
    ("AU tax file number", &["123456782", "876543210"]),
    ("AU Medicare number", &["2123 45670 1"]),
];

/// Without check digits, or with ones that some errors slip through: by design.
const LOOSE: &[(&str, usize)] = &[
    ("GB national insurance number", 1000),
    ("US social security number", 1000),
    ("DK CPR number by its name", 1000),
    ("IN permanent account number", 1000),
    // The digit after the check digit counts the cards of a family.
    ("AU Medicare number", 9),
    // Weights that share a factor with ten.
    ("MX CURP", 12),
    ("TW identity number", 12),
    // Two remainders share a digit.
    ("PT NIF", 4),
    ("BR CPF", 4),
    ("RO CNP", 3),
    ("BG EGN", 3),
    ("EE and LT personal code", 8),
    ("JP individual number", 3),
    ("AT social insurance number", 1),
    ("KR resident registration number", 3),
    ("TH identity number", 20),
    // Either century's key is right.
    ("BE national register number", 3),
    // The second check digit leaves out the first.
    ("IS kennitala", 3),
];

#[test]
fn every_scheme_accepts_its_examples() {
    for scheme in schemes() {
        let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == scheme.name).unwrap();
        for example in *examples {
            assert!((scheme.valid)(&bare(example)), "{}: {example}", scheme.name);
            assert!(
                scheme.forms.iter().any(|(form, _)| fits(form, example)),
                "{}: no form for {example}",
                scheme.name
            );
        }
    }
    assert_eq!(schemes().count(), EXAMPLES.len());
}

#[test]
fn one_wrong_digit_is_refused() {
    for scheme in schemes() {
        let slips =
            LOOSE.iter().find(|(name, _)| *name == scheme.name).map_or(0, |(_, slips)| *slips);
        let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == scheme.name).unwrap();
        for example in *examples {
            let right = bare(example);
            let mut accepted = Vec::new();
            for (at, was) in right.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
                for now in ('0'..='9').filter(|now| *now != was) {
                    let wrong = format!("{}{now}{}", &right[..at], &right[at + 1..]);
                    if (scheme.valid)(&wrong) {
                        accepted.push(wrong);
                    }
                }
            }
            assert!(accepted.len() <= slips, "{} {example}: {accepted:?}", scheme.name);
        }
    }
}

#[test]
fn words_are_asked_for_where_numbers_are_common() {
    // One check digit lets one number in ten or so through; plain digits need more.
    for scheme in schemes() {
        for (form, needs) in scheme.forms {
            let plain = form.bytes().all(|byte| byte == b'9');
            assert!(!plain || form.len() >= 11 || *needs == Needs::Word, "{}: {form}", scheme.name);
        }
    }
}

#[test]
fn the_patterns_compile() {
    for recogniser in recognisers() {
        assert!(recogniser.compile(crate::domain::Entity::NationalId).is_ok());
    }
}
