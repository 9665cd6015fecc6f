use proptest::prelude::*;

use super::*;
use crate::settings::{Settings, Weekday};

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/Santiago",
];

fn time(text: &str) -> TimeOfDay {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn daily(zone: &str, from: &str, to: &str) -> QuietHours {
    QuietHours::in_zone(zone).daily(time(from), time(to))
}

/// At each time of the table, when the next time is that is not quiet.
#[track_caller]
fn check(quiet: &QuietHours, table: &[(&str, &str)]) {
    for (now, allowed) in table {
        let next = quiet.next_allowed(at(now), Duration::ZERO);
        assert_eq!(next, at(allowed), "at {now}");
    }
}

#[test]
fn a_window_that_crosses_midnight_ends_the_next_morning() {
    check(
        &daily("Europe/Berlin", "22:00", "07:30"),
        &[
            ("2026-01-10T20:59:59Z", "2026-01-10T20:59:59Z"),
            ("2026-01-10T21:00:00Z", "2026-01-11T06:30:00Z"),
            ("2026-01-11T06:29:59.999999Z", "2026-01-11T06:30:00Z"),
            ("2026-01-11T06:30:00Z", "2026-01-11T06:30:00Z"),
            // In summer the clock is another hour ahead.
            ("2026-07-10T20:00:00Z", "2026-07-11T05:30:00Z"),
        ],
    );
}

#[test]
fn several_windows_a_day_are_kept_and_those_that_touch_are_one() {
    let quiet = daily("UTC", "00:00", "06:00")
        .daily(time("12:30"), time("14:00"))
        .daily(time("22:00"), time("24:00"));
    check(
        &quiet,
        &[
            ("2026-01-10T12:29:00Z", "2026-01-10T12:29:00Z"),
            ("2026-01-10T12:30:00Z", "2026-01-10T14:00:00Z"),
            ("2026-01-10T23:00:00Z", "2026-01-11T06:00:00Z"),
        ],
    );
}

#[test]
fn a_window_of_some_days_is_kept_on_those_only() {
    let weekend = [Weekday::Saturday, Weekday::Sunday].into_iter().collect();
    let quiet = QuietHours::in_zone("UTC").on(weekend, TimeOfDay::START, TimeOfDay::END);
    check(
        &quiet,
        &[
            ("2026-01-09T23:59:59Z", "2026-01-09T23:59:59Z"),
            ("2026-01-10T00:00:00Z", "2026-01-12T00:00:00Z"),
            ("2026-01-12T00:00:00Z", "2026-01-12T00:00:00Z"),
        ],
    );
}

#[test]
fn clocks_that_are_set_forward_shorten_a_window() {
    // At 01:00 UTC clocks in Berlin go from 02:00 to 03:00.
    check(
        &daily("Europe/Berlin", "01:30", "02:30"),
        &[("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z")],
    );
    check(
        &daily("Europe/Berlin", "02:30", "04:00"),
        &[
            ("2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z"),
            ("2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
        ],
    );
    // A window that is skipped whole is no window.
    check(
        &daily("Europe/Berlin", "02:10", "02:50"),
        &[("2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z")],
    );
    // At 07:00 UTC clocks in New York go from 02:00 to 03:00.
    check(
        &daily("America/New_York", "22:00", "02:30"),
        &[
            ("2026-03-08T04:00:00Z", "2026-03-08T07:00:00Z"),
            ("2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z"),
        ],
    );
    // At 15:30 UTC clocks on Lord Howe go from 02:00 to 02:30.
    check(
        &daily("Australia/Lord_Howe", "23:00", "02:15"),
        &[("2026-10-03T13:00:00Z", "2026-10-03T15:30:00Z")],
    );
}

#[test]
fn clocks_that_are_set_back_lengthen_a_window_and_leave_no_hole_in_it() {
    // At 01:00 UTC clocks in Berlin go from 03:00 to 02:00.
    check(
        &daily("Europe/Berlin", "22:00", "02:30"),
        &[
            ("2026-10-25T00:29:00Z", "2026-10-25T01:30:00Z"),
            ("2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"),
        ],
    );
    check(
        &daily("Europe/Berlin", "02:30", "04:00"),
        &[
            ("2026-10-25T00:29:59Z", "2026-10-25T00:29:59Z"),
            ("2026-10-25T00:30:00Z", "2026-10-25T03:00:00Z"),
        ],
    );
    // At 06:00 UTC clocks in New York go from 02:00 to 01:00.
    check(
        &daily("America/New_York", "23:00", "01:30"),
        &[("2026-11-01T05:45:00Z", "2026-11-01T06:30:00Z")],
    );
    // At 15:00 UTC clocks on Lord Howe go from 02:00 to 01:30.
    check(
        &daily("Australia/Lord_Howe", "23:00", "01:45"),
        &[
            ("2026-04-04T14:50:00Z", "2026-04-04T15:15:00Z"),
            ("2026-04-04T15:15:00Z", "2026-04-04T15:15:00Z"),
        ],
    );
}

#[test]
fn what_takes_a_while_is_not_begun_shortly_before() {
    let quiet = daily("UTC", "22:00", "07:00");
    let minute = Duration::from_secs(60);
    let next = |text: &str| quiet.next_allowed(at(text), minute);
    assert_eq!(next("2026-01-10T21:58:59Z"), at("2026-01-10T21:58:59Z"));
    assert_eq!(next("2026-01-10T21:59:00Z"), at("2026-01-11T07:00:00Z"));
}

#[test]
fn held_replies_spread_over_ten_minutes_and_not_into_the_next_window() {
    let now = at("2026-01-10T23:00:00Z");
    let quiet = daily("UTC", "22:00", "07:00");
    let ends = |quiet: &QuietHours| {
        let mut all: Vec<Timestamp> = (0..200)
            .map(|seed| {
                quiet
                    .held_until(now, Duration::ZERO, Seed::new(seed))
                    .unwrap()
            })
            .collect();
        all.sort_unstable();
        all
    };
    let spread = ends(&quiet);
    let end = at("2026-01-11T07:00:00Z");
    assert!(spread[0] >= end && spread[199] <= end + SPREAD);
    assert!(spread[199].since(spread[0]) > SPREAD / 2);
    let soon = quiet.daily(time("07:01"), time("09:00"));
    for at in ends(&soon) {
        assert!(!soon.is_quiet(at), "{at}");
    }
    let same = |seed| soon.held_until(now, Duration::ZERO, Seed::new(seed));
    assert_eq!(same(1), same(1));
    assert_eq!(
        soon.held_until(at("2026-01-11T12:00:00Z"), Duration::ZERO, Seed::new(1)),
        None
    );
}

fn faults(quiet: QuietHours) -> Vec<(String, Option<String>)> {
    let refused = Settings::default().quiet_hours(quiet).validate();
    refused.map_or_else(
        |refused| {
            let faults = refused.faults().iter();
            faults
                .map(|fault| {
                    let nearest = fault.nearest.as_ref().map(ToString::to_string);
                    (fault.field.to_string(), nearest)
                })
                .collect()
        },
        |()| Vec::new(),
    )
}

#[test]
fn quiet_hours_that_cannot_be_are_refused_with_the_nearest_that_can() {
    let all_day = daily("UTC", "00:00", "24:00");
    let halves = daily("UTC", "06:00", "18:00").daily(time("18:00"), time("06:00"));
    // Three pieces of six minutes a day: more than an hour a week, and none in one piece.
    let mut scattered = QuietHours::in_zone("UTC");
    for (from, to) in [("00:00", "08:54"), ("09:00", "16:54"), ("17:00", "23:54")] {
        scattered = scattered.daily(time(from), time(to));
    }
    let table: [(QuietHours, &str, Option<&str>); 12] = [
        (all_day.clone(), "quiet_hours.windows[0].to", Some("23:00")),
        (halves, "quiet_hours.windows[1].to", Some("05:00")),
        (scattered, "quiet_hours.windows[2].to", Some("23:00")),
        (
            daily("UTC", "22:30", "21:45"),
            "quiet_hours.windows[0].to",
            Some("21:30"),
        ),
        (
            daily("UTC", "12:10", "11:00").daily(time("11:05"), time("11:15")),
            "quiet_hours.windows[1].to",
            Some("11:10"),
        ),
        (
            daily("UTC", "12:00", "11:00").daily(time("11:30"), time("11:40")),
            "quiet_hours.windows[0].to",
            Some("10:30"),
        ),
        (
            all_day.daily(time("00:00"), time("24:00")),
            "quiet_hours.windows",
            None,
        ),
        (
            daily("Berlin", "22:00", "07:00"),
            "quiet_hours.zone",
            Some("Europe/Berlin"),
        ),
        (daily("Mars", "22:00", "07:00"), "quiet_hours.zone", None),
        (
            daily("UTC", "22:00", "22:00"),
            "quiet_hours.windows[0].to",
            Some("22:01"),
        ),
        (
            daily("UTC", "24:00", "07:00"),
            "quiet_hours.windows[0].from",
            Some("00:00"),
        ),
        (
            QuietHours::in_zone("UTC").on(Weekdays::from(vec![]), time("01:00"), time("02:00")),
            "quiet_hours.windows[0].days",
            None,
        ),
    ];
    for (quiet, field, nearest) in table {
        let expected = (field.to_owned(), nearest.map(str::to_owned));
        assert_eq!(faults(quiet.clone()), [expected], "{quiet:?}");
    }
    let mut many = QuietHours::in_zone("UTC");
    for _ in 0..51 {
        many = many.daily(time("01:00"), time("02:00"));
    }
    assert_eq!(faults(many)[0].0, "quiet_hours.windows");
}

#[test]
fn an_hour_that_is_open_from_one_week_into_the_next_is_enough() {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let quiet = |until: &str| {
        let rest = [Tuesday, Wednesday, Thursday, Friday, Saturday];
        QuietHours::in_zone("UTC")
            .on(rest.into_iter().collect(), time("00:00"), time("24:00"))
            .on([Monday].into_iter().collect(), time("00:30"), time("24:00"))
            .on([Sunday].into_iter().collect(), time("00:00"), time(until))
    };
    assert_eq!(faults(quiet("23:30")), []);
    assert_eq!(faults(quiet("23:31")).len(), 1);
}

#[test]
fn quiet_hours_read_back_from_a_form_that_people_can_write() {
    let written = r#"{"zone":"Europe/Berlin","windows":[{"from":"22:00","to":"07:30"},
        {"days":["sat","sun"],"from":"12:00","to":"14:00"}]}"#;
    let quiet: QuietHours = serde_json::from_str(written).unwrap();
    let weekend = [Weekday::Saturday, Weekday::Sunday].into_iter().collect();
    let expected =
        daily("Europe/Berlin", "22:00", "07:30").on(weekend, time("12:00"), time("14:00"));
    assert_eq!(quiet, expected);
    let again = serde_json::to_string(&quiet).unwrap();
    assert_eq!(serde_json::from_str::<QuietHours>(&again).unwrap(), quiet);
}

