//! Tables of words: what is no table is refused.

use nix::sys::memfd::{MFdFlags, memfd_create};
use procession_os::table::Table;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;

#[test]
fn what_could_change_its_length_is_no_table() {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    file.set_len(4096).unwrap();
    let refused = Table::open(file.into()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    let file = File::open("/dev/zero").unwrap();
    assert!(Table::open(file.into()).is_err());
}

#[test]
fn a_table_keeps_its_length() {
    let table = Table::new(c"test").unwrap();
    let file = File::from(table.as_fd().try_clone_to_owned().unwrap());
    assert!(file.set_len(0).is_err());
    assert!(file.set_len(8192).is_err());
}
