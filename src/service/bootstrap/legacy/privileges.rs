//! The worker gives up what it does not need, before it reads anything.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, User, close, geteuid, setgroups, setresgid, setresuid};

/// The descriptors that stay: the private socket as standard input, and the two outputs.
const LAST_STANDARD: i32 = 2;

/// Closes what was inherited, becomes `user` where this process is root's, and rules out that anything is gained again or
/// left behind: no new privileges, no core, no tracer.
///
/// # Errors
/// What failed, with its remedy. The process must end then.
pub(super) fn give_up(user: &str) -> Result<(), String> {
    close_inherited()?;
    if geteuid().is_root() {
        become_user(user)?;
    }
    let failed = |what: &'static str| move |error: nix::Error| format!("{what}: {error}");
    prctl::set_no_new_privs().map_err(failed("no new privileges"))?;
    prctl::set_dumpable(false).map_err(failed("no tracer"))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(failed("no core"))?;
    // The allocator asks for huge pages, of which a process this small fills a fraction.
    prctl::set_thp_disable(true).map_err(failed("no huge pages"))?;
    // Each connection is a descriptor.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed("descriptors"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(failed("descriptors"))?;
    std::env::set_current_dir("/").map_err(|error| format!("/: {error}"))
}

/// Closes every descriptor above the standard ones. Those of the server close at exec by themselves; one that some library
/// forgot to mark must not reach this process either.
fn close_inherited() -> Result<(), String> {
    let listed = std::fs::read_dir("/proc/self/fd").map_err(|error| format!("/proc/self/fd: {error}"))?;
    let numbers = listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    // The list is complete, and its own descriptor closed, before the first is closed.
    let numbers: Vec<i32> = numbers.filter(|number| *number > LAST_STANDARD).collect();
    for number in numbers {
        // The list's own one is gone already.
        let _ = close(number);
    }
    Ok(())
}

/// The user of this name, who is not root.
///
/// # Errors
/// What is wrong, with its remedy.
pub fn unprivileged(user: &str) -> Result<User, String> {
    let remedy = "name an unprivileged user of this machine as user of [bootstrap_legacy]";
    let found = User::from_name(user).map_err(|error| format!("user {user}: {error}: {remedy}"))?;
    let found = found.ok_or_else(|| format!("there is no user {user}: {remedy}"))?;
    if found.uid.is_root() {
        return Err(format!("the user {user} is root: {remedy}"));
    }
    Ok(found)
}

fn become_user(user: &str) -> Result<(), String> {
    let found = unprivileged(user)?;
    change(found.uid, found.gid)
        .map_err(|error| format!("becoming {user}: {error}: the server needs the right to setuid"))?;
    let root = Uid::from_raw(0);
    if setresuid(root, root, root).is_ok() {
        return Err(format!("user {user} could become root again"));
    }
    Ok(())
}

fn change(uid: Uid, gid: Gid) -> nix::Result<()> {
    setgroups(&[gid])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}
