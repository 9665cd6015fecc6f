//! Master keys from files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use fanvue_bot::secret::{KeySource, KeySourceError, Keyring, MasterKey, Secret};

use crate::source::ring;

/// No text of a key is longer.
const LONGEST: u64 = 1_024;

/// Each key in a file of its own, which nobody but the owner may read.
#[derive(Debug, Clone)]
pub(crate) struct KeyFiles {
    primary: PathBuf,
    other: Option<PathBuf>,
}

impl KeyFiles {
    /// The key that seals, and during a change of the key the other live one.
    pub(crate) fn new(primary: impl Into<PathBuf>, other: Option<PathBuf>) -> Self {
        Self {
            primary: primary.into(),
            other,
        }
    }
}

#[async_trait]
impl KeySource for KeyFiles {
    async fn keyring(&self) -> Result<Keyring, KeySourceError> {
        let primary = read(&self.primary)?;
        let other = self.other.as_deref().map(read).transpose()?;
        ring(primary, other, &self.primary.display().to_string())
    }
}

fn read(path: &Path) -> Result<MasterKey, KeySourceError> {
    let place = path.display().to_string();
    let text = text(path)?;
    text.expose_text()
        .ok_or(fanvue_bot::secret::KeyringError::KeyText)
        .and_then(MasterKey::from_text)
        .map_err(|source| KeySourceError::Refused { place, source })
}

/// What a file says that nobody but its owner may read.
pub(crate) fn text(path: &Path) -> Result<Secret, KeySourceError> {
    let place = path.display().to_string();
    let unavailable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => KeySourceError::Missing {
            place: place.clone(),
        },
        _ => KeySourceError::Unavailable {
            place: place.clone(),
            source: error.into(),
        },
    };
    let file = File::open(path).map_err(unavailable)?;
    // Of the open file, not of the path, which could be another one by then.
    let about = file.metadata().map_err(unavailable)?;
    check_readers(&about, &place)?;
    // The capacity keeps the vector from leaving copies behind as it grows.
    let mut bytes = Vec::with_capacity(1_025);
    let read = file.take(LONGEST).read_to_end(&mut bytes);
    let text = Secret::new(bytes);
    read.map_err(unavailable)?;
    Ok(text)
}

#[cfg(unix)]
fn check_readers(about: &std::fs::Metadata, place: &str) -> Result<(), KeySourceError> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = about.permissions().mode() & 0o777;
    let who = match (mode & 0o070 != 0, mode & 0o007 != 0) {
        (false, false) => return Ok(()),
        (true, false) => "its group",
        (_, true) => "everybody",
    };
    Err(KeySourceError::Exposed {
        place: place.to_owned(),
        why: format!("{who} may use the file, whose mode is {mode:04o}; run `chmod 600 {place}`"),
    })
}

/// Elsewhere the file system says it otherwise, and this does not look.
#[cfg(not(unix))]
fn check_readers(_: &std::fs::Metadata, _: &str) -> Result<(), KeySourceError> {
    Ok(())
}

/// Writes a new file that nobody but its owner may read.
pub(crate) fn write_new(path: &Path, text: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;

    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(all(test, unix))]
mod tests {
    use std::error::Error as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const KEY: &str = "+/r5+Pf29fTz8vHw7+7t7Ovq6ejn5uXk4+Lh4N/e3dw=";

    async fn refused(text: &str, mode: u32) -> KeySourceError {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        KeyFiles::new(path, None).keyring().await.unwrap_err()
    }

    #[tokio::test]
    async fn a_key_that_others_may_read_is_refused_with_the_remedy() {
        for (mode, who) in [
            (0o640, "its group"),
            (0o604, "everybody"),
            (0o666, "everybody"),
        ] {
            let error = refused(KEY, mode).await.to_string();
            assert!(error.contains(who), "{error}");
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused_in_words_and_not_repeated() {
        for (text, reason) in [
            ("", "64 hex digits or base64"),
            ("correct horse battery staple", "64 hex digits or base64"),
            ("c2hvcnQ=", "32 bytes long, not 5"),
            (&"0".repeat(64), "placeholder"),
        ] {
            let error = refused(text, 0o600).await;
            let source = error.source().unwrap().to_string();
            assert!(source.contains(reason), "{source}");
            assert!(error.to_string().contains("master.key"), "{error}");
            assert!(text.is_empty() || !source.contains(text), "{source}");
        }
        let error = KeyFiles::new("/no/such/file", None).keyring().await;
        let error = error.unwrap_err().to_string();
        assert_eq!(error, "there is no master key at /no/such/file");
    }

    #[tokio::test]
    async fn a_new_key_is_its_owners_alone_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        write_new(&path, KEY.as_bytes()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write_new(&path, b"another").is_err());
        let expected = MasterKey::from_text(KEY).unwrap().id();
        let read = KeyFiles::new(&path, None).keyring().await.unwrap();
        assert_eq!(read.primary(), expected);
        let same = KeyFiles::new(&path, Some(path.clone())).keyring().await;
        assert!(matches!(same, Err(KeySourceError::Refused { .. })));
    }
}
