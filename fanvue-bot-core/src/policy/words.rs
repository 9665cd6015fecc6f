//! A text as the words that a reader hears: what disguises a word is taken away.

use crate::redact::is_invisible;

/// A text, cut into sentences.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) sentences: Vec<Sentence>,
    /// Whether a face laughs, winks or kisses in it.
    pub(super) is_playful: bool,
}

#[derive(Debug, Default)]
pub(super) struct Sentence {
    pub(super) words: Vec<Word>,
    pub(super) is_question: bool,
}

/// One word, in every form that it may be meant in.
#[derive(Debug)]
pub(super) struct Word {
    forms: Vec<String>,
}

/// Chat spellings and the word that is meant by them.
const MEANT: &[(&str, &[&str])] = &[
    ("u", &["you"]),
    ("ya", &["you"]),
    ("r", &["are"]),
    ("ur", &["your", "youre"]),
    ("cuz", &["because"]),
    ("pls", &["please"]),
    ("plz", &["please"]),
    ("rly", &["really"]),
    ("ppl", &["people"]),
    ("txt", &["text"]),
    ("msg", &["message"]),
    ("msgs", &["messages"]),
    ("nich", &["nicht"]),
    ("net", &["nicht"]),
    ("ned", &["nicht"]),
    ("nix", &["nichts"]),
    ("is", &["ist"]),
    ("n", &["ein"]),
    ("ne", &["eine"]),
    ("ner", &["einer"]),
    ("nen", &["einen"]),
    ("hab", &["habe"]),
    ("schreib", &["schreibe"]),
    ("red", &["rede"]),
    ("geh", &["gehe"]),
    ("halt", &["halte"]),
    ("wanna", &["want"]),
    ("wana", &["want"]),
    ("gonna", &["going"]),
    ("gona", &["going"]),
    ("werd", &["werde"]),
    ("will", &["moechte"]),
    ("moecht", &["moechte"]),
    ("mag", &["moechte"]),
    ("bring", &["bringe"]),
    ("grad", &["gerade"]),
    ("isses", &["ist"]),
    ("wills", &["will"]),
];

impl Word {
    fn new(raw: &str) -> Self {
        let mut forms = vec![raw.to_owned()];
        let has_digit = raw.contains(|c: char| c.is_ascii_digit());
        if has_digit && raw.contains(|c: char| c.is_ascii_alphabetic()) {
            for one in ['i', 'l'] {
                add(&mut forms, raw.chars().map(|c| unleet(c, one)).collect());
            }
        }
        for most in [1, 2] {
            for index in 0..forms.len() {
                let shorter = squeeze(&forms[index], most);
                add(&mut forms, shorter);
            }
        }
        for index in 0..forms.len() {
            if let Some((_, meant)) = MEANT.iter().find(|(said, _)| *said == forms[index]) {
                for form in *meant {
                    add(&mut forms, (*form).to_owned());
                }
            }
        }
        Self { forms }
    }

    /// Letters that stood apart, `b o t`; an article may stand before them.
    fn spelled(letters: &str) -> Self {
        let mut word = Self::new(letters);
        if letters.len() > 3
            && let Some(rest) = letters.strip_prefix(['a', 'i'])
        {
            add(&mut word.forms, rest.to_owned());
        }
        word
    }

    pub(super) fn forms(&self) -> &[String] {
        &self.forms
    }

    /// The whole number that it is in digits.
    pub(super) fn number(&self) -> Option<u32> {
        self.forms.first()?.parse().ok()
    }
}

fn add(forms: &mut Vec<String>, form: String) {
    if !forms.contains(&form) {
        forms.push(form);
    }
}

const fn unleet(c: char, one: char) -> char {
    match c {
        '0' => 'o',
        '1' => one,
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        '8' => 'b',
        _ => c,
    }
}

/// Three and more of a letter in a row are drawn out; what is meant has one of them or two.
fn squeeze(word: &str, most: usize) -> String {
    let chars: Vec<char> = word.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| {
            let kept = if run.len() > 2 && !run[0].is_ascii_digit() {
                most
            } else {
                run.len()
            };
            &run[..kept]
        })
        .collect()
}

impl Words {
    pub(super) fn of(text: &str) -> Self {
        let chars = fold(text);
        let mut reader = Reader {
            sentences: Vec::new(),
            sentence: Sentence::default(),
            letters: String::new(),
        };
        let mut at = 0;
        while at < chars.len() {
            let end = token_end(&chars, at);
            if end > at {
                reader.token(&chars[at..end], ends_of_letters(&chars, at, end));
                at = end;
            } else {
                reader.between(&chars, at);
                at += 1;
            }
        }
        reader.end_sentence();
        Self {
            sentences: reader.sentences,
            is_playful: text.chars().any(is_playful),
        }
    }
}

struct Reader {
    sentences: Vec<Sentence>,
    sentence: Sentence,
    /// Single letters that stood in a row.
    letters: String,
}

/// How a single letter hangs together with the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// `a.i`
    Dot,
    Other,
}

