//! Which lanes a claim takes: creators in turn, and within a creator the most urgent lanes first.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use uuid::Uuid;

/// A lane that could be claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadyLane {
    /// The back end's own number of the lane.
    pub(crate) lane: i64,
    pub(crate) creator: Uuid,
    /// The lane within the creator.
    pub(crate) key: Uuid,
    /// Of its first job; smaller goes first.
    pub(crate) priority: i64,
    /// When its first job is due; longer goes first.
    pub(crate) due: i64,
}

/// Up to `limit` of `lanes`, at most `of_one` of a creator, one of each creator in turn, starting with the creator
/// after `cursor`.
/// Answers with the creator that had the last turn: the next claim's cursor.
pub(crate) fn pick(
    mut lanes: Vec<ReadyLane>,
    cursor: Option<Uuid>,
    limit: usize,
    of_one: usize,
) -> (Vec<ReadyLane>, Option<Uuid>) {
    lanes.sort_by_key(|lane| (lane.priority, lane.due, lane.lane));
    let mut waiting: BTreeMap<Uuid, VecDeque<ReadyLane>> = BTreeMap::new();
    for lane in lanes {
        waiting.entry(lane.creator).or_default().push_back(lane);
    }
    for lanes in waiting.values_mut() {
        lanes.truncate(of_one);
    }
    let mut turns: VecDeque<Uuid> = waiting.keys().copied().collect();
    let before = turns
        .iter()
        .filter(|creator| cursor.is_some_and(|cursor| **creator <= cursor))
        .count();
    turns.rotate_left(before);

    let mut picked = Vec::new();
    let mut last = cursor;
    while picked.len() < limit
        && let Some(creator) = turns.pop_front()
    {
        if let Some(lane) = waiting.get_mut(&creator).and_then(VecDeque::pop_front) {
            picked.push(lane);
            last = Some(creator);
            turns.push_back(creator);
        }
    }
    (picked, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(creator: u128, lane: i64, priority: i64, due: i64) -> ReadyLane {
        ReadyLane {
            lane,
            creator: Uuid::from_u128(creator),
            key: Uuid::from_u128(u128::try_from(lane).unwrap()),
            priority,
            due,
        }
    }

    fn check(lanes: &[ReadyLane], cursor: Option<u128>, limit: usize, expected: &[i64]) {
        check_of_one(lanes, cursor, (limit, usize::MAX), expected);
    }

    fn check_of_one(
        lanes: &[ReadyLane],
        cursor: Option<u128>,
        (limit, of_one): (usize, usize),
        expected: &[i64],
    ) {
        let (picked, _) = pick(lanes.to_vec(), cursor.map(Uuid::from_u128), limit, of_one);
        let numbers: Vec<i64> = picked.iter().map(|lane| lane.lane).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn creators_take_turns_from_the_one_after_the_cursor() {
        let lanes = [
            lane(1, 10, 0, 0),
            lane(1, 11, 0, 1),
            lane(1, 12, 0, 2),
            lane(2, 20, 0, 9),
            lane(3, 30, 0, 9),
        ];
        check(&lanes, None, 9, &[10, 20, 30, 11, 12]);
        check(&lanes, Some(1), 3, &[20, 30, 10]);
        check(&lanes, Some(3), 2, &[10, 20]);
        check(&lanes, Some(2), 0, &[]);
    }

    #[test]
    fn no_creator_gets_more_than_one_creator_may() {
        let lanes = [
            lane(1, 10, 0, 0),
            lane(1, 11, 0, 1),
            lane(1, 12, 3, 2),
            lane(2, 20, 0, 9),
            lane(2, 21, 0, 9),
        ];
        check_of_one(&lanes, None, (9, 1), &[10, 20]);
        check_of_one(&lanes, Some(1), (9, 2), &[20, 10, 21, 11]);
        check_of_one(&lanes, None, (3, 2), &[10, 20, 11]);
        check_of_one(&lanes, None, (3, 0), &[]);
    }

    #[test]
    fn within_a_creator_the_better_priority_goes_first_then_the_longer_due() {
        let lanes = [
            lane(1, 10, 3, 0),
            lane(1, 11, 0, 8),
            lane(1, 12, 0, 7),
            lane(1, 13, 1, 1),
        ];
        check(&lanes, None, 4, &[12, 11, 13, 10]);
    }

    #[test]
    fn the_cursor_moves_to_the_last_creator_served() {
        let lanes = vec![lane(1, 10, 0, 0), lane(2, 20, 0, 0), lane(3, 30, 0, 0)];
        let (_, cursor) = pick(lanes.clone(), None, 2, 2);
        assert_eq!(cursor, Some(Uuid::from_u128(2)));
        let (picked, cursor) = pick(lanes, cursor, 2, 2);
        assert_eq!(
            picked.iter().map(|lane| lane.lane).collect::<Vec<_>>(),
            [30, 10]
        );
        assert_eq!(cursor, Some(Uuid::from_u128(1)));
    }
}
