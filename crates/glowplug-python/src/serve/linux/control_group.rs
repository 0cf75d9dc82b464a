//! Control groups: a program belongs to those of its client, not to its template's.

use std::fs;

/// The control groups of this process, as `/proc` tells them: one line for each hierarchy.
pub fn own() -> Vec<u8> {
    fs::read("/proc/self/cgroup").unwrap_or_default()
}

/// Joins the control groups of a client, told as in [`own`], where those are not `before`, which this process is in; `false` where it may
/// not, or is not in them afterwards.
pub fn join(before: &[u8], told: &[u8]) -> bool {
    if before == told {
        return true;
    }
    let mut others = told.split(|&b| b == b'\n').filter(|line| {
        let mut own = before.split(|&b| b == b'\n');
        !own.any(|own| own == *line)
    });
    others.all(|line| join_one(line).is_some()) && own() == told
}

/// Joins the group of a line `number:controllers:path`. The hierarchy without controllers is version 2's, the others are version 1's.
fn join_one(line: &[u8]) -> Option<()> {
    let mut fields = std::str::from_utf8(line).ok()?.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let folders = match controllers.strip_prefix("name=").unwrap_or(controllers) {
        "" => ["", "/unified"].map(str::to_owned).to_vec(),
        name => vec![format!("/{name}")],
    };
    // Zero is whoever writes it.
    folders.iter().find_map(|folder| {
        fs::write(format!("/sys/fs/cgroup{folder}{path}/cgroup.procs"), "0").ok()
    })
}
