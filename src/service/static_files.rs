//! A folder of static files, which no requested name leads out of.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc;

use super::files::{Bytes, Content, OpenFile, Refusal};
use crate::value::Timestamp;

/// Files of up to this many octets are kept in memory while they are asked for; larger ones are read as they are sent.
const SMALL: u64 = 1 << 20;

/// Octets of small files that are kept at most.
const KEPT: u64 = 64 << 20;

/// How long after its last change a file is read anew each time.
const RECENT: Duration = Duration::from_secs(2);

/// The folder of static files.
#[derive(Debug, Clone)]
pub struct StaticRoot {
    /// Absolute, without symbolic links.
    root: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

/// Small files that were asked for lately, as they were when they were read.
#[derive(Debug, Default)]
struct Kept {
    files: HashMap<PathBuf, KeptFile>,
    octets: u64,
}

/// A small file as it was read.
#[derive(Debug, Clone)]
struct KeptFile {
    version: Version,
    octets: Bytes,
    /// Whether any later change would show: the clock of file times ticks slowly, and a file that was just changed may
    /// change again without looking different. Until then it is read anew each time, but not held twice.
    settled: bool,
}

/// What the system changes where a file is changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn is_recent(&self) -> bool {
        let now = Timestamp::now();
        let changed = Timestamp::from_unix(self.changed.0.max(self.modified.0));
        now.distance(changed) < RECENT || changed > now
    }
}

