//! `cargo xtask api`: what users build on stays what it is, and every crate can be published.

use crate::{Result, no_more, page, table, workspace};
use pico_args::Arguments;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// The facade's last release before this workspace.
const PUBLISHED: (&str, &str) = ("stronghold-runtime", "2.0.1");

/// Commands of cargo that do not come with it.
const TOOLS: [&str; 4] = ["public-api", "semver-checks", "hack", "deny"];

pub(crate) fn run(sh: &Shell, mut args: Arguments) -> Result {
    let check = args.contains("--check");
    let accept = args.contains("--accept");
    let install = args.contains("--install");
    no_more(args)?;
    if install {
        let packages = TOOLS.map(|tool| format!("cargo-{tool}"));
        cmd!(sh, "cargo install --locked {packages...}").run()?;
    }
    if let Some(missing) = TOOLS.into_iter().find(|tool| version(sh, tool).is_none()) {
        return Err(format!("cargo {missing} is missing: cargo xtask api --install").into());
    }
    let crates = Crate::published(sh)?;
    if accept {
        for each in &crates {
            fs::create_dir_all(snapshots())?;
            fs::write(each.snapshot(), each.public_api(sh)?)?;
        }
        println!("written to {}", snapshots().display());
    }
    let found = [
        snapshots_hold(sh, &crates)?,
        compatible(sh, &crates)?,
        features(sh, &crates)?,
        packages(sh, &crates)?,
        oldest_compiler(sh, &crates)?,
        dependencies(sh),
    ];
    let missed = found.iter().filter(|found| !found.kept).count();
    let lines: Vec<Vec<String>> = found.into_iter().map(Found::line).collect();
    let text = table::render(&["what", "judged by", "of", "verdict"], &[false, false, false], &lines);
    println!("\n{text}");
    if missed > 0 {
        return Err(format!("{missed} of what users build on does not hold").into());
    }
    if check { Ok(()) } else { page::record(sh, "api", "cargo xtask api", &text) }
}

struct Found {
    what: &'static str,
    judged_by: String,
    of: String,
    kept: bool,
}

impl Found {
    fn line(self) -> Vec<String> {
        vec![self.what.to_owned(), self.judged_by, self.of, table::verdict(self.kept)]
    }
}

struct Crate {
    name: String,
    features: usize,
}

impl Crate {
    /// Those of the workspace that may be published.
    fn published(sh: &Shell) -> Result<Vec<Self>> {
        let packages = packages_of(sh, &["--no-deps"])?;
        let published = packages.iter().filter(|package| package["publish"].is_null());
        let name_of = |package: &Value| package["name"].as_str().map(str::to_owned);
        published
            .map(|package| {
                let name = name_of(package).ok_or("a package without a name")?;
                Ok(Self {
                    name,
                    features: package["features"].as_object().map_or(0, |features| features.len()),
                })
            })
            .collect()
    }

    fn snapshot(&self) -> PathBuf {
        snapshots().join(format!("{}.txt", self.name))
    }

    /// Every public item with its signature, and every implementation but the blanket ones.
    fn public_api(&self, sh: &Shell) -> Result<String> {
        let name = &self.name;
        Ok(cmd!(sh, "cargo +nightly public-api -p {name} --all-features -s").read()? + "\n")
    }
}

fn snapshots() -> PathBuf {
    workspace::root().join("docs/api")
}

fn packages_of(sh: &Shell, options: &[&str]) -> Result<Vec<Value>> {
    let said = cmd!(sh, "cargo metadata --format-version 1 {options...}").quiet().ignore_stderr().read()?;
    let said: Value = serde_json::from_str(&said)?;
    Ok(said["packages"].as_array().ok_or("cargo metadata names no packages")?.clone())
}

/// The public items are those that were accepted with `--accept`.
fn snapshots_hold(sh: &Shell, crates: &[Crate]) -> Result<Found> {
    let mut changed = Vec::new();
    let mut items = 0;
    for each in crates {
        let now = each.public_api(sh)?;
        items += now.lines().count();
        if fs::read_to_string(each.snapshot()).unwrap_or_default() != now {
            println!("the public items of {} are not those of {}", each.name, each.snapshot().display());
            changed.push(&each.name);
        }
    }
    Ok(Found {
        what: "public items are the accepted ones",
        judged_by: version(sh, "public-api").unwrap_or_default(),
        of: format!("{} crates, {items} items, {} changed", crates.len(), changed.len()),
        kept: changed.is_empty(),
    })
}

