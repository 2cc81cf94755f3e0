//! The Pythons of this machine.

pub(crate) use procession_testkit::python::Python;

use procession_testkit::python;

/// What every script begins with.
///
/// A Python before 3.13 unlinks at its exit what it merely attached, unless the resource tracker
/// is told to forget it; later ones are asked with `track=False`, except for lists.
const PRELUDE: &str = r#"
import os, sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList

def forget(block):
    resource_tracker.unregister(block._name, "shared_memory")
    return block

def attach(name):
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    return forget(SharedMemory(name))

def attach_list(name):
    items = ShareableList(name=name)
    forget(items.shm)
    return items

def say(*what):
    print(*what, flush=True)

def wait():
    assert sys.stdin.readline()

tracker = lambda: resource_tracker._resource_tracker._pid or 0
"#;

/// Returns all that are found; prints a note if there is none.
pub(crate) fn all() -> Vec<Python> {
    python::all(PRELUDE)
}
