//! What a process on this machine uses, from /proc.

use std::collections::HashMap;
use std::io;

/// The system's ticks a second in /proc (USER_HZ), on every architecture that Linux runs servers on.
const TICKS: f64 = 100.0;

/// Octets of a page in /proc/PID/statm.
const PAGE: u64 = 4096;

/// What a process used up to now.
pub(super) struct Used {
    /// Seconds of CPU time of the process and of its children, living and gone.
    pub(super) cpu: f64,
    /// Octets of memory of the process itself.
    pub(super) resident: u64,
}

struct Stat {
    parent: u32,
    /// User and system time of itself and of the children that it has waited for, in ticks.
    ticks: u64,
}

impl Used {
    /// What `process` used.
    ///
    /// # Errors
    /// The system's, where there is no such process; it says which was meant.
    pub(super) fn of(process: u32) -> io::Result<Self> {
        Self::read(process).map_err(|error| {
            let remedy = "name a process that runs on this machine (--server-pid)";
            io::Error::new(error.kind(), format!("process {process}: {error}: {remedy}"))
        })
    }

    fn read(process: u32) -> io::Result<Self> {
        let mut ticks = stat(process)?.ticks;
        let mut parents: HashMap<u32, Stat> = HashMap::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(id) = id
                && let Ok(stat) = stat(id)
            {
                parents.insert(id, stat);
            }
        }
        let mut family = vec![process];
        while let Some(parent) = family.pop() {
            let children = parents.iter().filter(|(_, stat)| stat.parent == parent);
            let children: Vec<u32> = children.map(|(id, _)| *id).collect();
            for child in children {
                ticks += parents.remove(&child).map_or(0, |stat| stat.ticks);
                family.push(child);
            }
        }
        Ok(Self {
            cpu: ticks as f64 / TICKS,
            resident: resident(process)?,
        })
    }
}

/// Octets of memory that `process` has.
pub(super) fn resident(process: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.unwrap_or(0) * PAGE)
}

fn stat(process: u32) -> io::Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads /proc/PID/stat: the name in parentheses may hold anything, blanks and parentheses included.
fn parse(text: &str) -> Option<Stat> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_stat() {
        let line = "7 (in.tftpd) (x) S 1 7 7 0 -1 0 1 2 3 4 50 60 7 8 20 0 1 0 9 10 11";
        let stat = parse(line).unwrap();
        assert_eq!((stat.parent, stat.ticks), (1, 125));
        assert!(parse("7 (x").is_none() && parse("7 (x) S 1").is_none());
    }

    #[test]
    fn this_process_uses_something() {
        let used = Used::of(std::process::id()).unwrap();
        assert!(used.resident > 100_000 && used.cpu >= 0.0);
        assert!(Used::of(u32::MAX).is_err());
    }
}
