//! What is told of all runs.

use super::calls::{self, LEFT_ALONE};
use super::judge::{Ending, Outcome};
use super::plan::Plan;
use crate::table;

/// How many bad endings are told in full.
const TOLD: usize = 40;

/// Both tables, and what is bad.
pub(super) fn of(plans: &[Plan], ran: &[Ending]) -> String {
    let runs: Vec<(&Plan, &Ending)> = plans.iter().zip(ran).collect();
    let mut kinds: Vec<&str> = plans.iter().map(|plan| plan.life.kind.as_str()).collect();
    kinds.dedup();
    let mut backings: Vec<&str> = plans.iter().map(|plan| plan.life.backing).collect();
    backings.sort_unstable();
    backings.dedup();
    let mut text =
        format!("{} runs: {} in pages that are {}.\n", ran.len(), kinds.join(", "), backings.join(", "));
    for (always, title) in [(false, "fails once"), (true, "fails from then on")] {
        let mut header = vec!["call", "errors", "occurrences", "runs", "errors returned", "succeeded anyway"];
        if always {
            header.push("ended by design");
        }
        header.extend(["not met again", "bad endings"]);
        let right: Vec<bool> = (0..header.len()).map(|column| column > 1).collect();
        let rows: Vec<_> = calls::rows(always)
            .into_iter()
            .filter_map(|(call, errors)| row(&runs, call, &errors, always))
            .collect();
        text += &format!("\nThe call {title}:\n\n{}", table::render(&header, &right, &rows));
    }
    let left_alone = LEFT_ALONE.map(|(call, why)| format!("`{call}` ({why})"));
    text += &format!("\nLeft alone: {}.\n", left_alone.join("; "));
    for (plan, ending) in runs.iter().filter(|(_, ending)| ending.outcome == Outcome::Bad).take(TOLD) {
        let (life, asked) = (plan.life, plan.injection.expressions().join(" "));
        text += &format!("\n* {} {} {asked}: {}", life.kind, life.backing, ending.why.join("; "));
    }
    text
}

fn row(runs: &[(&Plan, &Ending)], call: &str, errors: &[&str], always: bool) -> Option<Vec<String>> {
    let runs = runs.iter().filter(|(plan, _)| plan.call == call && plan.injection.always == always);
    let count = |outcome| runs.clone().filter(|(_, ending)| ending.outcome == outcome).count();
    let mut occurrences: Vec<_> = runs
        .clone()
        .map(|(plan, _)| (plan.life.kind.as_str(), plan.life.backing, plan.injection.at))
        .collect();
    occurrences.dedup();
    let mut numbers = vec![occurrences.len(), runs.clone().count()];
    numbers.extend([Outcome::Error, Outcome::Success].map(count));
    if always {
        numbers.push(count(Outcome::Abort));
    }
    numbers.extend([Outcome::Missed, Outcome::Bad].map(count));
    let cells = [call.to_owned(), errors.join(" ")].into_iter();
    (!occurrences.is_empty()).then(|| cells.chain(numbers.iter().map(ToString::to_string)).collect())
}
