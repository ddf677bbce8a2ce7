//! The demo's table: 80 columns, so that a terminal need not break its lines.

use std::time::Duration;

use http::Version;
use indicatif::HumanCount;

use super::measure::Measurement;
use crate::latency::human;

/// The names of the columns.
pub(super) const HEADER: &str = concat!(
    "                                                                         in turn\n",
    "backend   protocol  requests  conns    wall   req/s      p50      p99  estimated",
);

/// One line of the table.
pub(super) fn row(measured: &Measurement) -> String {
    let protocol = match measured.version {
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    };
    format!(
        "{:<8}  {protocol:<8}  {:>8}  {:>5}  {:>6}  {:>6}  {:>7}  {:>7}  {:>9}",
        measured.backend,
        HumanCount(measured.requests).to_string(),
        HumanCount(measured.connections).to_string(),
        seconds(measured.wall),
        HumanCount(per_second(measured)).to_string(),
        human(measured.latencies.quantile(0.5)),
        human(measured.latencies.quantile(0.99)),
        seconds(measured.one_by_one),
    )
}

/// What the figures come to, for the fastest backend.
pub(super) fn conclusion(fastest: &Measurement) -> String {
    let times = fastest.one_by_one.as_secs_f64() / fastest.wall.as_secs_f64();
    format!(
        "What would take about {} in turn took {} {}: {times:.0} times as fast.",
        seconds(fastest.one_by_one),
        fastest.backend,
        seconds(fastest.wall),
    )
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive figure, for people, without a fraction"
)]
fn per_second(measured: &Measurement) -> u64 {
    (measured.requests as f64 / measured.wall.as_secs_f64()).round() as u64
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latencies;

    fn measurement() -> Measurement {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_micros(21_340));
        Measurement {
            backend: "blocking",
            version: Version::HTTP_11,
            requests: 1000,
            connections: 50,
            wall: Duration::from_millis(460),
            latencies,
            one_by_one: Duration::from_millis(21_400),
        }
    }

    #[test]
    fn rows_stand_under_their_header() {
        let (above, header) = HEADER.split_once('\n').unwrap();
        assert_eq!(above.len(), header.len());
        let row = row(&measurement());
        assert_eq!(row.len(), header.len(), "\n{HEADER}\n{row}");
        assert!(
            row.contains("  1,000     50  0.46 s   2,174  21.3 ms  21.3 ms     21.4 s"),
            "{row}"
        );
        assert_eq!(header.len(), 80);
    }

    #[test]
    fn the_conclusion_compares() {
        assert_eq!(
            conclusion(&measurement()),
            "What would take about 21.4 s in turn took blocking 0.46 s: 47 times as fast."
        );
    }
}
