//! Durations as load generators print them.

/// `56.45ms`, `281us`, `1.10m` or `1.00s` in seconds.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_known() {
        for (text, expected) in [
            ("281us", 281e-6),
            ("56.45ms", 56.45e-3),
            ("1.00s", 1.0),
            ("1.50m", 90.0),
        ] {
            let parsed = seconds(text).unwrap();
            assert!((parsed - expected).abs() < 1e-9, "{text}: {parsed}");
        }
        for text in ["", "12", "ms", "1.0parsec"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
