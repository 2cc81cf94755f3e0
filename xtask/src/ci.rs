//! `cargo xtask ci`: all that a change must pass, the quick checks first.
//!
//! Warnings are made errors by arguments that the dependencies do not see, so that what one step
//! built serves the next. Only `loom` sets `RUSTFLAGS`, and builds in a folder of its own.

use crate::output::{complain, say};
use std::time::Instant;

use crate::workspace::{self, cargo, status_of};
use crate::{demos, links, test, tidy};

/// One thing that must pass.
struct Step {
    name: &'static str,
    run: fn() -> anyhow::Result<u8>,
}

/// The steps, in the order in which they run.
const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        run: fmt,
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "rustdoc",
        run: rustdoc,
    },
    Step {
        name: "links",
        run: links,
    },
    Step {
        name: "tidy",
        run: tidy::run,
    },
    Step {
        name: "package",
        run: package,
    },
    Step {
        name: "test",
        run: test::run,
    },
    Step {
        name: "loom",
        run: loom,
    },
    Step {
        name: "demos",
        run: all_demos,
    },
];

/// Runs the steps up to the first that fails.
pub(crate) fn run() -> anyhow::Result<u8> {
    run_steps(STEPS)
}

fn run_steps(steps: &[Step]) -> anyhow::Result<u8> {
    let begun = Instant::now();
    for Step { name, run } in steps {
        say!("ci: {name}");
        let step_begun = Instant::now();
        let status = run()?;
        let seconds = step_begun.elapsed().as_secs_f64();
        if status != 0 {
            complain!("ci: {name} FAILED after {seconds:.1} s; what it found stands above");
            return Ok(status);
        }
        say!("ci: {name} passed in {seconds:.1} s\n");
    }
    say!(
        "ci: all {} steps passed in {:.1} s",
        steps.len(),
        begun.elapsed().as_secs_f64()
    );
    Ok(0)
}

fn fmt() -> anyhow::Result<u8> {
    status_of(cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> anyhow::Result<u8> {
    status_of(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

fn rustdoc() -> anyhow::Result<u8> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    status_of(command)
}

/// The pages of the facade, which show items of the crates below it.
fn links() -> anyhow::Result<u8> {
    let broken = links::broken(&workspace::target()?.join("doc"), "procession")?;
    for link in &broken {
        complain!("{link}");
    }
    Ok(u8::from(!broken.is_empty()))
}

/// Removes what cargo has unpacked of this workspace's packages before: it takes it for the present
/// ones, for their versions are equal. The registry that it keeps them in has no name.
fn forget_packages() {
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    let home = std::env::var_os("CARGO_HOME").map(Into::into).or(home);
    let Some(home) = home else { return };
    for kind in ["src", "cache"] {
        let registries = std::fs::read_dir(home.join("registry").join(kind));
        for registry in registries.into_iter().flatten().flatten() {
            let packages = std::fs::read_dir(registry.path());
            let nameless = registry.file_name().as_encoded_bytes().starts_with(b"-");
            for package in packages.into_iter().flatten().flatten() {
                let ours = package
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(b"procession");
                if nameless && ours {
                    // What cannot be removed is told by the step itself.
                    let _ = std::fs::remove_dir_all(package.path());
                    let _ = std::fs::remove_file(package.path());
                }
            }
        }
    }
}

/// The published crates as a registry would get them, each built from its own package with the
/// others' packages. Cargo lays those over the registry itself, so that nothing has to be published.
fn package() -> anyhow::Result<u8> {
    forget_packages();
    // Nor what was built of them.
    let built = "--target-dir=target/packages";
    let _ = std::fs::remove_dir_all(workspace::root().join("target/packages"));
    let mut command = cargo(&["package", "--workspace", "--allow-dirty", "--quiet", built]);
    for package in workspace::packages()? {
        if !package.published {
            command.arg(format!("--exclude={}", package.name));
        }
    }
    status_of(command)
}

/// The state machines of what lies in shared memory, in every order of their threads' steps.
fn loom() -> anyhow::Result<u8> {
    let models: [&[&str]; 2] = [
        &[
            "-p=procession-sync",
            "-p=procession-queue",
            "-p=procession-pool",
            "--test=loom",
        ],
        &["-p=procession-shm", "--lib", "loom_tests"],
    ];
    for model in models {
        let mut command = cargo(&["test", "--release", "--target-dir=target/loom"]);
        command.args(model).env("RUSTFLAGS", "--cfg loom");
        let status = status_of(command)?;
        if status != 0 {
            return Ok(status);
        }
    }
    Ok(0)
}

fn all_demos() -> anyhow::Result<u8> {
    demos::run(&demos::Options::after_tests())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_it_with_its_status() {
        let steps = [
            Step {
                name: "good",
                run: || Ok(0),
            },
            Step {
                name: "bad",
                run: || Ok(7),
            },
            Step {
                name: "never",
                run: || unreachable!(),
            },
        ];
        assert_eq!(run_steps(&steps).unwrap(), 7);
        assert_eq!(run_steps(&steps[..1]).unwrap(), 0);
    }
}
