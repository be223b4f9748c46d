//! A folder of static files, which no requested name leads out of.

use std::io;
use std::path::{Path, PathBuf};

use super::files::{Bytes, Refusal};

/// The largest static file in octets that is served.
const MAX_FILE: u64 = 1 << 30;

/// The folder of static files.
#[derive(Debug, Clone)]
pub struct StaticRoot {
    /// Absolute, without symbolic links.
    root: PathBuf,
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
        Ok(Self { root })
    }

    /// The octets of the file `name`: components joined by `/`, relative to the folder.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] also for every name that leads out of the folder (`..`, an absolute path, a symbolic link to
    /// outside) or to anything but a regular file: whether such a thing exists is nobody's business.
    /// [`Refusal::Busy`] where the system cannot read it now.
    pub async fn open(&self, name: &str) -> Result<Bytes, Refusal> {
        let path = self.inside(name).ok_or(Refusal::NotFound)?;
        let root = self.root.clone();
        let read = tokio::task::spawn_blocking(move || read(&root, &path));
        match read.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())) {
            Ok(octets) => Ok(octets.into()),
            Err(error) => Err(refusal(&error, name)),
        }
    }

    /// The path that `name` means, by its text alone; `None` where a component is empty, `.` or `..`, or holds a NUL.
    fn inside(&self, name: &str) -> Option<PathBuf> {
        let plain = |component: &str| !matches!(component, "" | "." | "..") && !component.contains('\0');
        name.split('/').all(plain).then(|| self.root.join(name))
    }
}

/// Reads a regular file that is under `root` after its symbolic links are resolved.
fn read(root: &Path, path: &Path) -> io::Result<Vec<u8>> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    // A device or a FIFO might block or never end.
    if !path.starts_with(root) || !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(io::ErrorKind::NotFound.into());
    }
    std::fs::read(path)
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
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn names_inside_are_served_and_nothing_leads_outside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::write(root.join("sub/image.bin"), "image").unwrap();
        symlink("sub/image.bin", root.join("inside")).unwrap();
        symlink("../secret", root.join("outside")).unwrap();
        symlink(folder.path(), root.join("up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let absolute = folder.path().join("secret");
        let files = StaticRoot::new(&root).unwrap();

        assert_eq!(files.open("sub/image.bin").await.unwrap(), "image");
        assert_eq!(files.open("inside").await.unwrap(), "image");
        let long = "a".repeat(300);
        for name in [
            "",
            "/",
            "sub",
            "sub/",
            ".",
            "./inside",
            "..",
            "../secret",
            "sub/../inside",
            "sub/../../secret",
            "sub//image.bin",
            "outside",
            "up/secret",
            "missing",
            "inside/x",
            "inside\0",
            "..\\secret",
            absolute.to_str().unwrap(),
            &long,
        ] {
            assert_eq!(files.open(name).await, Err(Refusal::NotFound), "{name:?}");
        }
        assert!(files.open("loop").await.is_err());
    }

    #[test]
    fn a_root_that_is_no_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(StaticRoot::new(file.path()).is_err());
        assert!(StaticRoot::new(&file.path().join("missing")).is_err());
    }
}