/// Whether the clock on the wall shows a time in a window, without any regard to days on which it is set.
fn on_the_wall(quiet: &QuietHours, at: Timestamp) -> bool {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap();
    let zone = zone::find(&quiet.zone).unwrap();
    let shown = zone.to_datetime(at);
    let minute = u16::try_from(shown.hour()).unwrap() * 60 + u16::try_from(shown.minute()).unwrap();
    let day = |back: i8| {
        let index = shown.date().weekday().to_monday_zero_offset() - back;
        Weekdays::EVERY
            .iter()
            .nth(usize::try_from(index.rem_euclid(7)).unwrap())
            .unwrap()
    };
    quiet.windows.iter().any(|window| {
        let (from, to) = (window.from.minutes(), window.to.minutes());
        if from < to {
            window.days.contains(day(0)) && (from..to).contains(&minute)
        } else {
            window.days.contains(day(0)) && minute >= from
                || window.days.contains(day(1)) && minute < to
        }
    })
}

/// Whether a clock of the zone is set within a day of `at`.
fn clocks_are_set_near(zone: &str, at: Timestamp) -> bool {
    let zone = zone::find(zone).unwrap();
    let offset =
        |at: Timestamp| zone.to_offset(jiff::Timestamp::from_microsecond(at.as_micros()).unwrap());
    let day = Duration::from_secs(86_400);
    offset(at.minus(day)) != offset(at + day)
}

