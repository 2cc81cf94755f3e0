//! Where the workspace lies, its packages, and the cargo that builds it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, ensure};
use serde_json::Value;

/// A package of the workspace, as `cargo metadata` tells it.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, relative to the root of the workspace.
    pub(crate) folder: String,
    /// Whether it may be published to a registry.
    pub(crate) published: bool,
    /// The names of its normal and build dependencies; those for tests only are left out.
    pub(crate) dependencies: Vec<String>,
}

/// Returns the root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// Returns a command that runs cargo in the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs a command to its end, its output going where ours goes, and returns its exit status.
pub(crate) fn status_of(mut command: Command) -> anyhow::Result<u8> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(as_exit_status(status))
}

/// Returns the packages of the workspace.
pub(crate) fn packages() -> anyhow::Result<Vec<Package>> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("cannot run `cargo metadata`")?;
    ensure!(
        output.status.success(),
        "`cargo metadata` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    packages_in(&serde_json::from_slice(&output.stdout)?)
}

/// Reads the packages out of what `cargo metadata` printed.
fn packages_in(metadata: &Value) -> anyhow::Result<Vec<Package>> {
    let root = text(&metadata["workspace_root"]).context("no `workspace_root`")?;
    let packages = metadata["packages"].as_array().context("no `packages`")?;
    packages
        .iter()
        .map(|package| package_in(package, root))
        .collect::<Option<_>>()
        .context("`cargo metadata` has a package that cannot be read")
}

/// Reads one package; `None` where something is missing.
fn package_in(package: &Value, root: &str) -> Option<Package> {
    let folder = Path::new(text(&package["manifest_path"])?).parent()?;
    let dependencies = package["dependencies"].as_array()?;
    Some(Package {
        name: text(&package["name"])?.to_owned(),
        folder: folder.strip_prefix(root).ok()?.to_str()?.to_owned(),
        published: package["publish"]
            .as_array()
            .is_none_or(|to| !to.is_empty()),
        dependencies: dependencies
            .iter()
            .filter(|dependency| text(&dependency["kind"]) != Some("dev"))
            .map(|dependency| text(&dependency["name"]).map(str::to_owned))
            .collect::<Option<_>>()?,
    })
}

/// Returns the text that a JSON value is, if it is one.
fn text(value: &Value) -> Option<&str> {
    value.as_str()
}

/// Returns the status to exit with for a program that ended so; a signal is a failure.
fn as_exit_status(status: ExitStatus) -> u8 {
    status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packages_are_read_with_their_edges() {
        let metadata = json!({
            "workspace_root": "/w",
            "packages": [{
                "name": "a",
                "manifest_path": "/w/crates/a/Cargo.toml",
                "publish": null,
                "dependencies": [
                    { "name": "b", "kind": null },
                    { "name": "c", "kind": "dev" },
                    { "name": "d", "kind": "build" },
                ],
            }, {
                "name": "x",
                "manifest_path": "/w/x/Cargo.toml",
                "publish": [],
                "dependencies": [],
            }],
        });
        let packages = packages_in(&metadata).unwrap();
        assert_eq!(packages[0].folder, "crates/a");
        assert_eq!(packages[0].dependencies, ["b", "d"]);
        assert!(packages[0].published);
        assert!(!packages[1].published);
    }

    #[test]
    fn metadata_of_another_shape_is_an_error() {
        assert!(packages_in(&json!({})).is_err());
        assert!(packages_in(&json!({ "workspace_root": "/w", "packages": [{}] })).is_err());
    }
}
