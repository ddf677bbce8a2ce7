//! Medians, spreads and ratios: the only arithmetic between a run and what is printed.

/// A figure over several runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The smallest.
    pub(crate) min: f64,
    /// The middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of some figures; nothing if there are none. What is not a finite number is not a
    /// figure and does not count.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|f| f.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], upper)
        } else {
            upper
        };
        Some(Self {
            min: *sorted.first()?,
            median,
            max: *sorted.last()?,
        })
    }

    /// Whether no run of one side reached into the range of the other.
    pub(crate) fn is_apart_from(self, other: Self) -> bool {
        self.min > other.max || self.max < other.min
    }
}

/// `figure / reference`, unless that means nothing.
pub(crate) fn ratio(figure: f64, reference: f64) -> Option<f64> {
    let ratio = figure / reference;
    (reference > 0.0 && ratio.is_finite()).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(figures: &[f64]) -> f64 {
        Spread::of(figures.iter().copied()).unwrap().median
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "halves of small whole numbers are exact")]
    fn the_median_is_the_middle_whatever_the_order() {
        for (figures, expected) in [
            (vec![7.0], 7.0),
            (vec![1.0, 2.0], 1.5),
            (vec![9.0, 1.0, 5.0], 5.0),
            (vec![4.0, 1.0, 3.0, 2.0], 2.5),
            (vec![5.0, 5.0, 5.0, 100.0, 0.0], 5.0),
        ] {
            for start in 0..figures.len() {
                let mut turned = figures.clone();
                turned.rotate_left(start);
                assert_eq!(median(&turned), expected, "{turned:?}");
                let spread = Spread::of(turned).unwrap();
                assert!(spread.min <= spread.median && spread.median <= spread.max);
                assert!(figures.contains(&spread.min) && figures.contains(&spread.max));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_no_figure() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Spread::of([f64::NAN, 2.0]), Spread::of([2.0]));
    }

    #[test]
    fn a_ratio_needs_something_to_refer_to() {
        for (figure, reference, expected) in [
            (6.0, 2.0, Some(3.0)),
            (0.0, 2.0, Some(0.0)),
            (1.0, 0.0, None),
            (1.0, -1.0, None),
            (f64::NAN, 1.0, None),
        ] {
            assert_eq!(ratio(figure, reference), expected);
        }
    }

    #[test]
    fn ranges_that_touch_are_not_apart() {
        let spread = |min, max| Spread::of([min, max]).unwrap();
        assert!(spread(1.0, 2.0).is_apart_from(spread(2.1, 3.0)));
        assert!(spread(2.1, 3.0).is_apart_from(spread(1.0, 2.0)));
        assert!(!spread(1.0, 2.0).is_apart_from(spread(2.0, 3.0)));
        assert!(!spread(1.0, 4.0).is_apart_from(spread(2.0, 3.0)));
    }
}
