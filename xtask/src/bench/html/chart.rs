//! A bar chart as inline SVG. Lengths are percentages and text has the size of the page, so that it
//! is as readable on a telephone as on a wall.

use std::fmt::Write as _;

use super::escaped;
use crate::bench::model::Group;
use crate::bench::stats::Spread;

/// A chart of one figure of all subjects of a workload.
pub(super) struct Chart {
    pub(super) id: String,
    pub(super) title: String,
    /// What it is about, for those who hear the page.
    pub(super) about: String,
    pub(super) unit: String,
    /// Which way is better.
    pub(super) better: String,
    pub(super) bars: Vec<Bar>,
}

/// One subject.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) group: Group,
    /// How it compares, to stand next to the name.
    pub(super) note: Option<String>,
    pub(super) spread: Option<Spread>,
    pub(super) value: String,
}

/// The height of a row: a line of text, a bar, and air.
const ROW: usize = 46;
const TEXT: usize = 15;
const BAR_TOP: usize = 22;
const BAR_HEIGHT: usize = 12;

impl Chart {
    /// The chart with its heading.
    pub(super) fn svg(&self) -> String {
        let (id, title, unit) = (&self.id, escaped(&self.title), escaped(&self.unit));
        let (about, better) = (escaped(&self.about), escaped(&self.better));
        let height = ROW * self.bars.len();
        let summary: Vec<String> = self
            .bars
            .iter()
            .map(|bar| format!("{}: {}", escaped(&bar.name), escaped(&bar.value)))
            .collect();
        let mut text = format!(
            "<figure>\n<figcaption>{title} <span>{unit}, {better}</span></figcaption>\n\
             <svg role=\"img\" width=\"100%\" height=\"{height}\" \
             aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{about}: {title} in {unit}, {better}</title>\n\
             <desc id=\"{id}-desc\">{}</desc>\n",
            summary.join("; ")
        );
        let longest = self.longest();
        for (index, bar) in self.bars.iter().enumerate() {
            bar.draw(&mut text, index * ROW, longest);
        }
        text.push_str("</svg>\n</figure>\n");
        text
    }

    /// The figure that is as long as the chart is wide.
    fn longest(&self) -> f64 {
        let figures = self.bars.iter().filter_map(|bar| bar.spread);
        figures.map(|spread| spread.max).fold(0.0, f64::max)
    }
}

impl Bar {
    fn draw(&self, text: &mut String, top: usize, longest: f64) {
        let (group, name, value) = (self.group.word(), escaped(&self.name), escaped(&self.value));
        let baseline = top + TEXT;
        let note = self.note.as_deref().map_or_else(String::new, |note| {
            format!("<tspan class=\"note\" dx=\"8\">{}</tspan>", escaped(note))
        });
        let _ = writeln!(
            text,
            "<g class=\"{group}\">\n<text class=\"name\" x=\"0\" y=\"{baseline}\">{name}{note}</text>\n\
             <text class=\"value\" x=\"100%\" y=\"{baseline}\" text-anchor=\"end\">{value}</text>"
        );
        let bar = top + BAR_TOP;
        let _ = writeln!(
            text,
            "<rect class=\"track\" x=\"0\" y=\"{bar}\" width=\"100%\" height=\"{BAR_HEIGHT}\" \
             rx=\"3\"/>"
        );
        if let Some(spread) = self.spread.filter(|_| longest > 0.0) {
            let percent = |figure: f64| (figure / longest * 100.0).clamp(0.0, 100.0);
            let width = percent(spread.median);
            let middle = bar + BAR_HEIGHT / 2;
            let (min, max) = (percent(spread.min), percent(spread.max));
            let _ = writeln!(
                text,
                "<rect class=\"bar\" x=\"0\" y=\"{bar}\" width=\"{width:.2}%\" \
                 height=\"{BAR_HEIGHT}\" rx=\"3\"/>\n\
                 <line class=\"whisker\" x1=\"{min:.2}%\" x2=\"{max:.2}%\" y1=\"{middle}\" \
                 y2=\"{middle}\"/>"
            );
        }
        text.push_str("</g>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(bars: Vec<Bar>) -> String {
        Chart {
            id: "x".to_owned(),
            title: "Throughput".to_owned(),
            about: "A workload".to_owned(),
            unit: "requests/s".to_owned(),
            better: "more is better".to_owned(),
            bars,
        }
        .svg()
    }

    fn bar(name: &str, figures: &[f64]) -> Bar {
        Bar {
            name: name.to_owned(),
            group: Group::Ours,
            note: None,
            spread: Spread::of(figures.iter().copied()),
            value: "5".to_owned(),
        }
    }

    #[test]
    fn lengths_are_shares_of_the_largest_figure() {
        let svg = chart(vec![bar("a", &[4.0, 5.0, 8.0]), bar("b", &[2.0])]);
        assert!(svg.contains("width=\"62.50%\""), "{svg}");
        assert!(svg.contains("x1=\"50.00%\" x2=\"100.00%\""), "{svg}");
        assert!(svg.contains("width=\"25.00%\""), "{svg}");
        assert!(svg.contains("a: 5; b: 5"), "{svg}");
    }

    #[test]
    fn without_a_figure_there_is_a_name_and_no_bar() {
        let svg = chart(vec![bar("a", &[])]);
        assert!(
            svg.contains(">a</text>") && !svg.contains("class=\"bar\""),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
        assert!(!chart(vec![bar("a", &[0.0])]).contains("NaN"));
    }
}
