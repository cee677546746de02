//! Language codes: the packed ISO 639-2 of `mdhd` and the BCP 47 tags of manifests.
//!
//! RFC 5646 wants the two-letter code where one exists, MP4 has room for three letters only.

/// Pairs of ISO 639-2/T and ISO 639-1, sorted, of the languages that have both.
const PAIRS: &str = "aar aa abk ab afr af aka ak amh am ara ar arg an asm as ava av ave ae aym ay aze az bak ba \
    bam bm bel be ben bn bis bi bod bo bos bs bre br bul bg cat ca ces cs cha ch che ce chu cu chv cv cor kw cos co \
    cre cr cym cy dan da deu de div dv dzo dz ell el eng en epo eo est et eus eu ewe ee fao fo fas fa fij fj fin fi \
    fra fr fry fy ful ff gla gd gle ga glg gl glv gv grn gn guj gu hat ht hau ha heb he her hz hin hi hmo ho hrv hr \
    hun hu hye hy ibo ig ido io iii ii iku iu ile ie ina ia ind id ipk ik isl is ita it jav jv jpn ja kal kl kan kn \
    kas ks kat ka kau kr kaz kk khm km kik ki kin rw kir ky kom kv kon kg kor ko kua kj kur ku lao lo lat la lav lv \
    lim li lin ln lit lt ltz lb lub lu lug lg mah mh mal ml mar mr mkd mk mlg mg mlt mt mon mn mri mi msa ms mya my \
    nau na nav nv nbl nr nde nd ndo ng nep ne nld nl nno nn nob nb nor no nya ny oci oc oji oj ori or orm om oss os \
    pan pa pli pi pol pl por pt pus ps que qu roh rm ron ro run rn rus ru sag sg san sa sin si slk sk slv sl sme se \
    smo sm sna sn snd sd som so sot st spa es sqi sq srd sc srp sr ssw ss sun su swa sw swe sv tah ty tam ta tat tt \
    tel te tgk tg tgl tl tha th tir ti ton to tsn tn tso ts tuk tk tur tr twi tw uig ug ukr uk urd ur uzb uz ven ve \
    vie vi vol vo wln wa wol wo xho xh yid yi yor yo zha za zho zh zul zu";

/// ISO 639-2/B codes that differ from /T; encoders write both.
const BIBLIOGRAPHIC: &str = "alb sqi arm hye baq eus bur mya chi zho cze ces dut nld fre fra geo kat ger deu gre \
    ell ice isl mac mkd mao mri may msa per fas rum ron slo slk tib bod wel cym";

fn lookup(table: &'static str, key: &str, forward: bool) -> Option<&'static str> {
    let mut words = table.split_ascii_whitespace();
    while let (Some(a), Some(b)) = (words.next(), words.next()) {
        let (from, to) = if forward { (a, b) } else { (b, a) };
        if from == key {
            return Some(to);
        }
    }
    None
}

/// The BCP 47 tag of the packed code in `mdhd`; `None` for "undetermined" and for what is no code.
pub(crate) fn from_packed(packed: u16) -> Option<String> {
    let code: String = [packed >> 10 & 31, packed >> 5 & 31, packed & 31]
        .iter()
        .map(|&v| (v as u8 + 0x60) as char)
        .collect();
    from_code(&code)
}

/// The BCP 47 tag of a tag or an ISO 639-2 code; `None` for "undetermined" and for what is neither.
pub(crate) fn from_code(code: &str) -> Option<String> {
    let (first, rest) = code.split_once('-').map_or((code, ""), |(first, rest)| (first, rest));
    let legal = (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && code.len() <= 35
        && rest.split('-').all(|part| part.len() <= 8 && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !legal {
        return None;
    }
    let first = first.to_ascii_lowercase();
    if ["und", "mis", "mul", "zxx", "qaa"].contains(&first.as_str()) {
        return None;
    }
    let terminology = lookup(BIBLIOGRAPHIC, &first, true).unwrap_or(&first);
    let short = lookup(PAIRS, terminology, true).unwrap_or(terminology);
    Some(if rest.is_empty() { short.to_owned() } else { format!("{short}-{rest}") })
}

/// The packed code for `mdhd`; "und" where the tag has no three-letter code.
pub(crate) fn packed(tag: Option<&str>) -> u16 {
    let first = tag.and_then(|tag| tag.split('-').next()).unwrap_or("und").to_ascii_lowercase();
    let code = lookup(PAIRS, &first, false).unwrap_or(&first);
    let code = match code.as_bytes() {
        three @ [b'a'..=b'z', b'a'..=b'z', b'a'..=b'z'] => three,
        _ => b"und",
    };
    code.iter().fold(0, |word, &letter| word << 5 | u16::from(letter - 0x60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_letter_codes_become_the_shortest_tag_and_back() {
        for (tag, code) in [("en", "eng"), ("de", "deu"), ("zh", "zho"), ("yue", "yue")] {
            assert_eq!(from_code(code).as_deref(), Some(tag));
            assert_eq!(from_packed(packed(Some(tag))).as_deref(), Some(tag));
        }
        assert_eq!(from_code("ger").as_deref(), Some("de"), "bibliographic codes are understood");
        assert_eq!(from_code("por-BR").as_deref(), Some("pt-BR"));
    }

    #[test]
    fn what_says_nothing_is_none() {
        for code in ["und", "", "x", "e\u{0}g", "en--US---------------------------------------"] {
            assert_eq!(from_code(code), None, "{code:?}");
        }
        assert_eq!(from_packed(0), None);
        assert_eq!(packed(None), packed(Some("und")));
    }
}
