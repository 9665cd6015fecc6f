//! What holds for the whole deployment, whatever its creators and fans are set to: how far the bot may go at
//! all, and the one switch that stops everything.
//!
//! It lies in a register of the store, so all processes share it and it survives them. An engine reads it in
//! each step and once more right before a send; nothing caches it.

use std::borrow::Cow;

use crate::fields::{Fields, FieldsWriter};
use crate::revision::Versioned;
use crate::settings::{Mode, Settings};
use crate::store::{RegisterName, Store, StoreError};
use crate::time::Timestamp;

const REGISTER: &str = "ceiling";
/// Operators who change it at the same time are few.
const TRIES: usize = 16;

/// How far the bot may go in this deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ceiling {
    /// No creator and no fan is in a mode that lets the bot go further. Default: auto, which limits nobody.
    pub mode: Mode,
    /// Do everything but the send, for all. Default: no.
    pub dry_run: bool,
    /// Since when nothing is written and nothing is sent, approved or not. Whoever is owed an answer waits and
    /// gets it when an operator lets the deployment go on; what comes in is stored as ever.
    pub stopped_at: Option<Timestamp>,
}

impl Default for Ceiling {
    fn default() -> Self {
        Self::none()
    }
}

impl Ceiling {
    /// Everybody as they are set.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            mode: Mode::Auto,
            dry_run: false,
            stopped_at: None,
        }
    }

    /// Whether everything is stopped.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped_at.is_some()
    }

    /// `settings` as far as this allows: of each the stricter.
    #[must_use]
    pub fn over<'a>(&self, settings: Cow<'a, Settings>) -> Cow<'a, Settings> {
        let mode = settings.mode.min(self.mode);
        let dry_run = settings.dry_run || self.dry_run;
        if (mode, dry_run) == (settings.mode, settings.dry_run) {
            return settings;
        }
        let mut settings = settings.into_owned();
        settings.mode = mode;
        settings.dry_run = dry_run;
        Cow::Owned(settings)
    }

    /// The ceiling that is set, [`none`](Self::none) if none ever was.
    ///
    /// # Errors
    /// The store's; [`StoreError::Corrupt`] for one that does not read, so that nothing goes out by mistake.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        match store.register(&RegisterName::new(REGISTER)).await? {
            Some(stored) => parse(&stored),
            None => Ok(Self::none()),
        }
    }

    /// Changes it, and answers with what it is then. Idempotent if `change` is.
    ///
    /// # Errors
    /// As [`read`](Self::read); nothing is changed then.
    pub async fn change(
        store: &dyn Store,
        change: impl Fn(&mut Self) + Send + Sync,
    ) -> Result<Self, StoreError> {
        let name = RegisterName::new(REGISTER);
        let mut tries = 0;
        loop {
            let stored = store.register(&name).await?;
            let expected = stored.as_ref().map(|stored| stored.revision);
            let before = stored.as_ref().map_or(Ok(Self::none()), parse)?;
            let mut ceiling = before;
            change(&mut ceiling);
            if ceiling == before {
                return Ok(ceiling);
            }
            match store
                .set_register(&name, &to_text(&ceiling), expected)
                .await
            {
                Ok(_) => return Ok(ceiling),
                Err(StoreError::Conflict) if tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

fn parse(stored: &Versioned<String>) -> Result<Ceiling, StoreError> {
    from_text(&stored.value).ok_or_else(|| StoreError::Corrupt {
        reason: format!("the register {REGISTER} does not read"),
    })
}

fn to_text(ceiling: &Ceiling) -> String {
    let mut fields = FieldsWriter::default();
    fields.add("mode", name(ceiling.mode));
    fields.add("dry_run", ceiling.dry_run);
    if let Some(at) = ceiling.stopped_at {
        fields.time("stopped", at);
    }
    fields.into_text()
}

/// `None` if anything is missing or unknown.
fn from_text(text: &str) -> Option<Ceiling> {
    let fields = Fields::read(text);
    let mode = fields.get::<String>("mode")?;
    let stopped_at = match fields.get::<String>("stopped") {
        Some(_) => Some(fields.time("stopped")?),
        None => None,
    };
    Some(Ceiling {
        mode: [Mode::Off, Mode::Draft, Mode::Auto]
            .into_iter()
            .find(|known| name(*known) == mode)?,
        dry_run: fields.get("dry_run")?,
        stopped_at,
    })
}

const fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Draft => "draft",
        Mode::Auto => "auto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_of_both_holds() {
        const MODES: [Mode; 3] = [Mode::Off, Mode::Draft, Mode::Auto];
        for (index, mode) in MODES.into_iter().enumerate() {
            for (limit, most) in MODES.into_iter().enumerate() {
                let ceiling = Ceiling {
                    mode: most,
                    ..Ceiling::none()
                };
                let settings = Settings::default().mode(mode);
                let held = ceiling.over(Cow::Borrowed(&settings));
                assert_eq!(held.mode, MODES[index.min(limit)]);
            }
        }
        let settings = Settings::default();
        assert!(matches!(
            Ceiling::none().over(Cow::Borrowed(&settings)),
            Cow::Borrowed(same) if *same == settings
        ));
        let dry = Ceiling {
            dry_run: true,
            ..Ceiling::none()
        };
        assert!(dry.over(Cow::Borrowed(&settings)).dry_run);
    }

    #[test]
    fn it_reads_back_and_what_does_not_read_lets_nobody_go_on() {
        let stopped = Ceiling {
            mode: Mode::Draft,
            dry_run: true,
            stopped_at: Some(Timestamp::from_seconds(9)),
        };
        for ceiling in [Ceiling::none(), stopped] {
            assert_eq!(from_text(&to_text(&ceiling)), Some(ceiling));
        }
        for broken in [
            "",
            "mode auto\n",
            "mode later\ndry_run false\n",
            "mode auto\ndry_run false\nstopped soon\n",
        ] {
            assert_eq!(from_text(broken), None, "{broken:?}");
        }
    }
}
