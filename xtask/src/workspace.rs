//! Where the workspace lies, its packages, and the cargo that builds it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, ensure};
use serde_json::Value;

/// A package of the workspace, as `cargo metadata` tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, relative to the root of the workspace.
    pub(crate) folder: String,
    /// Whether it may be published to a registry.
    pub(crate) published: bool,
    /// The names of its normal and build dependencies; those for tests only are left out.
    pub(crate) dependencies: Vec<String>,
    /// The names of its dependencies for tests that want a version, and so stay in the manifest
    /// that is published.
    pub(crate) versioned_for_tests: Vec<String>,
    /// Where its documentation is, if the manifest says so.
    pub(crate) documentation: Option<String>,
    /// The words that it is found by.
    pub(crate) keywords: Vec<String>,
    /// The registry's categories that it belongs to.
    pub(crate) categories: Vec<String>,
    /// The targets that its documentation is built for.
    pub(crate) documented_for: Vec<String>,
}

/// A package of the registry that a published package is built with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Foreign {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// The expression of its licences, if its manifest has one.
    pub(crate) license: Option<String>,
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

/// Returns the folder that cargo builds into.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let folder = text(&metadata["target_directory"]).context("no `target_directory`")?;
    Ok(folder.into())
}

/// Returns the packages of the workspace.
pub(crate) fn packages() -> anyhow::Result<Vec<Package>> {
    packages_in(&metadata(&["--no-deps"])?)
}

/// Returns the packages of the registry that the published packages are built with on this system.
pub(crate) fn foreign() -> anyhow::Result<Vec<Foreign>> {
    let system = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let metadata = metadata(&["--filter-platform", &system])?;
    foreign_in(&metadata).context("`cargo metadata` has a graph that cannot be read")
}

fn metadata(arguments: &[&str]) -> anyhow::Result<Value> {
    let output = cargo(&["metadata", "--format-version", "1"])
        .args(arguments)
        .output()
        .context("cannot run `cargo metadata`")?;
    ensure!(
        output.status.success(),
        "`cargo metadata` failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
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
    let (for_tests, others): (Vec<&Value>, Vec<&Value>) = dependencies
        .iter()
        .partition(|dependency| text(&dependency["kind"]) == Some("dev"));
    Some(Package {
        name: text(&package["name"])?.to_owned(),
        folder: folder.strip_prefix(root).ok()?.to_str()?.to_owned(),
        published: is_published(package),
        dependencies: names(others.into_iter())?,
        versioned_for_tests: names(for_tests.into_iter().filter(|dev| dev["req"] != "*"))?,
        documentation: text(&package["documentation"]).map(str::to_owned),
        keywords: texts(&package["keywords"]),
        categories: texts(&package["categories"]),
        documented_for: texts(&package["metadata"]["docs"]["rs"]["targets"]),
    })
}

fn is_published(package: &Value) -> bool {
    package["publish"]
        .as_array()
        .is_none_or(|to| !to.is_empty())
}

/// Follows the edges from the published packages; `None` where something is missing.
fn foreign_in(metadata: &Value) -> Option<Vec<Foreign>> {
    let packages = metadata["packages"].as_array()?;
    let nodes = metadata["resolve"]["nodes"].as_array()?;
    let of = |all: &'_ [Value], id: &Value| all.iter().position(|one| one["id"] == *id);
    let is_ours = |package: &&Value| package["source"].is_null();
    let mut todo: Vec<&Value> = packages
        .iter()
        .filter(|package| is_ours(package) && is_published(package))
        .map(|package| &package["id"])
        .collect();
    let (mut seen, mut foreign) = (Vec::new(), Vec::new());
    while let Some(id) = todo.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let package = &packages[of(packages, id)?];
        if !is_ours(&package) {
            foreign.push(Foreign {
                name: text(&package["name"])?.to_owned(),
                version: text(&package["version"])?.to_owned(),
                license: text(&package["license"]).map(str::to_owned),
            });
        }
        let edges = nodes[of(nodes, id)?]["deps"].as_array()?;
        let built = edges.iter().filter(|edge| {
            let kinds = edge["dep_kinds"].as_array();
            kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"] != "dev"))
        });
        todo.extend(built.map(|edge| &edge["pkg"]));
    }
    foreign.sort_unstable();
    Some(foreign)
}

/// Returns the names of dependencies; `None` where one has none.
fn names<'a>(dependencies: impl Iterator<Item = &'a Value>) -> Option<Vec<String>> {
    dependencies
        .map(|dependency| text(&dependency["name"]).map(str::to_owned))
        .collect()
}

/// Returns the texts in a JSON array; none if it is no array.
fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(text).map(str::to_owned).collect()
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
                    { "name": "c", "kind": "dev", "req": "*" },
                    { "name": "d", "kind": "build" },
                    { "name": "e", "kind": "dev", "req": "^0.1" },
                ],
                "keywords": ["word"],
                "metadata": { "docs": { "rs": { "targets": ["t"] } } },
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
        assert_eq!(packages[0].versioned_for_tests, ["e"]);
        assert_eq!(packages[0].keywords, ["word"]);
        assert_eq!(packages[0].documented_for, ["t"]);
        assert!(packages[0].published);
        assert!(!packages[1].published);
    }

    #[test]
    fn what_published_packages_are_built_with_is_found() {
        let ours =
            |name: &str, publish: Value| json!({ "id": name, "name": name, "publish": publish });
        let theirs = |name: &str| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": "registry",
            })
        };
        let edge = |to: &str, kind: Value| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [
                ours("a", Value::Null), ours("tool", json!([])),
                theirs("b"), theirs("c"), theirs("for-tests"), theirs("for-tool"),
            ],
            "resolve": { "nodes": [
                { "id": "a", "deps": [edge("b", Value::Null), edge("for-tests", json!("dev"))] },
                { "id": "tool", "deps": [edge("for-tool", Value::Null)] },
                { "id": "b", "deps": [edge("c", json!("build"))] },
                { "id": "c", "deps": [edge("b", Value::Null)] },
            ] },
        });
        let foreign = foreign_in(&metadata).unwrap();
        let names: Vec<&str> = foreign
            .iter()
            .map(|foreign| foreign.name.as_str())
            .collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(foreign[0].license.as_deref(), Some("MIT"));
    }

    #[test]
    fn metadata_of_another_shape_is_an_error() {
        assert!(packages_in(&json!({})).is_err());
        assert!(packages_in(&json!({ "workspace_root": "/w", "packages": [{}] })).is_err());
    }
}
