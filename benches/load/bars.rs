//! Horizontal bars: one thing a line, one bar for each way in which it was measured.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::plots::{COLOURS, FONT, INK, PALE, legend, page};
use crate::tables::ratio;

const NAMES: i32 = 330;
const LONGEST: f64 = 380.0;
const BAR: i32 = 11;
const GAP: i32 = 12;

/// A line: its name, and a value for each colour where there is one.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

/// Draws bars; 1 is as long as there is room for.
pub(crate) fn draw(file: &Path, title: &str, colours: &[&str], entries: &[Entry]) -> Result<()> {
    let bars = i32::try_from(colours.len())?;
    let line = bars * BAR + GAP;
    let top = 52 + 26 * bars;
    let height = top + line * i32::try_from(entries.len())? + 16;
    let root = page(file, title, u32::try_from(height)?)?;
    let names: Vec<_> =
        colours.iter().zip(COLOURS).map(|(name, c)| ((*name).to_owned(), c.mix(1.0))).collect();
    legend(&root.margin(0, 0, 326, 0), &names)?;
    let right = Pos::new(HPos::Right, VPos::Center);
    let name_style = TextStyle::from((FONT, 15).into_font()).color(&INK).pos(right);
    let left = Pos::new(HPos::Left, VPos::Center);
    let value_style = TextStyle::from((FONT, 14).into_font()).color(&PALE).pos(left);
    let longest = entries.iter().flat_map(|entry| entry.values.iter().flatten());
    let longest = longest.copied().fold(1.0, f64::max);
    for (index, entry) in entries.iter().enumerate() {
        let from = top + line * i32::try_from(index)?;
        root.draw_text(&entry.name, &name_style, (NAMES - 8, from + bars * BAR / 2))?;
        let mut at = from;
        for (value, colour) in entry.values.iter().zip(COLOURS) {
            if let Some(value) = value {
                let end = NAMES + pixels(value / longest);
                let corners = [(NAMES, at), (end, at + BAR - 2)];
                root.draw(&Rectangle::new(corners, colour.filled()))?;
                root.draw_text(&ratio(*value), &value_style, (end + 6, at + BAR / 2))?;
            }
            at += BAR;
        }
    }
    root.present()?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "at most as long as the longest bar")]
fn pixels(part: f64) -> i32 {
    (part * LONGEST).round().max(1.0) as i32
}
