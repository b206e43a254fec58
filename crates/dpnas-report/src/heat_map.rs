//! A square of accuracies as colours and numbers.

use crate::canvas::{Align, Canvas, Text};
use crate::colour::viridis;
use crate::font::{ASCENT, CAPITAL};
use crate::frame::{draw_names, draw_paper, is_accuracy, level, title_height};
use crate::layout::{Area, EDGE, GAP, upright_name};
use crate::style;
use crate::svg::Svg;

/// Side of a cell, in pixels, for few rows and for many.
const CELL: (f64, f64) = (52.0, 12.0);
/// Most rows or columns.
const MOST: usize = 100;
/// Most rows whose cells have a number.
const NUMBERED: usize = 12;

/// A picture of a matrix of accuracies, with row 0 at the top.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HeatMap {
    /// The line above the matrix; left out if it is empty.
    pub title: String,
    /// What is counted from left to right, from 1.
    pub x_name: String,
    /// What is counted from top to bottom, from 1.
    pub y_name: String,
    /// Rows of accuracies, as fractions. Values outside 0 to 1 stay blank.
    pub values: Vec<Vec<f64>>,
}

impl HeatMap {
    /// A picture without values; the fields are public.
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Draws it; `None` if there are no values, or more than 100 rows or columns, which nobody could tell apart.
    pub fn draw(&self) -> Option<Svg> {
        let (rows, columns) =
            (self.values.len(), self.values.iter().map(Vec::len).max().filter(|&columns| columns > 0)?);
        if rows.max(columns) > MOST {
            return None;
        }
        let cell = if rows.max(columns) <= NUMBERED { CELL.0 } else { CELL.1 };
        let left = EDGE + style::NAME + 8.0 + 26.0 + GAP;
        let top = title_height(self.title.trim());
        let panel = Area { left, top, right: left + cell * columns as f64, bottom: top + cell * rows as f64 };
        let baseline = panel.bottom + GAP + style::TICK + 5.0 + style::NAME;
        let (width, height) = ((panel.right + EDGE).max(420.0).ceil(), (baseline + EDGE).ceil());
        let name = if self.title.trim().is_empty() { "Accuracies" } else { self.title.trim() };
        let description = format!("A matrix of accuracies: {rows} rows, {columns} columns.");
        let mut canvas = Canvas::new(width as u32, height as u32, name, &description);
        draw_paper(&mut canvas, width as u32, height as u32);
        let corner = |row: usize, column: usize| (panel.left + cell * column as f64, panel.top + cell * row as f64);
        let size = style::TICK;
        let below = CAPITAL * size / 2.0;
        let values =
            self.values.iter().enumerate().flat_map(|(row, values)| {
                values.iter().enumerate().map(move |(column, &value)| ((row, column), value))
            });
        for ((row, column), value) in values.filter(|(_, value)| is_accuracy(*value)) {
            let (x, y) = corner(row, column);
            canvas.open("cell", &format!("fill=\"{}\"", viridis(value)));
            canvas.rectangle((x, y), (x + cell, y + cell));
            canvas.close();
            if rows.max(columns) <= NUMBERED {
                // Dark ink on the light end of the colours.
                canvas.open("value", &format!("fill=\"{}\"", if value > 0.6 { style::INK } else { style::PAPER }));
                let text = format!("{:.0}", value * 100.0);
                canvas.text(&level("value", (x + cell / 2.0, y + cell / 2.0 + below), size, Align::Middle, &text));
                canvas.close();
            }
        }
        canvas.open("ticks", &format!("fill=\"{}\"", style::SOFT_INK));
        let step = rows.max(columns).div_ceil(NUMBERED);
        for column in (0..columns).step_by(step) {
            let at = (corner(0, column).0 + cell / 2.0, panel.bottom + GAP + CAPITAL * size + 2.0);
            canvas.text(&level("x-tick", at, size, Align::Middle, &(column + 1).to_string()));
        }
        for row in (0..rows).step_by(step) {
            let at = (panel.left - GAP - 2.0, corner(row, 0).1 + cell / 2.0 + below);
            canvas.text(&level("y-tick", at, size, Align::End, &(row + 1).to_string()));
        }
        let bounds = (panel.top, panel.bottom);
        let name = upright_name(&self.y_name, EDGE + ASCENT * style::NAME, panel.middle().1, bounds);
        let text = level("y-name", name.at, name.size, Align::Middle, &self.y_name);
        canvas.text(&Text { degrees: -90.0, ..text });
        canvas.close();
        draw_names(&mut canvas, self.title.trim(), (&self.x_name, baseline), panel, width);
        Some(Svg::new(canvas.finish()))
    }
}