/// What the last release offers is here, at the same paths. cargo-semver-checks does not follow what a crate exports of another,
/// as the facade does of the crates below it, and calls that missing: it counts as there where the facade exports it.
/// Whether the signatures are the same, `cargo xtask drop-in` shows.
fn compatible(sh: &Shell, crates: &[Crate]) -> Result<Found> {
    let (name, last) = PUBLISHED;
    let judged = cmd!(sh, "cargo semver-checks -p {name} --baseline-version {last} --release-type minor");
    let judged = judged.ignore_status().output()?;
    let said = String::from_utf8_lossy(&judged.stdout);
    print!("{said}");
    let facade = crates.iter().find(|each| each.name == name).ok_or("the workspace has no facade")?;
    let facade = facade.public_api(sh)?;
    let (there, missing): (Vec<&str>, Vec<&str>) =
        called_missing(&said).into_iter().partition(|item| exports(&facade, item));
    missing.iter().for_each(|item| println!("{name} no longer has {item}"));
    let understood = judged.status.success() || !(there.is_empty() && missing.is_empty());
    Ok(Found {
        what: "the facade has what its last release had",
        judged_by: version(sh, "semver-checks").unwrap_or_default(),
        of: format!(
            "{name} {last}: {} missing, {} exported of other crates, which it does not follow",
            missing.len(),
            there.len()
        ),
        kept: understood && missing.is_empty(),
    })
}

/// What cargo-semver-checks lists below "Failed in:", by the path, or where it gives none by the name: lines such as
/// `  struct a::b::C, previously in file d.rs:1` and `  NAME in file d.rs:1`.
fn called_missing(said: &str) -> Vec<&str> {
    let mut listed = false;
    let mut items = Vec::new();
    for line in said.lines() {
        if line == "Failed in:" {
            listed = true;
        } else if !line.starts_with("  ") {
            listed = false;
        } else if listed {
            let named = line.split_once(" in file ").map_or(line, |(named, _)| named);
            let named = named.trim_end_matches(", previously");
            items.extend(named.split(' ').next_back());
        }
    }
    items
}

/// Whether a line of the public items `facade` is an export of `item`.
fn exports(facade: &str, item: &str) -> bool {
    let exported = facade.lines().filter_map(|line| line.strip_prefix("pub use "));
    let ending = format!("::{item}");
    exported.into_iter().any(|path| path == item || !item.contains("::") && path.ends_with(&ending))
}

/// Every set of features builds, without what only tests depend on.
fn features(sh: &Shell, crates: &[Crate]) -> Result<Found> {
    let packages: Vec<&str> = crates.iter().flat_map(|each| ["-p", each.name.as_str()]).collect();
    let judged = cmd!(sh, "cargo hack check --feature-powerset --no-dev-deps {packages...}")
        .env("RUSTFLAGS", "-D warnings")
        .env("CARGO_TARGET_DIR", workspace::target_directory(sh)?.join("api"));
    let sets: usize = crates.iter().map(|each| 1 << each.features).sum();
    Ok(Found {
        what: "every set of features builds",
        judged_by: version(sh, "hack").unwrap_or_default(),
        of: format!("at most {sets} sets"),
        kept: judged.run().is_ok(),
    })
}

/// Every crate is packaged, and built from its package alone.
fn packages(sh: &Shell, crates: &[Crate]) -> Result<Found> {
    let packages: Vec<&str> = crates.iter().flat_map(|each| ["-p", each.name.as_str()]).collect();
    let judged = cmd!(sh, "cargo package --quiet --allow-dirty {packages...}")
        .env("CARGO_TARGET_DIR", workspace::target_directory(sh)?.join("api"));
    Ok(Found {
        what: "every package builds alone",
        judged_by: "cargo package".into(),
        of: format!("{} packages", crates.len()),
        kept: judged.run().is_ok(),
    })
}