fn ends_of_letters(chars: &[char], at: usize, end: usize) -> Joint {
    let next_is_single = chars.get(end + 1).is_some_and(|c| c.is_alphabetic())
        && chars.get(end + 2).is_none_or(|c| !c.is_alphanumeric());
    let joined_before = at >= 2 && chars[at - 1] == '.' && chars[at - 2].is_alphabetic();
    if end - at == 1 && (chars.get(end) == Some(&'.') && next_is_single || joined_before) {
        Joint::Dot
    } else {
        Joint::Other
    }
}

impl Reader {
    fn token(&mut self, token: &[char], joint: Joint) {
        if let [letter] = token
            && letter.is_alphabetic()
        {
            self.letters.push(*letter);
            if joint == Joint::Dot {
                self.letters.push('.');
            }
            return;
        }
        self.end_letters();
        // Compounds with hyphens are several words, numbers with parts are one that is no whole number.
        let letters = token.iter().filter(|c| c.is_alphabetic()).count();
        let leading = token.iter().take_while(|c| c.is_ascii_digit()).count();
        let trailing = token
            .iter()
            .rev()
            .take_while(|c| c.is_ascii_digit())
            .count();
        let push = |words: &mut Vec<Word>, part: &[char]| {
            words.push(Word::new(&part.iter().collect::<String>()));
        };
        let words = &mut self.sentence.words;
        if leading == 2 && leading + letters == token.len() && letters > 0 {
            push(words, &token[..leading]);
            push(words, &token[leading..]);
        } else if trailing == 2 && trailing + letters == token.len() && letters > 0 {
            push(words, &token[..letters]);
            push(words, &token[letters..]);
        } else {
            push(words, token);
        }
    }

    /// A character between words.
    fn between(&mut self, chars: &[char], at: usize) {
        let c = chars[at];
        if c == '%' || c == '€' || c == '$' {
            self.end_letters();
            self.sentence.words.push(Word::new(&c.to_string()));
        }
        if c == '?' {
            self.sentence.is_question = true;
        }
        let after_number = at > 0 && chars[at - 1].is_ascii_digit();
        let in_letters = self.letters.ends_with('.');
        if matches!(c, '!' | '?' | '\n' | ';' | '…') || (c == '.' && !after_number && !in_letters)
        {
            // Marks in a row end one sentence, and a question with them.
            if chars
                .get(at + 1)
                .is_none_or(|next| !matches!(next, '!' | '?' | '.'))
            {
                self.end_sentence();
            }
        }
    }

    fn end_letters(&mut self) {
        let dotted = self.letters.contains('.');
        let letters: String = std::mem::take(&mut self.letters).replace('.', "");
        // "r u a" are three words, and "a i" could be.
        let are_words = letters.chars().all(|c| "aiurynx".contains(c)) || letters.len() < 3;
        if dotted && letters.len() > 1 || !are_words {
            self.sentence.words.push(Word::spelled(&letters));
        } else {
            for letter in letters.chars() {
                self.sentence
                    .words
                    .push(Word::new(letter.encode_utf8(&mut [0; 4])));
            }
        }
    }

    fn end_sentence(&mut self) {
        self.end_letters();
        let sentence = std::mem::take(&mut self.sentence);
        if !sentence.words.is_empty() {
            self.sentences.push(sentence);
        } else if sentence.is_question
            && let Some(last) = self.sentences.last_mut()
        {
            last.is_question = true;
        }
    }
}

/// The end of the word or number that begins at `at`; `at` itself if none does.
fn token_end(chars: &[char], at: usize) -> usize {
    let mut end = at;
    while let Some(c) = chars.get(end) {
        let before = end.checked_sub(1).filter(|_| end > at).map(|i| chars[i]);
        let behind = chars.get(end + 1);
        let in_number = matches!(c, '.' | ',' | ':')
            && before.is_some_and(|c| c.is_ascii_digit())
            && behind.is_some_and(char::is_ascii_digit);
        if !c.is_alphanumeric() && !in_number {
            break;
        }
        end += 1;
    }
    end
}

/// In lower case, without invisible characters, apostrophes and accents, umlauts written out, and what only
/// looks like a Latin letter as that letter. `@` and `$` within a word are letters.
pub(super) fn fold(text: &str) -> Vec<char> {
    let mut out: Vec<char> = Vec::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{308}' => {
                if matches!(out.last(), Some('a' | 'o' | 'u')) {
                    out.push('e');
                }
            }
            '\u{300}'..='\u{36f}' | '\'' | '’' | '‘' | '`' | '´' => {}
            '🤖' => out.extend(" robot ".chars()),
            _ if is_invisible(c) || is_selector(c) => {}
            _ => c.to_lowercase().for_each(|c| fold_into(c, &mut out)),
        }
    }
    for at in 1..out.len().saturating_sub(1) {
        if out[at - 1].is_alphanumeric() && out[at + 1].is_alphanumeric() {
            match out[at] {
                '@' => out[at] = 'a',
                '$' => out[at] = 's',
                _ => {}
            }
        }
    }
    out
}

/// Chooses how the character before it looks.
const fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{200d}')
}