prop_compose! {
    fn windows()(windows in prop::collection::vec(
        (1_u8..128, 0_u16..1440, 1_u16..=1440), 1..4
    )) -> Vec<QuietWindow> {
        windows
            .into_iter()
            .map(|(days, from, to)| QuietWindow {
                days: Weekdays::EVERY.iter().filter(|day| days & (1 << *day as u8) != 0).collect(),
                from: TimeOfDay::from_minutes(from).unwrap(),
                to: TimeOfDay::from_minutes(to).unwrap(),
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn next_allowed_is_the_earliest_time_that_is_not_quiet(
        zone in prop::sample::select(&ZONES[..]),
        windows in windows(),
        second in 1_767_225_600_i64..1_830_297_600,
        near_a_change in prop::option::of((0_usize..4, -7_200_i64..7_200)),
        parts in prop::collection::vec(0.0_f64..1.0, 40),
        clear in 0_u64..300,
    ) {
        let quiet = QuietHours { zone: zone.to_owned(), windows };
        prop_assume!(Settings::default().quiet_hours(quiet.clone()).validate().is_ok());
        let changes = [
            "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-11-01T06:00:00Z", "2026-10-03T15:30:00Z",
        ];
        let now = match near_a_change {
            Some((change, offset)) => Timestamp::from_seconds(at(changes[change]).as_seconds() + offset),
            None => Timestamp::from_seconds(second),
        };
        let clear = Duration::from_secs(clear);
        let next = quiet.next_allowed(now, clear);
        prop_assert!(next >= now);
        prop_assert!(!quiet.is_quiet(next) && !quiet.is_quiet(next + clear));
        for part in parts {
            let during = next + clear.mul_f64(part);
            prop_assert!(!quiet.is_quiet(during), "{during} follows {next}");
            let before = now + next.since(now).mul_f64(part);
            if before < next {
                let begins_too_late = quiet.next_allowed(before, clear) > before;
                prop_assert!(begins_too_late, "{before} would do and is before {next}");
            }
            if !clocks_are_set_near(zone, before) {
                prop_assert_eq!(quiet.is_quiet(before), on_the_wall(&quiet, before), "{}", before);
            }
        }
    }

    #[test]
    fn any_windows_at_any_time_come_to_an_end(
        zone in prop::sample::select(&["UTC", "", "Europe/Berlin", "nowhere"][..]),
        windows in prop::collection::vec((any::<u8>(), 0_u16..=1440, 0_u16..=1440), 0..5),
        micros in any::<i64>(),
        clear in any::<u64>(),
    ) {
        let windows = windows
            .into_iter()
            .map(|(days, from, to)| QuietWindow {
                days: Weekdays::EVERY.iter().filter(|day| days & (1 << *day as u8) != 0).collect(),
                from: TimeOfDay::from_minutes(from).unwrap(),
                to: TimeOfDay::from_minutes(to).unwrap(),
            })
            .collect();
        let quiet = QuietHours { zone: zone.to_owned(), windows };
        let now = Timestamp::from_micros(micros);
        prop_assert!(quiet.next_allowed(now, Duration::from_secs(clear % 600)) >= now);
        let _ = Settings::default().quiet_hours(quiet).validate();
    }
}
