//! Ids of jobs: version 7 UUIDs whose low bits are the job's number, so that a claim finds its row
//! without another index.

use fanvue_bot_core::id::JobId;
use fanvue_bot_core::time::Timestamp;
use uuid::Uuid;

/// The 62 bits that version 7 leaves to the maker, behind the variant.
const NUMBER: u128 = (1 << 62) - 1;

/// The id of the job with this number, enqueued at `now`.
pub(crate) fn new(number: i64, now: Timestamp) -> JobId {
    let millis = u128::try_from(now.as_micros() / 1_000).unwrap_or(0) & ((1 << 48) - 1);
    let number = u128::try_from(number).unwrap_or(0) & NUMBER;
    JobId::from_uuid(Uuid::from_u128(
        (millis << 80) | (7 << 76) | (0b10 << 62) | number,
    ))
}

/// The number of the job with this id, if the id is from here at all.
pub(crate) fn sequence(job: JobId) -> i64 {
    i64::try_from(job.as_uuid().as_u128() & NUMBER).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_gives_back_its_number() {
        for number in [1, 77, i64::from(u32::MAX), (1 << 62) - 1] {
            let id = new(number, Timestamp::from_seconds(1_780_000_000));
            assert_eq!(sequence(id), number);
            assert_eq!(id.as_uuid().get_version_num(), 7);
            assert_eq!(id.as_uuid().get_variant(), uuid::Variant::RFC4122);
        }
    }

    #[test]
    fn ids_grow_with_time() {
        let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(11));
        assert!(new(9, early) < new(1, late));
        assert!(new(1, late) < new(2, late));
    }
}
