//! Builds every demo in one cargo call and learns where the programs lie.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use serde_json::Value;

use crate::workspace::cargo;

/// What is built for the demos alone.
const ALONE: &[&str] = &["--package", "examples", "--bins"];

/// What is built after the tests: cargo chooses the features of the dependencies, and so what it
/// can use again, by what is built together.
const AFTER_TESTS: &[&str] = &["--workspace", "--bins", "--tests"];

/// Builds the demos; returns each program's path by its name, or `None` if they do not compile.
///
/// What cargo has to say goes to standard error.
pub(super) fn programs(after_tests: bool) -> anyhow::Result<Option<BTreeMap<String, PathBuf>>> {
    let output = cargo(&["build", "--message-format=json-render-diagnostics"])
        .args(if after_tests { AFTER_TESTS } else { ALONE })
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run `cargo build`")?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(program);
    Ok(output.status.success().then(|| programs.collect()))
}

/// Returns the name and path of the demo that a message of cargo tells of, if it does.
fn program(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let manifest = message["manifest_path"].as_str()?;
    let is_demo = manifest.ends_with("/examples/Cargo.toml")
        && message["target"]["kind"][0] == "bin"
        && message["profile"]["test"] == false;
    let name = message["target"]["name"].as_str()?;
    let path = message["executable"].as_str()?;
    is_demo.then(|| (name.to_owned(), path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message(package: &str, kind: &str, test: bool) -> String {
        let message = json!({
            "reason": "compiler-artifact",
            "manifest_path": format!("/w/{package}/Cargo.toml"),
            "target": { "name": "a", "kind": [kind] },
            "profile": { "test": test },
            "executable": if kind == "lib" && !test { None } else { Some("/t/a") },
        });
        message.to_string()
    }

    #[test]
    fn a_program_is_found_by_its_message() {
        let found = program(&message("examples", "bin", false));
        assert_eq!(found, Some(("a".to_owned(), "/t/a".into())));
    }

    #[test]
    fn other_messages_are_passed_over() {
        assert_eq!(program(&message("examples", "bin", true)), None);
        assert_eq!(program(&message("examples", "lib", false)), None);
        assert_eq!(program(&message("xtask", "bin", false)), None);
        assert_eq!(
            program(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(program("printed by a build script"), None);
    }
}
