//! The project's own claims, as data, held against the figures of a run. A ratio is that of two
//! medians of the same, interleaved run; a claim whose cells were not run is said not to be measured.

use super::format;
use super::model::{BarReport, Cell, Report, Verdict};
use super::plan::DELAY;
use super::stats;

/// One claim.
#[derive(Debug)]
pub(crate) struct Bar {
    name: &'static str,
    workload: &'static str,
    subject: &'static str,
    figure: Figure,
    limit: Limit,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum Figure {
    /// Requests per second, as a multiple of another subject's.
    Throughput(&'static str),
    /// Bytes per second, as a multiple of another subject's.
    Bandwidth(&'static str),
    /// CPU time per request, as a multiple of another subject's.
    Cpu(&'static str),
    /// The time until all is done, as a multiple of what the delays alone take.
    Ideal { requests: u32, concurrency: u32 },
    /// Memory above idle, in MiB.
    Memory,
}

/// How much there must be of it.
#[derive(Clone, Copy, Debug)]
enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

const fn bar(
    name: &'static str,
    (workload, subject): (&'static str, &'static str),
    figure: Figure,
    limit: Limit,
) -> Bar {
    Bar {
        name,
        workload,
        subject,
        figure,
        limit,
    }
}

const IDEAL: Figure = Figure::Ideal {
    requests: 10_000,
    concurrency: 1_000,
};

/// Every claim.
const BARS: &[Bar] = &[
    bar(
        "HTTP/2, small, one thread",
        ("http2", "facade-h2"),
        Figure::Throughput("reqwest"),
        Limit::AtLeast(3.0),
    ),
    bar(
        "HTTP/2, small, one thread",
        ("http2", "facade-h2"),
        Figure::Cpu("reqwest"),
        Limit::AtMost(0.45),
    ),
    bar(
        "HTTP/2, small, one thread",
        ("http2", "facade-h2"),
        Figure::Cpu("h2load"),
        Limit::AtMost(2.0),
    ),
    bar(
        "HTTP/2, small, default runtime",
        ("http2-multi", "facade-h2"),
        Figure::Throughput("reqwest"),
        Limit::AtLeast(2.0),
    ),
    bar(
        "HTTP/2 over TLS, small",
        ("http2-tls", "facade-h2"),
        Figure::Throughput("reqwest"),
        Limit::AtLeast(2.0),
    ),
    bar(
        "HTTP/1.1, small",
        ("http1", "facade-hyper"),
        Figure::Throughput("reqwest"),
        Limit::AtLeast(1.1),
    ),
    bar(
        "HTTP/1.1, small",
        ("http1", "facade-hyper"),
        Figure::Cpu("wrk"),
        Limit::AtMost(1.2),
    ),
    bar(
        "Blocking",
        ("blocking", "facade-blocking"),
        Figure::Throughput("ureq"),
        Limit::AtLeast(0.95),
    ),
    bar(
        "Latency-bound, HTTP/2",
        ("latency", "facade-h2"),
        IDEAL,
        Limit::AtMost(1.05),
    ),
    bar(
        "Latency-bound, HTTP/1.1",
        ("latency-http1", "facade-hyper"),
        IDEAL,
        Limit::AtMost(1.05),
    ),
    bar(
        "A million requests",
        ("million", "facade-h2"),
        Figure::Memory,
        Limit::AtMost(32.0),
    ),
    bar(
        "1 GiB download, HTTP/1.1",
        ("download", "facade-h2"),
        Figure::Bandwidth("curl"),
        Limit::AtLeast(1.0),
    ),
    bar(
        "1 GiB download, HTTP/1.1",
        ("download", "facade-h2"),
        Figure::Memory,
        Limit::AtMost(16.0),
    ),
    bar(
        "1 GiB download, HTTP/2",
        ("download-http2", "facade-h2"),
        Figure::Bandwidth("curl"),
        Limit::AtLeast(1.0),
    ),
    bar(
        "1 GiB download, HTTP/2",
        ("download-http2", "facade-h2"),
        Figure::Memory,
        Limit::AtMost(16.0),
    ),
    bar(
        "Python, HTTP/2",
        ("python-http2", "facade-h2"),
        Figure::Throughput("niquests"),
        Limit::AtLeast(100.0),
    ),
    bar(
        "Python, HTTP/1.1",
        ("python-http1", "facade-hyper"),
        Figure::Throughput("aiohttp"),
        Limit::AtLeast(5.0),
    ),
    bar(
        "Python, blocking",
        ("python-http1", "facade-blocking"),
        Figure::Throughput("requests"),
        Limit::AtLeast(20.0),
    ),
];

/// Holds every claim against a run.
pub(crate) fn evaluate(report: &Report) -> Vec<BarReport> {
    BARS.iter().map(|bar| bar.evaluate(report)).collect()
}

impl Bar {
    fn evaluate(&self, report: &Report) -> BarReport {
        let measured = self.measure(report);
        // Requests that failed were cheap: their subject has earned nothing.
        let failed = report
            .cell(self.workload, self.subject)
            .is_some_and(|cell| cell.problem().is_some());
        let verdict = match measured {
            _ if failed => Verdict::Missed,
            Some(figure) if self.limit.holds(figure) => Verdict::Met,
            Some(_) => Verdict::Missed,
            None => Verdict::NotMeasured,
        };
        let figure = if failed {
            Some("requests failed".to_owned())
        } else {
            measured.map(|figure| self.figure.tell(figure))
        };
        BarReport {
            name: self.name.to_owned(),
            bar: self.claim(),
            figure,
            verdict,
        }
    }

    fn measure(&self, report: &Report) -> Option<f64> {
        let cell = report.cell(self.workload, self.subject)?;
        let against = |other: &str, figure: fn(&Cell) -> Option<stats::Spread>| {
            let other = report.cell(self.workload, other)?;
            // What failed at the other side is no figure to be proud of either.
            if other.problem().is_some() {
                return None;
            }
            stats::ratio(figure(cell)?.median, figure(other)?.median)
        };
        match self.figure {
            Figure::Throughput(other) => against(other, Cell::requests_per_second),
            Figure::Bandwidth(other) => against(other, Cell::bytes_per_second),
            Figure::Cpu(other) => against(other, Cell::cpu_us_per_request),
            Figure::Ideal {
                requests,
                concurrency,
            } => {
                let ideal = f64::from(requests) / f64::from(concurrency) * DELAY;
                stats::ratio(cell.wall()?.median, ideal)
            }
            Figure::Memory => Some(cell.memory()?.median / format::MIB),
        }
    }

    fn claim(&self) -> String {
        let (side, limit) = match self.limit {
            Limit::AtLeast(limit) => ("at least", limit),
            Limit::AtMost(limit) => ("at most", limit),
        };
        let subject = self.subject;
        // "At least 1 times" is what nobody says.
        let times = match self.limit {
            Limit::AtLeast(1.0) => String::new(),
            _ => format!("{limit} times "),
        };
        match self.figure {
            Figure::Throughput(other) => {
                format!("{subject}: {side} {times}the throughput of {other}")
            }
            Figure::Bandwidth(other) => {
                format!("{subject}: {side} {times}the bandwidth of {other}")
            }
            Figure::Cpu(other) => {
                format!("{subject}: {side} {times}the CPU time per request of {other}")
            }
            Figure::Ideal { .. } => format!("{subject}: {side} {times}the ideal time"),
            Figure::Memory => format!("{subject}: {side} {limit} MiB above idle"),
        }
    }
}

impl Figure {
    fn tell(self, figure: f64) -> String {
        match self {
            Self::Memory => format!("{figure:.1} MiB"),
            _ => format::times(figure),
        }
    }
}

impl Limit {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(limit) => figure >= limit,
            Self::AtMost(limit) => figure <= limit,
        }
    }
}

#[cfg(test)]
mod tests;