impl StaticRoot {
    /// The folder at `path`.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be read.
    pub fn new(path: &Path) -> io::Result<Self> {
        let root = path.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(
                io::ErrorKind::NotADirectory,
                format!("{} is no folder", root.display()),
            ));
        }
        Ok(Self {
            root,
            kept: Arc::default(),
        })
    }

    /// The file `name`: components joined by `/`, relative to the folder. Where there is none, a name that begins with the
    /// folder's own path means what lies in it, as it does to an unconfined tftpd. A backslash is a character like any
    /// other.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] also for every name that leads out of the folder (`..`, a symbolic link to outside) or to
    /// anything but a regular file: whether such a thing exists is nobody's business.
    /// [`Refusal::Busy`] where the system cannot read it now.
    pub async fn open(&self, name: &str) -> Result<Content, Refusal> {
        let found = self.look_up(name).await;
        match (found, self.prefixed(name)) {
            (Err(Refusal::NotFound), Some(name)) => self.look_up(name).await,
            (found, _) => found,
        }
    }

    /// The name within the folder where `name` begins with the folder's own path.
    pub fn prefixed<'a>(&self, name: &'a str) -> Option<&'a str> {
        let root = self.root.to_str()?.strip_prefix('/')?;
        name.strip_prefix(root)?.strip_prefix('/')
    }

    async fn look_up(&self, name: &str) -> Result<Content, Refusal> {
        let path = self.inside(name).ok_or(Refusal::NotFound)?;
        if let Some(octets) = self.kept(&path) {
            return Ok(Content::Memory(octets));
        }
        let files = self.clone();
        let read = tokio::task::spawn_blocking(move || files.read(&path));
        let read = read.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        read.map_err(|error| refusal(&error, name))
    }

    /// The path that `name` means, by its text alone; `None` where a component is empty, `.` or `..`, or holds a NUL.
    fn inside(&self, name: &str) -> Option<PathBuf> {
        let plain = |component: &str| !matches!(component, "" | "." | "..") && !component.contains('\0');
        name.split('/').all(plain).then(|| self.root.join(name))
    }

    /// The octets that were read at `path` before, where the file there is still the same.
    fn kept(&self, path: &Path) -> Option<Bytes> {
        let kept = self.lock().files.get(path)?.clone();
        let now = Version::of(&path.metadata().ok()?);
        (kept.settled && kept.version == now).then_some(kept.octets)
    }

    /// Opens the regular file at `path`, if what was opened lies under the root: its symbolic links are resolved by then,
    /// and what another process changes meanwhile does not matter.
    fn read(&self, path: &Path) -> io::Result<Content> {
        // A device might be disturbed by being opened.
        if !path.metadata()?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path)?;
        let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let metadata = file.metadata()?;
        if !opened.starts_with(&self.root) || !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        if metadata.len() > SMALL {
            return Ok(Content::Open(Arc::new(OpenFile::new(file)?)));
        }
        let mut octets = Vec::with_capacity(metadata.len() as usize);
        file.take(SMALL).read_to_end(&mut octets)?;
        let version = Version::of(&metadata);
        Ok(Content::Memory(self.keep(path, version, Bytes::from(octets))))
    }

    /// Keeps what was read just now, and gives it: the octets of before where they are the same, so that ten thousand
    /// clients of a new file share them.
    fn keep(&self, path: &Path, version: Version, octets: Bytes) -> Bytes {
        let settled = !version.is_recent();
        let mut kept = self.lock();
        if let Some(known) = kept.files.get_mut(path).filter(|known| known.octets == octets) {
            (known.version, known.settled) = (version, settled);
            return known.octets.clone();
        }
        if kept.octets + octets.len() as u64 > KEPT {
            *kept = Kept::default();
        }
        kept.octets += octets.len() as u64;
        let file = KeptFile {
            version,
            octets: octets.clone(),
            settled,
        };
        if let Some(old) = kept.files.insert(path.to_owned(), file) {
            kept.octets = kept.octets.saturating_sub(old.octets.len() as u64);
        }
        octets
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(error: &io::Error, name: &str) -> Refusal {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename => Refusal::NotFound,
        PermissionDenied => Refusal::Forbidden,
        // A loop of symbolic links has no stable kind; whatever it is, it is a fault of the folder.
        _ => {
            tracing::warn!(name, %error, "a static file cannot be read");
            Refusal::Busy
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

    async fn octets(files: &StaticRoot, name: &str) -> Result<Vec<u8>, Refusal> {
        let content = files.open(name).await?;
        let mut octets = vec![0; content.size() as usize];
        content.read(0..content.size(), &mut octets).unwrap();
        Ok(octets)
    }

    #[tokio::test]
    async fn names_inside_are_served_and_nothing_leads_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("sub/image.bin"), "image").unwrap();
        std::fs::write(root.join("back\\slash"), "back").unwrap();
        symlink("sub/image.bin", root.join("inside")).unwrap();
        symlink(root.join("sub/image.bin"), root.join("absolute")).unwrap();
        symlink("../secret", root.join("outside")).unwrap();
        symlink(folder.path(), root.join("up")).unwrap();
        symlink("/dev/zero", root.join("zero")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        let absolute = folder.path().canonicalize().unwrap().join("secret");
        let files = StaticRoot::new(&root).unwrap();

        assert_eq!(octets(&files, "sub/image.bin").await.unwrap(), b"image");
        assert_eq!(octets(&files, "inside").await.unwrap(), b"image");
        assert_eq!(octets(&files, "absolute").await.unwrap(), b"image");
        assert_eq!(octets(&files, "back\\slash").await.unwrap(), b"back");
        let whole = root.join("inside");
        let whole = whole.to_str().unwrap().trim_start_matches('/');
        assert_eq!(
            octets(&files, whole).await.unwrap(),
            b"image",
            "an unconfined tftpd's name"
        );
        let long = "a".repeat(300);
        let up = format!("{}/../secret", root.to_str().unwrap().trim_start_matches('/'));
        for name in [
            "",
            "/",
            "sub",
            "sub/",
            ".",
            "..",
            "../secret",
            "sub/../inside",
            "sub/../../secret",
            "sub//image.bin",
            "outside",
            "up/secret",
            "up",
            "zero",
            "socket",
            "missing",
            "inside/x",
            "inside\0",
            "..\\secret",
            absolute.to_str().unwrap(),
            absolute.to_str().unwrap().trim_start_matches('/'),
            &up,
            &long,
        ] {
            assert_eq!(octets(&files, name).await, Err(Refusal::NotFound), "{name:?}");
        }
        assert!(files.open("loop").await.is_err());
    }

    #[tokio::test]
    async fn what_is_kept_is_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let (at, other) = (folder.path().join("file"), folder.path().join("other"));
        let files = StaticRoot::new(folder.path()).unwrap();
        std::fs::write(&at, "one").unwrap();
        let version = Version::of(&at.metadata().unwrap());
        assert!(version.is_recent());
        let kept = KeptFile {
            version,
            octets: Bytes::from("kept"),
            settled: true,
        };
        files.lock().files.insert(at.clone(), kept);
        assert_eq!(octets(&files, "file").await.unwrap(), b"kept");
        std::fs::write(&other, "two").unwrap();
        let same = at.metadata().unwrap().modified().unwrap();
        File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(same)
            .unwrap();
        std::fs::rename(&other, &at).unwrap();
        assert_eq!(
            octets(&files, "file").await.unwrap(),
            b"two",
            "of the same size and age"
        );
        std::fs::remove_file(&at).unwrap();
        assert_eq!(octets(&files, "file").await, Err(Refusal::NotFound));
    }

    #[tokio::test]
    async fn a_file_of_this_instant_is_read_anew_and_its_octets_are_shared() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("file");
        let files = StaticRoot::new(folder.path()).unwrap();
        std::fs::write(&at, "one").unwrap();
        let open = async || match files.open("file").await.unwrap() {
            Content::Memory(octets) => octets,
            Content::Open(_) => panic!("it is small"),
        };
        let (first, second) = (open().await, open().await);
        assert_eq!(first.as_ptr(), second.as_ptr());
        std::fs::write(&at, "two").unwrap();
        assert_eq!(open().await, "two");
        assert_eq!(first, "one", "who has it already goes on with it");
    }

    #[tokio::test]
    async fn a_large_file_is_read_as_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..SMALL as usize + 5).map(|at| (at / 3) as u8).collect();
        std::fs::write(folder.path().join("image"), &large).unwrap();
        let files = StaticRoot::new(folder.path()).unwrap();
        let content = files.open("image").await.unwrap();
        assert!(matches!(content, Content::Open(_)));
        let mut part = [0; 9];
        content.read(SMALL - 4..SMALL + 5, &mut part).unwrap();
        assert_eq!(part, large[SMALL as usize - 4..]);
        std::fs::write(folder.path().join("image"), "short").unwrap();
        assert!(
            content.read(SMALL - 4..SMALL + 5, &mut part).is_err(),
            "it was shortened meanwhile"
        );
    }

    #[test]
    fn a_root_that_is_no_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(StaticRoot::new(file.path()).is_err());
        assert!(StaticRoot::new(&file.path().join("missing")).is_err());
    }
}
