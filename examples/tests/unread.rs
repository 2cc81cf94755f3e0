//! The programs when nobody reads what they print.

use procession_testkit::watchdog;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let _watchdog = watchdog();
    let programs = Path::new(env!("CARGO_BIN_EXE_shared_array"))
        .parent()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for source in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin")).unwrap() {
        let source = source.unwrap().path();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = Command::new(programs.join(source.file_stem().unwrap()))
            .current_dir(&folder)
            .stdout(writer)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}: {output:?}", source.display());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
