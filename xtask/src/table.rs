//! Tables that read well in a terminal and are Markdown.

/// One table; numbers stand right where `right` says so for their column.
pub(crate) fn render(header: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].chars().count(), 3]).max().unwrap_or(3)
        })
        .collect();
    let is_right = |column: usize| right.get(column).copied().unwrap_or(false);
    let line = |cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if is_right(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| {
        if is_right(column) { format!("{}:", "-".repeat(width - 1)) } else { "-".repeat(*width) }
    });
    let mut text = line(header.iter().map(ToString::to_string).collect());
    text += &line(rule.collect());
    text.extend(rows.iter().map(|row| line(row.clone())));
    text
}

/// The word for a budget that is kept or missed.
pub(crate) fn verdict(kept: bool) -> String {
    if kept { "ok" } else { "MISSED" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "1.5".to_owned()], vec!["longer".to_owned(), "12.25".to_owned()]];
        assert_eq!(
            render(&["row", "n"], &[false, true], &rows),
            "\
| row    |     n |
| ------ | ----: |
| a      |   1.5 |
| longer | 12.25 |
"
        );
    }
}
