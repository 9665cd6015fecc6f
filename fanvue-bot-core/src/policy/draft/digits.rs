//! Numbers to call and accounts to pay to.

use super::super::phrases;
use super::super::words::fold;

/// Fewer digits are a price, a time or a measure.
const SHORTEST_NUMBER: usize = 9;

/// Whether nine digits or more stand in `text` with nothing but what stands in phone numbers between them,
/// as digits or as words. Dates, countdowns and round numbers are no part of one.
pub(super) fn has_phone_number(text: &str) -> bool {
    runs(text).iter().any(|run| {
        let digits: usize = run.iter().map(String::len).sum();
        digits >= SHORTEST_NUMBER && !is_counting(run) && !is_round(run)
    })
}

/// The numbers in a row, each as it is written.
fn runs(text: &str) -> Vec<Vec<String>> {
    let mut runs = vec![Vec::new()];
    for word in text.split_whitespace() {
        let number = as_number(word);
        if is_date(word.trim_matches(|c: char| !c.is_ascii_digit())) {
            runs.push(Vec::new());
        } else if let Some(number) = number {
            push(&mut runs, number);
        } else {
            numbers(word, &mut runs);
        }
    }
    runs
}

fn push(runs: &mut [Vec<String>], number: String) {
    if let Some(run) = runs.last_mut() {
        run.push(number);
    }
}

/// Reads a word character by character: what does not belong to a phone number ends the run.
fn numbers(word: &str, runs: &mut Vec<Vec<String>>) {
    let mut number = String::new();
    for c in word.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        if !number.is_empty() {
            push(runs, std::mem::take(&mut number));
        }
        if !matches!(c, '-' | '(' | ')' | '/' | '.' | '+') {
            runs.push(Vec::new());
        }
    }
    if !number.is_empty() {
        push(runs, number);
    }
}

/// A digit or a number up to ten that is written as a word.
fn as_number(word: &str) -> Option<String> {
    let word: String = fold(word.trim_end_matches([',', '.'])).iter().collect();
    let digit = phrases::ALL.iter().find_map(|language| {
        language
            .digits
            .iter()
            .position(|name| *name == word)
            .map(|digit| digit.to_string())
    });
    digit.or_else(|| match word.as_str() {
        "oh" => Some("0".to_owned()),
        "zwo" => Some("2".to_owned()),
        "ten" | "zehn" => Some("10".to_owned()),
        _ => None,
    })
}

/// Whether the numbers are counted up or down, in one go or several of at least three numbers each.
fn is_counting(run: &[String]) -> bool {
    let numbers: Option<Vec<i64>> = run
        .iter()
        // A number that begins with a zero is no count.
        .map(|number| {
            (number == "0" || !number.starts_with('0') && number.len() <= 4)
                .then(|| number.parse().ok())
                .flatten()
        })
        .collect();
    let Some(numbers) = numbers else {
        return false;
    };
    let mut rest = numbers.as_slice();
    while let [first, second, ..] = rest {
        let step = second - first;
        let length = 1 + rest
            .windows(2)
            .take_while(|pair| pair[1] - pair[0] == step)
            .count();
        if length < 3 || step == 0 {
            return false;
        }
        rest = &rest[length..];
    }
    rest.is_empty()
}

/// `1000000000`, `999999999`: a figure of speech.
fn is_round(run: &[String]) -> bool {
    let [number] = run else {
        return false;
    };
    let head = number.trim_end_matches('0');
    head.len() <= 3
        || number
            .bytes()
            .all(|byte| number.starts_with(char::from(byte)))
}

/// Day, month and year in any order, the year with four digits.
fn is_date(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['.', '/', '-']).collect();
    let is_year =
        |part: &str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    let is_day = |part: &str| {
        part.len() <= 2
            && part
                .parse()
                .is_ok_and(|number: u8| (1..=31).contains(&number))
    };
    match *parts.as_slice() {
        [a, b, year] if is_year(year) => is_day(a) && is_day(b),
        [year, a, b] if is_year(year) => is_day(a) && is_day(b),
        _ => false,
    }
}

/// Whether an account number of the form of an IBAN stands in `text`: two letters, two digits, and eleven or
/// more letters and digits, most of them digits.
pub(super) fn has_iban(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    (0..words.len()).any(|from| {
        let first = words[from].trim_start_matches(|c: char| !c.is_alphanumeric());
        if !begins_as_iban(first) {
            return false;
        }
        let mut digits = 0;
        let rest = std::iter::once(first).chain(words[from + 1..].iter().copied());
        for group in rest {
            let group = group.trim_end_matches(['.', ',', '!', '?', ')']);
            let count = group.bytes().filter(u8::is_ascii_digit).count();
            if count * 2 < group.len() || group.len() - count > 6 {
                break;
            }
            digits += count;
        }
        digits >= 12
    })
}

fn begins_as_iban(word: &str) -> bool {
    matches!(
        word.as_bytes(),
        [a, b, c, d, ..]
            if a.is_ascii_lowercase() && b.is_ascii_lowercase() && c.is_ascii_digit() && d.is_ascii_digit()
    )
}
