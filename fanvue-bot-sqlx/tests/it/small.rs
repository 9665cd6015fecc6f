//! A file system that is really small, in memory, to be full or read-only.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Mounted until this is dropped, with a ballast in it that can be thrown off.
pub(crate) struct SmallDisk {
    dir: TempDir,
}

impl SmallDisk {
    /// `None` where this process may not mount, which needs root; the tests say then that they are skipped.
    pub(crate) fn new(bytes: u64, ballast: usize, owner: u32) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let options = format!("size={bytes},uid={owner},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|done| done.status.success());
        if !mounted {
            eprintln!("SKIPPED: a small disk cannot be mounted here; root may");
            return None;
        }
        let disk = Self { dir };
        let mut file = std::fs::File::create(disk.ballast()).unwrap();
        file.write_all(&vec![1; ballast]).unwrap();
        Some(disk)
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }

    /// Makes room.
    pub(crate) fn throw_ballast(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    pub(crate) fn set_read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path())
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open lets go of it later.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
