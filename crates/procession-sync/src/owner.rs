//! Who holds a lock, for those who look at it.

use std::fs;

/// Who holds a lock, as far as `/proc` tells.
#[derive(Debug)]
#[expect(dead_code, reason = "it is made to be shown")]
pub(crate) struct Owner {
    process: Option<u32>,
    thread: u32,
    name: String,
}

impl Owner {
    pub(crate) fn of(thread: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        let field = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.map_or("", str::trim)
        };
        Self {
            process: field("Tgid:").parse().ok(),
            thread,
            name: field("Name:").to_owned(),
        }
    }
}
