//! Figures as people read them, the same in the terminal, the page and the document.

use super::model::{Cell, Measure, Run, WorkloadReport};
use super::stats::Spread;

/// 1 MiB.
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// What stands where there is no figure.
pub(crate) const NONE: &str = "–";

/// A headline figure with its unit, in the words of its measure.
pub(crate) struct Unit {
    /// The heading of its column.
    pub(crate) heading: &'static str,
    /// What a figure is multiplied with.
    factor: f64,
    decimals: usize,
}

impl Unit {
    /// The unit of a workload's headline figure.
    pub(crate) fn of(workload: &WorkloadReport) -> Self {
        let (heading, factor, decimals) = match workload.measure {
            Measure::Requests => ("requests/s", 1.0, 0),
            Measure::Bytes => ("MiB/s", 1.0 / MIB, 0),
            Measure::Time => ("ms", 1e3, 1),
            Measure::Memory => ("MiB above idle", 1.0 / MIB, 1),
        };
        Self {
            heading,
            factor,
            decimals,
        }
    }

    /// The unit of CPU time per request.
    pub(crate) fn cpu(workload: &WorkloadReport) -> Self {
        // One request that moves a gibibyte, or makes a client, costs thousands of times more.
        if workload.is_single() {
            Self {
                heading: "CPU ms/request",
                factor: 1e-3,
                decimals: 1,
            }
        } else {
            Self {
                heading: "CPU us/request",
                factor: 1.0,
                decimals: 2,
            }
        }
    }

    /// A figure in this unit.
    pub(crate) fn tell(&self, figure: f64) -> String {
        thousands(figure * self.factor, self.decimals)
    }

    /// The range over the runs in this unit.
    pub(crate) fn range(&self, spread: Spread) -> String {
        format!("{}..{}", self.tell(spread.min), self.tell(spread.max))
    }
}

impl WorkloadReport {
    /// Whether a run is a single request.
    fn is_single(&self) -> bool {
        let mut runs = self.cells.iter().flat_map(|cell: &Cell| &cell.runs);
        runs.all(|run: &Run| run.requests == 1)
    }
}

/// `3.42 times`.
pub(crate) fn times(ratio: f64) -> String {
    format!("{} times", short(ratio))
}

/// `3.42x`, for tables.
pub(crate) fn factor(ratio: f64) -> String {
    format!("{}x", short(ratio))
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / MIB)
}

/// A number with about three digits that count.
fn short(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 100.0 => thousands(ratio, 0),
        ratio if ratio >= 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.2}"),
    }
}

/// A count with commas between the thousands.
pub(crate) fn thousands_of(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    thousands(count as f64, 0)
}

/// A number with commas between the thousands.
pub(crate) fn thousands(figure: f64, decimals: usize) -> String {
    let text = format!("{figure:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole
        .strip_prefix('-')
        .map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (figure, decimals, expected) in [
            (0.0, 0, "0"),
            (999.6, 0, "1,000"),
            (123_456.7, 1, "123,456.7"),
            (1_000_000.0, 0, "1,000,000"),
            (-1234.0, 0, "-1,234"),
            (12.345, 2, "12.35"),
        ] {
            assert_eq!(thousands(figure, decimals), expected);
        }
    }

    #[test]
    fn ratios_keep_the_digits_that_count() {
        assert_eq!(times(3.418), "3.42 times");
        assert_eq!(factor(0.446), "0.45x");
        assert_eq!(factor(12.34), "12.3x");
        assert_eq!(factor(1234.5), "1,234x");
    }
}
