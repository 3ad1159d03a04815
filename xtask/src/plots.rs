//! The plots of docs/benchmarks.md, drawn as SVG from the figures of one run.

use crate::Result;
use crate::hold_many::Found;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

// Told apart by readers who do not see all colours (Okabe and Ito, "Color Universal Design", 2008).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const SKY: RGBColor = RGBColor(86, 180, 233);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const RED: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PURPLE: RGBColor = RGBColor(204, 121, 167);
const GREY: RGBColor = RGBColor(120, 120, 120);
const PALE: RGBColor = RGBColor(205, 205, 205);

const WIDTH: u32 = 900;
const FONT: &str = "sans-serif";

/// The sides of a comparison: how many times faster one is, and how many times faster it has to be.
pub(crate) struct Ratio {
    pub(crate) work: String,
    pub(crate) ratio: f64,
    pub(crate) required: f64,
}

/// Times of one library, in microseconds, for each size in bytes.
pub(crate) struct Times {
    pub(crate) library: String,
    pub(crate) points: Vec<(usize, f64)>,
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type LogX<'a> = ChartContext<
    'a,
    SVGBackend<'a>,
    Cartesian2d<plotters::coord::combinators::LogCoord<f64>, RangedCoordf64>,
>;

/// How many times faster each row is, with a line where it has to be.
pub(crate) fn ratios(rows: &[Ratio]) -> Result<String> {
    let most = rows.iter().map(|row| row.ratio).fold(10.0, f64::max) * 2.0;
    drawn(bars_height(rows.len(), 1), |drawing| {
        let title = "Times as fast as the published runtime (line: required)";
        let mut chart = bars(drawing, title, 0.1..most, rows.len() as f64, 330)?;
        for (row, top) in rows.iter().zip(0_u32..) {
            let (top, kept) = (f64::from(top), row.ratio >= row.required);
            let colour = if kept { BLUE } else { RED };
            bar(&mut chart, (0.1, row.ratio), (top + 0.2, top + 0.8), colour)?;
            let mark = [(row.required, top + 0.1), (row.required, top + 0.9)];
            chart.draw_series([PathElement::new(mark, BLACK.stroke_width(2))]).map_err(failed)?;
            note(&mut chart, row.ratio, top + 0.5, format!(" {:.2}", row.ratio))?;
            name(&mut chart, 0.1, top + 0.5, format!("{} ", row.work))?;
        }
        Ok(())
    })
}

/// How many secrets each library holds under each lock limit, and how many of them are sealed or locked.
pub(crate) fn capacity(found: &[Found]) -> Result<String> {
    let libraries: Vec<&[Found]> = found.chunk_by(|a, b| a.library == b.library).collect();
    let limits = libraries.first().map_or(0, |of_one| of_one.len());
    let most = found.iter().map(|found| found.held).max().unwrap_or(1) as f64 * 8.0;
    drawn(bars_height(libraries.len(), limits), |drawing| {
        let title = "Secrets of 32 bytes held by an ordinary user under lock limits (pale: neither locked nor sealed)";
        let mut chart = bars(drawing, title, 1.0..most, libraries.len() as f64, 260)?;
        for (of_one, top) in libraries.iter().zip(0_u32..) {
            let height = 0.84 / of_one.len() as f64;
            let colours = [SKY, ORANGE, BLUE].into_iter().cycle();
            for ((found, colour), place) in of_one.iter().zip(colours).zip(0_u32..) {
                let begin = f64::from(top) + 0.08 + height * f64::from(place);
                let rows = (begin, begin + height * 0.9);
                bar(&mut chart, (1.0, found.held as f64), rows, PALE)?;
                bar(&mut chart, (1.0, found.kept as f64), rows, colour)?;
                let text = format!(" {} under {} KiB", found.held, found.limit_kib);
                note(&mut chart, f64::max(found.held as f64, 1.0), begin + height * 0.45, text)?;
            }
            name(&mut chart, 1.0, f64::from(top) + 0.5, format!("{} ", of_one[0].library))?;
        }
        Ok(())
    })
}

/// What one operation costs, over sizes.
pub(crate) fn sizes(operation: &str, times: &[Times]) -> Result<String> {
    let all = || times.iter().flat_map(|times| &times.points);
    let (smallest, largest) =
        all().fold((usize::MAX, 1), |(least, most), (size, _)| (least.min(*size), most.max(*size)));
    let (fastest, slowest) = all()
        .fold((f64::MAX, 0.1), |(least, most), (_, time)| (f64::min(least, *time), f64::max(most, *time)));
    drawn(520, |drawing| {
        let mut chart = ChartBuilder::on(drawing)
            .caption(format!("{operation}: microseconds over bytes"), (FONT, 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .margin_right(220)
            .build_cartesian_2d(
                (smallest as f64..largest as f64).log_scale(),
                (fastest * 0.7..slowest * 1.4).log_scale(),
            )
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        let bytes = |size: &f64| format!("{size:.0}");
        let microseconds = |time: &f64| format!("{time}");
        mesh.light_line_style(TRANSPARENT).bold_line_style(PALE.mix(0.5));
        mesh.x_label_formatter(&bytes).y_label_formatter(&microseconds).label_style((FONT, 13));
        mesh.draw().map_err(failed)?;
        let colours = [BLUE, SKY, GREEN, ORANGE, RED, PURPLE, GREY, BLACK].into_iter().cycle();
        let mut labels: Vec<(f64, &str, RGBColor)> = Vec::new();
        for (times, colour) in times.iter().zip(colours) {
            let points = || times.points.iter().map(|(size, time)| (*size as f64, *time));
            chart.draw_series(LineSeries::new(points(), colour.stroke_width(2))).map_err(failed)?;
            chart
                .draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))
                .map_err(failed)?;
            labels.extend(points().next_back().map(|(_, time)| (time, times.library.as_str(), colour)));
        }
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let step = (slowest / fastest).powf(0.042); // as much as a line of text is high
        let mut below = 0.0;
        for (time, library, colour) in labels {
            let time = f64::max(time, below * step);
            below = time;
            let style = (FONT, 13).into_font().color(&colour).pos(Pos::new(HPos::Left, VPos::Center));
            let text = Text::new(format!("   {library}"), (largest as f64, time), style);
            chart.draw_series([text]).map_err(failed)?;
        }
        Ok(())
    })
}

fn drawn(height: u32, draw: impl FnOnce(&Drawing<'_>) -> Result) -> Result<String> {
    let mut svg = String::new();
    {
        let drawing = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        drawing.fill(&WHITE).map_err(failed)?;
        draw(&drawing)?;
        drawing.present().map_err(failed)?;
    }
    Ok(svg)
}

fn bars_height(groups: usize, each: usize) -> u32 {
    let rows = u32::try_from(groups * each).unwrap_or(0);
    100 + if each > 1 { 16 * rows } else { 26 * rows }
}

/// A chart of bars that lie, longer the larger on a logarithmic axis.
fn bars<'a>(
    drawing: &Drawing<'a>,
    title: &str,
    range: std::ops::Range<f64>,
    rows: f64,
    names: u32,
) -> Result<LogX<'a>> {
    let mut chart = ChartBuilder::on(drawing)
        .caption(title, (FONT, 18))
        .margin(12)
        .margin_left(names)
        .x_label_area_size(30)
        .build_cartesian_2d(range.log_scale(), rows..0.0)
        .map_err(failed)?;
    let number = |value: &f64| format!("{value}");
    let mut mesh = chart.configure_mesh();
    mesh.disable_y_mesh().disable_y_axis().light_line_style(TRANSPARENT).bold_line_style(PALE.mix(0.5));
    mesh.x_label_formatter(&number).label_style((FONT, 13));
    mesh.draw().map_err(failed)?;
    Ok(chart)
}

