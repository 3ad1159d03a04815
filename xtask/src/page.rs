//! The pages of figures, `docs/benchmarks.md` and `docs/verification.md`: one section for each measuring verb, written by
//! that verb.

use crate::{Result, workspace};
use std::fs;
use xshell::{Shell, cmd};

/// Puts `table` and where it was measured into the section of `verb` in `docs/benchmarks.md`.
pub(crate) fn write(sh: &Shell, verb: &str, command: &str, table: &str) -> Result {
    put(verb, "docs/benchmarks.md", &format!("{}\n\n{table}", place(sh, command)))
}

/// Puts what was found, where, and in which revision into the section of `verb` in `docs/verification.md`.
pub(crate) fn record(sh: &Shell, verb: &str, command: &str, found: &str) -> Result {
    let (place, revision) = (place(sh, command), revision(sh));
    put(verb, "docs/verification.md", &format!("{place} Revision {revision}.\n\n{found}"))
}

/// Writes a plot beside the page.
pub(crate) fn draw(name: &str, svg: &str) -> Result {
    let path = format!("docs/plots/{name}.svg");
    let file = workspace::root().join(&path);
    fs::create_dir_all(file.parent().ok_or("the plots have no directory")?)?;
    fs::write(file, svg)?;
    println!("drawn into {path}");
    Ok(())
}

/// What the section of `verb` in `docs/verification.md` holds now.
pub(crate) fn section(verb: &str) -> Result<String> {
    let page = fs::read_to_string(workspace::root().join("docs/verification.md"))?;
    Ok(split(&page, verb)?.1.to_owned())
}

/// The revision of the sources, and whether they were changed since; the pages of figures are none.
pub(crate) fn revision(sh: &Shell) -> String {
    let Ok(revision) = cmd!(sh, "git describe --always").quiet().ignore_stderr().read() else {
        return "unknown".into();
    };
    let changed = cmd!(sh, "git status --porcelain -- . :!docs/verification.md :!docs/benchmarks.md");
    match changed.quiet().read() {
        Ok(changes) if changes.is_empty() => revision,
        _ => format!("{revision}-dirty"),
    }
}

fn put(verb: &str, page: &str, text: &str) -> Result {
    let path = workspace::root().join(page);
    let new =
        replace(&fs::read_to_string(&path)?, verb, text).map_err(|missing| format!("{page} {missing}"))?;
    fs::write(&path, new)?;
    println!("\nwritten to {page}");
    Ok(())
}

fn replace(page: &str, verb: &str, text: &str) -> Result<String> {
    let (before, _, after) = split(page, verb)?;
    Ok(format!("{before}{}\n{after}", text.trim_end()))
}

/// What is before the section of `verb`, in it, and behind it; the markers belong to what is around.
fn split<'a>(page: &'a str, verb: &str) -> Result<(&'a str, &'a str, &'a str)> {
    let (begin, end) = (format!("<!-- {verb}: begin -->\n"), format!("<!-- {verb}: end -->"));
    let start = page.find(&begin).ok_or(format!("lacks {begin}"))? + begin.len();
    let length = page[start..].find(&end).ok_or(format!("lacks {end}"))?;
    Ok((&page[..start], &page[start..start + length], &page[start + length..]))
}

/// The command, the machine, its system, the compiler and the day.
fn place(sh: &Shell, command: &str) -> String {
    let read =
        |command: xshell::Cmd<'_>| command.quiet().ignore_stderr().read().unwrap_or_else(|_| "?".into());
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let model = info.lines().find(|line| line.starts_with("model name"))?;
        Some(model.split_once(':')?.1.trim().to_owned())
    });
    let processor = processor.unwrap_or_else(|| read(cmd!(sh, "uname -m")));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let system = read(cmd!(sh, "uname -sr"));
    let compiler = read(cmd!(sh, "rustc --version"));
    let day = read(cmd!(sh, "date -u +%F"));
    format!("`{command}`, {day}: {processor}, {processors} processors, {system}, {compiler}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_kept() {
        let page = "# Top\n<!-- a: begin -->\nold\n<!-- a: end -->\nrest\n";
        let new = replace(page, "a", "new\n").unwrap();
        assert_eq!(new, "# Top\n<!-- a: begin -->\nnew\n<!-- a: end -->\nrest\n");
        assert_eq!(replace(&new, "a", "new").unwrap(), new);
        assert!(replace(page, "b", "new").is_err());
        assert_eq!(split(page, "a").unwrap().1, "old\n");
    }
}
