//! The two generations of paths.

use fanvue_bot_core::client::Reach;

use crate::cursor::FirstPage;

/// Which generation of Fanvue's paths is called.
///
/// A setting of the deployment: an account works with either, and lists differ in how they are paged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PathFamily {
    /// `/v1/chats`: lists by cursor, messages by date. Since about August 2026.
    #[default]
    V1,
    /// `/chats`: lists by page number.
    Legacy,
}

impl PathFamily {
    /// What stands before every path.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "/v1",
            Self::Legacy => "",
        }
    }

    /// The full path of `path` (starting with a slash) on the chats that `reach` says.
    pub(crate) fn path(self, reach: Reach, path: &str) -> String {
        let prefix = self.prefix();
        match reach {
            Reach::Own => format!("{prefix}{path}"),
            Reach::Agency(creator) => format!("{prefix}/creators/{creator}{path}"),
        }
    }

    /// How most lists are asked for their first page; those of messages differ.
    pub(crate) const fn first_page(self) -> FirstPage {
        match self {
            Self::V1 => FirstPage::Size,
            Self::Legacy => FirstPage::Numbered,
        }
    }

    /// Whether one message can be asked for by its id.
    pub(crate) const fn has_single_message(self, reach: Reach) -> bool {
        matches!((self, reach), (Self::V1, Reach::Own))
    }
}