/// The compiler that the crates name as their oldest builds them, where it is here; elsewhere clippy knows what the standard
/// library had then, and cargo what the dependencies name.
fn oldest_compiler(sh: &Shell, crates: &[Crate]) -> Result<Found> {
    let what = "the oldest compiler builds it";
    let own = packages_of(sh, &["--no-deps"])?;
    let oldest = own.iter().find_map(|package| package["rust_version"].as_str());
    let oldest = oldest.ok_or("the workspace names no oldest compiler")?;
    let packages: Vec<&str> = crates.iter().flat_map(|each| ["-p", each.name.as_str()]).collect();
    let toolchains = cmd!(sh, "rustup toolchain list").quiet().ignore_stderr().read().unwrap_or_default();
    if let Some(toolchain) =
        toolchains.lines().find_map(|line| line.split(' ').next().filter(|name| name.starts_with(oldest)))
    {
        let judged = cmd!(sh, "rustup run {toolchain} cargo check --locked {packages...}")
            .env("CARGO_TARGET_DIR", workspace::target_directory(sh)?.join("api"));
        let of = format!("{} crates", crates.len());
        return Ok(Found { what, judged_by: format!("Rust {oldest}"), of, kept: judged.run().is_ok() });
    }
    let judged = cmd!(sh, "cargo clippy --quiet {packages...} -- -D clippy::incompatible_msrv");
    let newer = newer_dependencies(sh, oldest)?;
    newer.iter().for_each(|package| println!("{package} needs a compiler newer than {oldest}"));
    Ok(Found {
        what,
        judged_by: "clippy::incompatible_msrv, and the oldest compiler of each dependency".into(),
        of: format!("{} crates, Rust {oldest}, which is not here", crates.len()),
        kept: judged.run().is_ok() && newer.is_empty(),
    })
}

/// What the crates depend on, tools and peers apart, that names a newer compiler than `oldest`.
fn newer_dependencies(sh: &Shell, oldest: &str) -> Result<Vec<String>> {
    let tree = cmd!(sh, "cargo tree --locked -p stronghold-runtime -e normal,build --prefix none"); // "name v1.2.3 ..."
    let used = tree.quiet().read()?;
    let is_used = |package: &Value| {
        let (name, version) = (package["name"].as_str(), package["version"].as_str());
        name.zip(version).is_some_and(|(name, version)| {
            let own = [name.to_owned(), format!("v{version}")];
            used.lines().any(|line| line.split(' ').take(2).eq(own.iter()))
        })
    };
    let newer = packages_of(sh, &[])?.into_iter().filter(is_used).filter_map(|package| {
        let needed = package["rust_version"].as_str()?;
        (release(needed) > release(oldest)).then(|| format!("{} ({needed})", package["id"]))
    });
    Ok(newer.collect())
}

/// The numbers of a version, to compare with; those that are missing are zero.
fn release(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

/// Licences, refused crates and sources, as `deny.toml` has it.
fn dependencies(sh: &Shell) -> Found {
    let judged = cmd!(sh, "cargo deny --log-level error check licenses bans sources");
    Found {
        what: "licences, bans and sources of dependencies",
        judged_by: version(sh, "deny").unwrap_or_default(),
        of: "deny.toml".into(),
        kept: judged.run().is_ok(),
    }
}

/// What a tool calls itself, where it is here.
fn version(sh: &Shell, tool: &str) -> Option<String> {
    let said = cmd!(sh, "cargo {tool} --version").quiet().ignore_stderr().read().ok()?;
    said.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_missing_is_there_where_it_is_exported() {
        let said = "
--- failure struct_missing: pub struct removed or renamed ---

Failed in:
  struct runtime::memories::buffer::Ref, previously in file /a/buffer.rs:29
  struct runtime::memories::buffer::Gone, previously in file /a/buffer.rs:33

--- failure pub_module_level_const_missing: pub module-level const is missing ---

Failed in:
  DEBUG_MSG in file /a/lib.rs:17

     Summary semver requires new major version
";
        let items = called_missing(said);
        assert_eq!(items, ["runtime::memories::buffer::Ref", "runtime::memories::buffer::Gone", "DEBUG_MSG"]);
        let facade =
            "pub use runtime::DEBUG_MSG\npub use runtime::memories::buffer::Ref\npub use runtime::Gone\n";
        assert_eq!([true, false, true], [items[0], items[1], items[2]].map(|item| exports(facade, item)));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(release("1.100") > release("1.88"));
        assert!(release("1.88.1") > release("1.88"));
        assert_eq!(release("1.88.0"), release("1.88"));
        assert!(release("1.87.9") < release("1.88"));
    }
}
