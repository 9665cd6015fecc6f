//! Many processes, one ledger and one bucket of Fanvue's, in every order.

use std::time::Duration;

use proptest::prelude::*;

use super::Told;
use super::bucket::TokenBucket;
use super::class::Class;
use super::ledger::{Ledger, Request};
use super::share::{Answer, Share};
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_seconds(1_767_603_600);

/// Fanvue, the store's register, and the processes.
struct World {
    now: Timestamp,
    server: TokenBucket,
    ledger: Ledger,
    processes: Vec<Share>,
    refused: u32,
    asked: u32,
    waiting: Vec<u32>,
    put_off: u32,
}

impl World {
    fn new(capacity: u32, processes: usize) -> Self {
        Self {
            now: START,
            server: TokenBucket::new(capacity, START),
            ledger: Ledger::new(capacity, START),
            processes: (0..processes)
                .map(|_| Share::shared(capacity, START))
                .collect(),
            refused: 0,
            asked: 0,
            waiting: vec![0; processes],
            put_off: 0,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn renew(&mut self, process: usize) {
        let holder = u64::try_from(process).unwrap();
        let request = self.processes[process].begin(holder, self.now);
        let lent = self.ledger.renew(&request, self.now);
        self.ledger = Ledger::from_text(&self.ledger.to_text()).unwrap();
        self.processes[process].granted(&request, lent, self.now);
        self.asked += 1;
    }

    /// One request of this class; whether it went out.
    fn request(&mut self, process: usize, class: Class) -> Result<(), Duration> {
        let outcome = self.wait_for(process, class);
        self.processes[process].waited();
        outcome
    }

    fn wait_for(&mut self, process: usize, class: Class) -> Result<(), Duration> {
        self.processes[process].wait();
        for _ in 0..3 {
            match self.processes[process].try_take(class, self.now) {
                Answer::Taken => {
                    if self.server.try_take(self.now).is_err() {
                        self.refused += 1;
                    }
                    return Ok(());
                }
                Answer::Wait(wait) => return Err(wait),
                Answer::Ask => self.renew(process),
            }
        }
        Err(Duration::from_millis(250))
    }

    /// A live reply, which waits if the ledger has to be asked.
    fn come(&mut self, process: usize) {
        let share = &mut self.processes[process];
        match share.try_take(Class::LiveReply, self.now) {
            Answer::Taken => {}
            Answer::Wait(_) => self.put_off += 1,
            Answer::Ask => {
                share.wait();
                self.waiting[process] += 1;
            }
        }
    }

    /// Whoever waits hears what the ledger said, and asks again if that was not enough.
    fn land(&mut self, process: usize) {
        self.renew(process);
        for _ in 0..std::mem::take(&mut self.waiting[process]) {
            self.processes[process].waited();
            self.come(process);
        }
    }

    fn told(&mut self, process: usize) {
        let told = Told {
            limit: Some(self.server.capacity()),
            remaining: Some(self.server.available(self.now)),
            reset: None,
        };
        self.processes[process].observe(told, self.now);
    }
}

/// What happens to a process.
#[derive(Debug, Clone)]
enum Event {
    Requests(usize, u8, usize),
    Told(usize),
    Passes(u64),
    Dies(usize),
    Gives(usize),
}

fn events(processes: usize) -> impl Strategy<Value = Vec<Event>> {
    let process = 0..processes;
    let event = prop_oneof![
        6 => (process.clone(), 1_u8..60, 0..Class::ALL.len())
            .prop_map(|(process, count, class)| Event::Requests(process, count, class)),
        1 => process.clone().prop_map(Event::Told),
        4 => (0_u64..4_000).prop_map(Event::Passes),
        1 => (0_u64..90_000).prop_map(Event::Passes),
        1 => process.clone().prop_map(Event::Dies),
        2 => process.prop_map(Event::Gives),
    ];
    prop::collection::vec(event, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn however_processes_take_turns_and_die_fanvue_never_has_to_refuse(
        capacity in 1_u32..300,
        events in events(4),
    ) {
        let mut world = World::new(capacity, 4);
        for event in events {
            match event {
                Event::Requests(process, count, class) => for _ in 0..count {
                    let _ = world.request(process, Class::ALL[class]);
                },
                Event::Told(process) => world.told(process),
                Event::Passes(millis) => world.pass(Duration::from_millis(millis)),
                Event::Dies(process) => world.processes[process] = Share::shared(capacity, world.now),
                Event::Gives(process) => world.renew(process),
            }
            prop_assert_eq!(world.refused, 0);
        }
    }

    /// What one process has borrowed ahead is not missing where everybody comes at once.
    #[test]
    fn a_burst_of_two_thirds_of_the_bucket_is_served_at_once_in_any_order(
        steps in prop::collection::vec((0_usize..3, 1_u32..70, 1_u32..3), 0..60),
    ) {
        let mut world = World::new(300, 3);
        let mut to_come = [67_u32; 3];
        for (process, come, land) in steps {
            for _ in 0..come.min(to_come[process]) {
                to_come[process] -= 1;
                world.come(process);
            }
            for _ in 1..land {
                world.land(process);
            }
        }
        for (process, to_come) in to_come.into_iter().enumerate() {
            for _ in 0..to_come {
                world.come(process);
            }
            let mut loans = 0;
            while world.waiting[process] > 0 {
                world.land(process);
                loans += 1;
                prop_assert!(loans <= 8, "{loans} loans");
            }
        }
        prop_assert_eq!(world.put_off, 0);
    }

    #[test]
    fn the_ledger_reads_back_and_nonsense_is_none(
        capacity in any::<u32>(),
        wants in prop::collection::vec((any::<u64>(), any::<u32>()), 0..20),
        text in ".{0,200}",
    ) {
        let mut ledger = Ledger::new(capacity, START);
        for (holder, want) in wants {
            let _ = ledger.renew(&ask(holder, want), START);
        }
        prop_assert_eq!(Ledger::from_text(&ledger.to_text()), Some(ledger));
        let _ = Ledger::from_text(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_class_starves_and_replies_keep_most_of_it(
        capacity in 60_u32..300,
        processes in 1_usize..4,
        load in 1_u64..8,
    ) {
        let mut world = World::new(capacity, processes);
        let mut served = [0_u32; Class::ALL.len()];
        // Each class in each process asks again and again, eight times as much in all as there is.
        for _ in 0..(600 * load) {
            world.pass(Duration::from_millis(1_000 / load));
            for process in 0..processes {
                for class in Class::ALL {
                    let tries = if class == Class::LiveReply { 4 } else { 1 };
                    for _ in 0..tries {
                        served[class.index()] += u32::from(world.request(process, class).is_ok());
                    }
                }
            }
        }
        prop_assert_eq!(world.refused, 0);
        // Ten minutes' worth.
        let all: u32 = served.iter().sum();
        prop_assert!(all >= capacity * 9, "{served:?} of {}", capacity * 10);
        prop_assert!(served[0] >= capacity * 7, "{served:?} of {}", capacity * 10);
        for count in &served[1..] {
            prop_assert!(*count >= capacity / 10, "{served:?}");
        }
    }
}

fn ask(holder: u64, want: u32) -> Request {
    Request {
        holder,
        back: None,
        spent: 0,
        told: None,
        hold: None,
        want,
        ahead: 0,
        class: Class::LiveReply,
        floor: 0,
    }
}

fn after(millis: u64) -> Timestamp {
    START + Duration::from_millis(millis)
}

#[test]
fn a_process_alone_gets_nearly_all_and_asks_seldom() {
    let mut world = World::new(200, 1);
    let mut sent = 0;
    while world.request(0, Class::LiveReply).is_ok() {
        sent += 1;
    }
    assert!(sent >= 190, "{sent}");
    assert!(world.asked <= sent / 10, "{} for {sent}", world.asked);
}

#[test]
fn a_second_process_finds_something_at_once_and_half_soon() {
    let mut world = World::new(100, 2);
    for _ in 0..40 {
        world.request(0, Class::LiveReply).unwrap();
    }
    for _ in 0..5 {
        world.request(1, Class::LiveReply).unwrap();
    }
    let (mut first, mut second) = (0, 0);
    for _ in 0..600 {
        world.pass(Duration::from_millis(100));
        first += u32::from(world.request(0, Class::LiveReply).is_ok());
        second += u32::from(world.request(1, Class::LiveReply).is_ok());
    }
    assert_eq!(world.refused, 0);
    assert!(
        first.abs_diff(second) <= (first + second) / 5,
        "{first} and {second}"
    );
}

#[test]
fn polls_and_broadcasts_leave_replies_their_part() {
    let mut world = World::new(100, 2);
    for class in [Class::Poll, Class::Broadcast] {
        for _ in 0..200 {
            let _ = world.request(0, class);
        }
    }
    let mut replies = 0;
    while world.request(1, Class::LiveReply).is_ok() {
        replies += 1;
    }
    assert!(replies >= 20, "{replies}");
}

#[test]
fn what_a_dead_process_borrowed_comes_back() {
    let mut ledger = Ledger::new(100, START);
    assert_eq!(ledger.renew(&ask(1, 80), START).tokens, 80);
    assert_eq!(ledger.renew(&ask(2, 80), after(500)).tokens, 20);
    // The first has not been heard of since. What it had counts as used, and refills.
    let mut back = ask(2, 200);
    back.back = Some((2, 20));
    let lent = ledger.renew(&back, after(60_000));
    assert!(lent.tokens >= 80, "{lent:?}");
    assert_eq!(lent.processes, 1);
}

#[test]
fn a_hold_reaches_every_process_with_its_next_loan() {
    let mut world = World::new(100, 2);
    world.request(0, Class::LiveReply).unwrap();
    world.request(1, Class::LiveReply).unwrap();
    let until = world.now + Duration::from_secs(30);
    world.processes[0].hold(until, world.now);
    world.renew(0);
    world.pass(Duration::from_secs(1));
    let wait = world.request(1, Class::LiveReply).unwrap_err();
    assert_eq!(wait, Duration::from_secs(29));
}

#[test]
fn whoever_is_refused_is_told_a_time_of_their_own() {
    let mut share = Share::alone(60, START);
    while share.try_take(Class::LiveReply, START) == Answer::Taken {}
    let mut waits = Vec::new();
    for _ in 0..10 {
        match share.try_take(Class::LiveReply, START) {
            Answer::Wait(wait) => waits.push(wait),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        waits
            .windows(2)
            .all(|two| two[1] >= two[0] + Duration::from_secs(1)),
        "{waits:?}"
    );
}

#[test]
fn without_the_store_an_even_part_is_used_and_told_of_later() {
    let mut world = World::new(120, 2);
    for process in 0..2 {
        world.request(process, Class::LiveReply).unwrap();
        world.renew(process);
    }
    world.renew(0);
    world.pass(Duration::from_secs(1));
    let _ = world.processes[0].begin(0, world.now);
    world.processes[0].store_away(world.now);
    let mut sent = 0;
    for _ in 0..2 {
        while world.processes[0].try_take(Class::LiveReply, world.now) == Answer::Taken {
            sent += 1;
        }
        world.pass(Duration::from_millis(999));
    }
    // What was in hand, and one a second of the two that come back.
    assert!((1..=20).contains(&sent), "{sent}");
    world.pass(Duration::from_secs(2));
    let request = world.processes[0].begin(0, world.now);
    assert_eq!(request.spent, sent);
}

#[test]
fn a_clock_that_was_a_year_ahead_holds_nobody_up() {
    let year = Duration::from_secs(365 * 86_400);
    let mut ledger = Ledger::new(100, START + year);
    let _ = ledger.renew(&ask(1, 50), START + year);
    assert!(ledger.renew(&ask(2, 50), START).tokens > 0);
    let mut share = Share::shared(100, START + year);
    assert_eq!(share.try_take(Class::LiveReply, START + year), Answer::Ask);
    let request = share.begin(3, START + year);
    let lent = ledger.renew(&request, START);
    share.granted(&request, lent, START + year);
    share.hold(START + year + Duration::from_secs(5), START + year);
    assert_ne!(
        share.try_take(Class::LiveReply, START + Duration::from_secs(6)),
        Answer::Wait(year),
    );
}

#[test]
fn whoever_waits_for_a_loan_is_served_by_the_next_one() {
    let mut world = World::new(300, 1);
    for _ in 0..200 {
        world.come(0);
    }
    world.land(0);
    assert_eq!(
        world.waiting,
        [0],
        "all of them came before the ledger was asked"
    );
}

#[test]
fn what_is_left_is_what_is_lent_to_nobody_and_what_processes_have_in_hand() {
    let mut ledger = Ledger::new(100, START);
    let ask = |back, hold| Request {
        holder: 1,
        back,
        spent: 0,
        told: None,
        hold,
        want: 10,
        ahead: 0,
        class: Class::LiveReply,
        floor: 0,
    };
    let lent = ledger.renew(&ask(None, None), START);
    assert_eq!(lent.tokens, 10);
    assert_eq!(ledger.remaining(START).requests, 100, "nothing is used yet");
    ledger.renew(&ask(Some((lent.serial, 4)), None), START);
    let left = ledger.remaining(START);
    assert_eq!(
        (left.requests, left.limit),
        (94, 100),
        "six of ten were used"
    );
    assert_eq!((left.at, left.held_until), (START, None));
    // Five come back in three seconds, and the loan of ten may still be used until then.
    let soon = START + Duration::from_secs(2);
    assert_eq!(ledger.remaining(soon).requests, 97);
    let later = START + Duration::from_secs(60);
    assert_eq!(ledger.remaining(later).requests, 100);
    assert_eq!(ledger.remaining(later).at, START);

    let until = START + Duration::from_secs(30);
    ledger.renew(&ask(None, Some(until)), START);
    let held = ledger.remaining(START);
    assert_eq!((held.requests, held.held_until), (0, Some(until)));
    assert_eq!(ledger.remaining(until).held_until, None);
}
