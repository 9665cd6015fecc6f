//! Time zones by their IANA names.

use jiff::tz::TimeZone;

/// The zone of this name, as far as known.
pub(super) fn find(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The known name that was evidently meant, such as `Europe/Berlin` for `Berlin` or `Europe/Berlim`.
pub(super) fn nearest(name: &str) -> Option<Box<str>> {
    /// Longer than every name; a longer text is no typing error.
    const LONGEST: usize = 50;
    let meant = name.trim().to_ascii_lowercase().replace(' ', "_");
    if meant.is_empty() || meant.len() > LONGEST {
        return None;
    }
    let most = if meant.len() < 8 { 1 } else { 2 };
    jiff::tz::db()
        .available()
        .map(|known| {
            let full = known.as_str().to_ascii_lowercase();
            let city = full.rsplit('/').next().unwrap_or(&full);
            let distance = distance(&meant, &full).min(distance(&meant, city));
            (distance, known.as_str().to_owned())
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known.into_boxed_str())
}

/// How many letters have to be put in, left out or changed to get from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_evidently_meant_is_named() {
        for (said, meant) in [
            ("Berlin", "Europe/Berlin"),
            ("Europe/Berlim", "Europe/Berlin"),
            ("new york", "America/New_York"),
            (" America/New York ", "America/New_York"),
            ("Australia/Lord Howe", "Australia/Lord_Howe"),
        ] {
            assert_eq!(nearest(said).as_deref(), Some(meant), "{said}");
        }
        for said in ["", "  ", "Middle/Earth", &"x".repeat(10_000)] {
            assert_eq!(nearest(said), None, "{said}");
        }
    }
}
