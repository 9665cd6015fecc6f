//! Which requests go first.

use crate::queue::Priority;

/// What a request is for, in the order of right.
///
/// Each class leaves so much of the bucket untouched for those before it, so that what can wait never makes a
/// fan wait. So that nothing starves, every class but the first has a floor: where it is refused, one request in
/// each [`WINDOW`](super::WINDOW) / 20 of the full bucket's worth is kept for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever makes requests decides about each"
)]
pub enum Class {
    /// A fan waits for the answer. Leaves nothing.
    #[default]
    LiveReply,
    /// An operator has approved the draft. Leaves a tenth.
    ApprovedDraft,
    /// A nudge after a silence. Leaves a fifth.
    FollowUp,
    /// A message to many. Leaves three tenths.
    Broadcast,
    /// Looking for what webhooks missed, and whatever may be left out. Leaves two fifths. A chat of which a fan's
    /// message is certainly missing is read as [`Class::LiveReply`]: an answer waits for it.
    Poll,
}

impl Class {
    /// All, first the one that goes first.
    pub const ALL: [Self; 5] = [
        Self::LiveReply,
        Self::ApprovedDraft,
        Self::FollowUp,
        Self::Broadcast,
        Self::Poll,
    ];

    /// How many tokens of a bucket of `capacity` it leaves for the classes before it.
    pub(super) const fn leaves(self, capacity: u32) -> u32 {
        let tenth = capacity / 10;
        match self {
            Self::LiveReply => 0,
            Self::ApprovedDraft => tenth,
            Self::FollowUp => tenth * 2,
            Self::Broadcast => tenth * 3,
            Self::Poll => tenth * 4,
        }
    }

    /// Its place in [`Class::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl From<Priority> for Class {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::LiveReply => Self::LiveReply,
            Priority::ApprovedDraft => Self::ApprovedDraft,
            Priority::FollowUp => Self::FollowUp,
            Priority::Broadcast => Self::Broadcast,
        }
    }
}