fn fold_into(c: char, out: &mut Vec<char>) {
    let plain = match c {
        'ä' | 'æ' => return out.extend(['a', 'e']),
        'ö' | 'œ' => return out.extend(['o', 'e']),
        'ü' => return out.extend(['u', 'e']),
        'ß' => return out.extend(['s', 's']),
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'а' | 'α' => 'a',
        'ç' | 'ć' | 'č' | 'с' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'е' | 'ё' | 'ε' => 'e',
        'ì' | 'í' | 'î' | 'ï' | 'ı' | 'і' | 'ι' => 'i',
        'ñ' | 'ń' => 'n',
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' | 'о' | 'ο' => 'o',
        'ù' | 'ú' | 'û' | 'υ' => 'u',
        'ý' | 'ÿ' | 'у' => 'y',
        'š' | 'ś' | 'ѕ' => 's',
        'ž' | 'ź' | 'ż' => 'z',
        'ł' => 'l',
        'в' | 'ʙ' => 'b',
        'т' | 'τ' => 't',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'н' => 'h',
        'р' | 'ρ' => 'p',
        'х' | 'χ' => 'x',
        'ј' => 'j',
        '\u{ff01}'..='\u{ff5e}' => shifted(c, 0xff01, u32::MAX, '!'),
        'ⓐ'..='ⓩ' => shifted(c, 0x24d0, 26, 'a'),
        '\u{1f130}'..='\u{1f149}' => shifted(c, 0x1f130, 26, 'a'),
        '\u{1f150}'..='\u{1f169}' => shifted(c, 0x1f150, 26, 'a'),
        '\u{1f170}'..='\u{1f189}' => shifted(c, 0x1f170, 26, 'a'),
        '\u{1f1e6}'..='\u{1f1ff}' => shifted(c, 0x1f1e6, 26, 'a'),
        '\u{1d400}'..='\u{1d6a3}' => shifted(c, 0x1d400, 26, 'a'),
        '\u{1d7ce}'..='\u{1d7ff}' => shifted(c, 0x1d7ce, 10, '0'),
        _ => c,
    };
    out.push(plain);
}

/// The character as far from `first` as `c` is from the begin of its alphabet, which repeats.
fn shifted(c: char, begin: u32, repeats: u32, first: char) -> char {
    let distance = u32::from(c).saturating_sub(begin) % repeats;
    let shifted = char::from_u32(u32::from(first) + distance).unwrap_or(c);
    shifted.to_ascii_lowercase()
}

/// Faces that laugh, wink, blush or kiss.
const fn is_playful(c: char) -> bool {
    matches!(
        c,
        '😀'..='😎' | '😏' | '😘'..='😝' | '🙈' | '🙊' | '🤣' | '🤭' | '🤪' | '🥰' | '🥵' | '😳' | '💀'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, words: &[&[&str]]) {
        let read: Vec<Vec<String>> = Words::of(text)
            .sentences
            .iter()
            .map(|sentence| sentence.words.iter().map(|w| w.forms[0].clone()).collect())
            .collect();
        assert_eq!(read, words);
    }

    #[track_caller]
    fn means(text: &str, form: &str) {
        let words = Words::of(text);
        let all: Vec<&String> = words
            .sentences
            .iter()
            .flat_map(|sentence| &sentence.words)
            .flat_map(Word::forms)
            .collect();
        assert!(all.iter().any(|known| *known == form), "{text}: {all:?}");
    }

    #[test]
    fn a_text_is_cut_into_sentences_and_words() {
        check("Hi! I'm here...", &[&["hi"], &["im", "here"]]);
        check(
            "am 17. mai um 17:30, ok?",
            &[&["am", "17", "mai", "um", "17:30", "ok"]],
        );
        check(
            "17-year-old, m15, 17yo",
            &[&["17", "year", "old", "m", "15", "17", "yo"]],
        );
        check("so 5% off", &[&["so", "5", "%", "off"]]);
        check("r u a bot", &[&["r", "u", "a", "bot"]]);
        check("", &[]);
        check("🙃", &[]);
    }

    #[test]
    fn disguises_are_taken_away() {
        for bot in [
            "b0t",
            "B O T",
            "b.o.t",
            "bo\u{200b}t",
            "bottt",
            "𝓫𝓸𝓽",
            "ｂｏｔ",
            "🅱🅾🆃",
            "bоt",
            "🇧🇴🇹",
            "böt",
        ] {
            let expected = if bot == "böt" { "boet" } else { "bot" };
            means(bot, expected);
        }
        means("are you a r o b o t", "robot");
        means("an A.I. then", "ai");
        means("k.i.", "ki");
        means("p@yp4l", "paypal");
        means("k1ll", "kill");
        means("su\u{308}ss", "suess");
        means("stoppp", "stop");
        means("killll", "kill");
    }

    #[test]
    fn only_what_asks_is_a_question() {
        let asks = |text: &str| -> Vec<bool> {
            Words::of(text)
                .sentences
                .iter()
                .map(|s| s.is_question)
                .collect()
        };
        assert_eq!(asks("hi. you ok?! yes"), [false, true, false]);
        assert_eq!(asks("you ok ?"), [true]);
    }
}