fn bar(chart: &mut LogX<'_>, (from, to): (f64, f64), (top, bottom): (f64, f64), colour: RGBColor) -> Result {
    if to > from {
        let bar = Rectangle::new([(from, top), (to, bottom)], colour.filled());
        chart.draw_series([bar]).map_err(failed)?;
    }
    Ok(())
}

/// A text to the right of a value.
fn note(chart: &mut LogX<'_>, value: f64, row: f64, text: String) -> Result {
    let style = (FONT, 12).into_font().color(&GREY).pos(Pos::new(HPos::Left, VPos::Center));
    chart.draw_series([Text::new(text, (value, row), style)]).map_err(failed)?;
    Ok(())
}

/// A text to the left of the axis.
fn name(chart: &mut LogX<'_>, begin: f64, row: f64, text: String) -> Result {
    let style = (FONT, 14).into_font().color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
    let (x, y) = chart.backend_coord(&(begin, row));
    let area = chart.plotting_area().strip_coord_spec();
    let (left, top) = area.get_base_pixel();
    area.draw(&Text::new(text, (x - left, y - top), style)).map_err(failed)?;
    Ok(())
}

/// Errors of the plotting library borrow from the text that is drawn into.
fn failed(error: impl std::error::Error) -> Box<dyn std::error::Error> {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_misses_what_is_required_is_red() {
        let row = |ratio| Ratio { work: "unlocking".into(), ratio, required: 2.0 };
        let red = "#D55E00";
        assert!(!ratios(&[row(3.0)]).unwrap().contains(red));
        let missed = ratios(&[row(3.0), row(1.0)]).unwrap();
        assert!(missed.contains(red) && missed.contains("unlocking"));
    }

    #[test]
    fn every_library_stands_beside_its_line() {
        let times = |library: &str| Times { library: library.into(), points: vec![(32, 1.0), (4096, 9.0)] };
        let svg = sizes("with", &[times("one"), times("other")]).unwrap();
        assert!(svg.contains("one") && svg.contains("other"));
    }
}
