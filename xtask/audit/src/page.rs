//! The audit as a page of HTML that needs nothing but itself.

use crate::Audit;
use crate::attack::Attacker;
use crate::stage::Stage;
use crate::table;
use conformance::scan::Copies;

/// A heat map for each attacker: libraries down, stages across.
pub(crate) fn render(audit: &Audit<'_>) -> String {
    let mut page = HEAD.to_owned();
    for attacker in audit.attackers() {
        page += &format!("<section>\n<h2>{attacker}</h2>\n<div class=\"wide\">\n");
        heat_map(audit, attacker, &mut page);
        page += "</div>\n</section>\n";
    }
    page += "<section>\n<h2>Notes</h2>\n<ul>\n";
    if let Some(kernel) = runtime::doctor().check(runtime::hardening::Topic::Kernel) {
        page += &format!("<li>System: {}.</li>\n", escaped(&kernel.state));
    }
    for note in audit.notes.iter().chain(&audit.broken) {
        page += &format!("<li>{}</li>\n", escaped(note));
    }
    let verdict = if audit.broken.is_empty() { "Everything" } else { "Not everything" };
    page += &format!("<li>{verdict} that this library claims holds.</li>\n</ul>\n</section>\n");
    page + "</main>\n</html>\n"
}

fn heat_map(audit: &Audit<'_>, attacker: Attacker, page: &mut String) {
    *page += "<table>\n<thead><tr><th></th>";
    for stage in Stage::ALL {
        *page += &format!("<th scope=\"col\">{stage}</th>");
    }
    *page += "</tr></thead>\n";
    let mut library = "";
    for (subject, finds) in &audit.finds {
        if subject.library != library {
            library = subject.library;
            *page += &format!(
                "<tr><th class=\"library\" scope=\"rowgroup\" colspan=\"10\">{}</th></tr>\n",
                escaped(library)
            );
        }
        *page += &format!("<tr><th scope=\"row\">{}</th>", escaped(subject.what));
        for stage in Stage::ALL {
            let found = finds.get(&(attacker, stage));
            let (class, title) = heat(found);
            *page += &format!("<td class=\"{class}\" title=\"{title}\">{}</td>", table::cell(found));
        }
        *page += "</tr>\n";
    }
    *page += "</table>\n";
}

/// The colour of a cell, and its sentence.
fn heat(found: Option<&Copies>) -> (&'static str, String) {
    let Some(found) = found else { return ("none", "no such stage".to_owned()) };
    let class = match found {
        Copies { whole: 0, windows: 0 } => "nothing",
        Copies { whole: 0, .. } => "pieces",
        Copies { whole: 1, .. } => "one",
        Copies { .. } => "many",
    };
    (class, format!("{} whole copies, {} pieces of eight bytes", found.whole, found.windows))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Where a secret can be found</title>
<style>
:root { --ground: #fff; --text: #1b1f24; --soft: #5b6570; --line: #d5dae0;
  --nothing: #dff3e4; --pieces: #fde9a9; --one: #f9b98a; --many: #ee7d72; --on: #1b1f24 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --text: #e6e9ed; --soft: #9aa5b1; --line: #333a42;
    --nothing: #1d4029; --pieces: #6b5712; --one: #8a4a17; --many: #a3312c; --on: #f4f6f8 }
}
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1rem 4rem }
p, li { max-width: 46rem }
h1 { font-size: 1.6rem; line-height: 1.2 }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem }
.wide { overflow-x: auto }
table { border-collapse: separate; border-spacing: 2px; font-variant-numeric: tabular-nums }
th { font-weight: 400; text-align: left; white-space: nowrap; padding: .15rem .75rem .15rem 0 }
thead th { color: var(--soft); font-size: .85rem; text-align: center; padding: 0 .25rem; min-width: 5.2rem }
th.library { font-weight: 600; padding-top: .7rem }
td { text-align: center; padding: .15rem .4rem; border-radius: 3px; color: var(--on) }
td.none { color: var(--soft) }
.nothing { background: var(--nothing) } .pieces { background: var(--pieces) }
.one { background: var(--one) } .many { background: var(--many) }
.key span { display: inline-block; min-width: 2.4rem; text-align: center; border-radius: 3px; margin-right: .4rem; color: var(--on) }
.key li { list-style: none } .key { padding: 0 }
</style>
<main>
<h1>Where a secret can be found</h1>
<p>A process is given 32 random bytes and keeps them as a library offers. At each stage of their life it stands still while
another process looks for them. Written by <code>cargo xtask audit</code>.</p>
<ul class="key">
<li><span class="nothing">0</span>nothing, not even eight bytes in a row</li>
<li><span class="pieces">+9</span>no whole copy, but as many places with eight bytes of it</li>
<li><span class="one">1</span>one whole copy</li>
<li><span class="many">2</span>several</li>
<li><span>·</span>the library has no such stage, or its process crashed before it (see the notes)</li>
</ul>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_hotter() {
        let heat = |whole, windows| heat(Some(&Copies { whole, windows })).0;
        assert_eq!([heat(0, 0), heat(0, 1), heat(1, 25), heat(3, 75)], ["nothing", "pieces", "one", "many"]);
    }

    #[test]
    fn names_are_text_not_markup() {
        assert_eq!(escaped("Zeroizing<Vec> & co"), "Zeroizing&lt;Vec&gt; &amp; co");
    }
}
