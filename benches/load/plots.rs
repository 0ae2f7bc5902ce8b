//! How a plot looks: lines over an axis, with a legend that covers none of them. A plot brings its
//! own light background, since the page that shows it may be dark.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::axis::Axis;

/// A drawing in SVG.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(crate) const FONT: &str = "sans-serif";
pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(crate) const PALE: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);

const WIDTH: u32 = 880;
const LEGEND: u32 = 250;

/// Told apart without colour vision too (after Okabe and Ito).
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0x59, 0x63, 0x6e),
];

/// A line and what it is.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Whether each point is marked.
    pub(crate) dots: bool,
}

/// Draws lines. `spans` are shaded, from and to, with a word each.
pub(crate) fn lines(
    file: &Path,
    title: &str,
    axes: (&Axis, &Axis),
    lines: &[Line],
    spans: &[(f64, f64, String)],
) -> Result<()> {
    let root = page(file, title, 420)?;
    let (left, right) = root.split_horizontally(WIDTH - LEGEND);
    let (x, y) = axes;
    let mut chart = ChartBuilder::on(&left)
        .margin(12)
        .margin_top(48)
        .x_label_area_size(48)
        .y_label_area_size(72)
        .build_cartesian_2d(x.clone(), y.clone())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .axis_style(PALE)
        .x_desc(&x.title)
        .y_desc(&y.title)
        .axis_desc_style((FONT, 17).into_font().color(&INK))
        .label_style((FONT, 16).into_font().color(&PALE))
        .draw()?;
    for (from, to, _) in spans {
        let shade = COLOURS[4].mix(0.25).filled();
        chart.draw_series([Rectangle::new([(*from, y.from), (*to, y.to)], shade)])?;
    }
    for (line, colour) in lines.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
        if line.dots {
            let dot = |point: &(f64, f64)| Circle::new(*point, 4, colour.filled());
            chart.draw_series(line.points.iter().map(dot))?;
        }
    }
    let mut names: Vec<(String, RGBAColor)> = lines
        .iter()
        .zip(COLOURS)
        .map(|(line, colour)| (line.name.clone(), colour.mix(1.0)))
        .collect();
    names.extend(spans.iter().map(|(_, _, name)| (name.clone(), COLOURS[4].mix(0.25))));
    legend(&right, &names)?;
    root.present()?;
    Ok(())
}

/// A white page with a title.
pub(crate) fn page<'a>(file: &'a Path, title: &str, height: u32) -> Result<Area<'a>> {
    let root = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    root.fill(&PAPER)?;
    let style = (FONT, 21).into_font().color(&INK);
    root.draw_text(title, &style, (20, 16))?;
    Ok(root)
}

/// Names beside a plot, each with its colour.
pub(crate) fn legend(area: &Area<'_>, names: &[(String, RGBAColor)]) -> Result<()> {
    let style = (FONT, 15).into_font().color(&INK);
    let mut top = 52;
    for (name, colour) in names {
        area.draw(&Rectangle::new([(4, top + 3), (22, top + 11)], colour.filled()))?;
        for part in name.split('\n') {
            area.draw_text(part, &style, (30, top))?;
            top += 19;
        }
        top += 7;
    }
    Ok(())
}
