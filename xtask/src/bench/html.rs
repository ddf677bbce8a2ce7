//! The report as one page that needs nothing but itself: no script, no font, no picture from
//! anywhere, light or dark as the reader's system is.

mod chart;

use std::fmt::Write as _;

use super::format::{self, NONE, Unit};
use super::model::{BarReport, LeftOut, Measure, Report, Verdict, WorkloadReport};
use super::stats::Spread;
use super::table;
use chart::{Bar, Chart};

const STYLE: &str = include_str!("html/style.css");

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let mut body = String::new();
    body.push_str(&header(report));
    body.push_str("<nav aria-label=\"Workloads\"><ul>\n");
    for workload in &report.workloads {
        let title = escaped(&workload.title);
        let _ = writeln!(body, "<li><a href=\"#{}\">{title}</a></li>", workload.name);
    }
    body.push_str("</ul></nav>\n");
    body.push_str(&claims(&report.bars));
    for workload in &report.workloads {
        body.push_str(&section(workload));
    }
    body.push_str(&footer(report));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>parallel-requests: measured</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

fn header(report: &Report) -> String {
    let machine = &report.machine;
    let met = report.bars.iter().filter(|bar| bar.verdict == Verdict::Met);
    let measured = report
        .bars
        .iter()
        .filter(|bar| bar.verdict != Verdict::NotMeasured);
    let date = report.started.split('T').next().unwrap_or_default();
    let cores = match machine.cores {
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    let mut text = format!(
        "<header>\n<p class=\"brand\">parallel-requests</p>\n<h1>What a request costs</h1>\n\
         <p class=\"lead\">{} of {} measured claims hold on this machine: {}, {cores}, on \
         <time>{date}</time>.</p>\n",
        met.count(),
        measured.count(),
        escaped(&machine.cpu),
    );
    if let Some(warning) = machine.warning() {
        let _ = writeln!(text, "<p class=\"failed\">Note: {}.</p>", escaped(&warning));
    }
    text.push_str(
        "<ul class=\"legend\">\n<li class=\"ours\">ours</li>\n<li class=\"floor\">floor: the protocol \
         and hardly anything else</li>\n<li class=\"rival\">rival</li>\n\
         <li class=\"whisker\">smallest to largest run</li>\n</ul>\n</header>\n",
    );
    text
}

fn claims(bars: &[BarReport]) -> String {
    let mut text = String::from(
        "<section class=\"claims\" aria-labelledby=\"claims\">\n<h2 id=\"claims\">Claims</h2>\n<ul>\n",
    );
    let is_measured = |bar: &&BarReport| bar.verdict != Verdict::NotMeasured;
    for bar in bars.iter().filter(is_measured) {
        let class = bar.verdict.word();
        let figure = bar.figure.as_deref().unwrap_or(NONE);
        let (name, claim, word) = (escaped(&bar.name), escaped(&bar.bar), bar.verdict.word());
        let figure = escaped(figure);
        let _ = writeln!(
            text,
            "<li class=\"{class}\"><span class=\"verdict\">{word}</span>\
             <strong>{figure}</strong><span class=\"name\">{name}</span>\
             <span class=\"claim\">{claim}</span></li>"
        );
    }
    text.push_str("</ul>\n");
    // A card for what is not known would stand in front of what is.
    let names = bars
        .iter()
        .filter(|bar| !is_measured(bar))
        .map(|bar| escaped(&bar.name));
    let mut unmeasured: Vec<String> = names.collect();
    unmeasured.dedup();
    if !unmeasured.is_empty() {
        let list = unmeasured.join("; ");
        let _ = writeln!(
            text,
            "<p class=\"unmeasured\">Not measured in this run: {list}.</p>"
        );
    }
    text.push_str("</section>\n");
    text
}

fn section(workload: &WorkloadReport) -> String {
    let (name, title) = (&workload.name, escaped(&workload.title));
    let mut text = format!(
        "<section class=\"workload\" aria-labelledby=\"{name}\">\n<h2 id=\"{name}\">{title}</h2>\n\
         <p class=\"what\">{}</p>\n<p class=\"how\">{}; {}; {} in flight</p>\n",
        escaped(&workload.what),
        escaped(&workload.server),
        escaped(&workload.cores),
        format::thousands_of(workload.concurrency),
    );
    for cell in &workload.cells {
        if let Some(problem) = cell.problem() {
            let (subject, problem) = (escaped(&cell.subject), escaped(&problem));
            let _ = writeln!(
                text,
                "<p class=\"failed\" role=\"alert\"><strong>{subject} failed:</strong> {problem}</p>"
            );
        }
    }
    text.push_str("<div class=\"charts\">\n");
    text.push_str(&headline_chart(workload).svg());
    text.push_str(&cpu_chart(workload).svg());
    text.push_str("</div>\n");
    text.push_str(&figures(workload));
    text.push_str("</section>\n");
    text
}

fn headline_chart(workload: &WorkloadReport) -> Chart {
    let (title, better) = match workload.measure {
        Measure::Requests => ("Throughput", "more is better"),
        Measure::Bytes => ("Bandwidth", "more is better"),
        Measure::Time => ("Time", "less is better"),
        Measure::Memory => ("Memory", "less is better"),
    };
    let unit = Unit::of(workload);
    let mut chart = chart(workload, title, better, &unit, |cell| {
        workload.headline(cell)
    });
    for (bar, cell) in chart.bars.iter_mut().zip(&workload.cells) {
        let ratio = workload
            .ratio(cell)
            .filter(|_| cell.subject != workload.reference);
        bar.note = ratio.map(|ratio| format!("{} {}", format::factor(ratio), workload.reference));
    }
    chart
}

fn cpu_chart(workload: &WorkloadReport) -> Chart {
    let unit = Unit::cpu(workload);
    chart(workload, "CPU time", "less is better", &unit, |cell| {
        cell.cpu_us_per_request()
    })
}

fn chart(
    workload: &WorkloadReport,
    title: &str,
    better: &str,
    unit: &Unit,
    figure: impl Fn(&super::model::Cell) -> Option<Spread>,
) -> Chart {
    let bars = workload.cells.iter().map(|cell| Bar {
        name: cell.subject.clone(),
        group: cell.group,
        note: None,
        spread: figure(cell),
        value: figure(cell).map_or_else(|| NONE.to_owned(), |spread| unit.tell(spread.median)),
    });
    Chart {
        id: format!(
            "{}-{}",
            workload.name,
            title.to_lowercase().replace(' ', "-")
        ),
        title: title.to_owned(),
        about: workload.title.clone(),
        unit: unit.heading.to_owned(),
        better: better.to_owned(),
        bars: bars.collect(),
    }
}

fn figures(workload: &WorkloadReport) -> String {
    let mut text = String::from("<details>\n<summary>All figures and settings</summary>\n");
    text.push_str("<div class=\"scroll\">\n<table>\n<thead><tr>");
    for heading in table::headings(workload) {
        let _ = write!(text, "<th scope=\"col\">{}</th>", escaped(&heading));
    }
    text.push_str("<th scope=\"col\">settings</th></tr></thead>\n<tbody>\n");
    for cell in &workload.cells {
        let _ = write!(text, "<tr class=\"{}\">", cell.group.word());
        for (index, value) in table::row(workload, cell).iter().enumerate() {
            let value = escaped(value);
            let _ = if index == 0 {
                write!(text, "<th scope=\"row\">{value}</th>")
            } else {
                write!(text, "<td>{value}</td>")
            };
        }
        let _ = writeln!(
            text,
            "<td class=\"settings\">{}</td></tr>",
            escaped(&cell.settings)
        );
    }
    text.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    text
}

fn footer(report: &Report) -> String {
    let machine = &report.machine;
    let tools: Vec<String> = machine
        .tools
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut text = String::from("<footer>\n<h2>Where and how</h2>\n<dl>\n");
    for (name, value) in [
        ("Processor", machine.cpu.clone()),
        ("Cores", machine.cores.to_string()),
        ("Memory", machine.memory.clone()),
        ("Kernel", machine.kernel.clone()),
        ("Compiler", machine.rustc.clone()),
        ("Commit", machine.commit.clone()),
        ("Started", report.started.clone()),
        ("Foreign tools", tools.join(", ")),
    ] {
        let value = if value.is_empty() { NONE } else { &value };
        let _ = writeln!(text, "<dt>{name}</dt><dd>{}</dd>", escaped(value));
    }
    text.push_str("</dl>\n");
    let runs = report.rounds;
    let quick = if report.quick { ", a quick run" } else { "" };
    let _ = writeln!(
        text,
        "<p>Each run is a process of its own and warmed up; the subjects of a workload run in turns, \
         {runs} times each{quick}. Figures are medians. The server is another process on the same \
         machine.</p>"
    );
    for LeftOut { subject, why } in &report.left_out {
        let (subject, why) = (escaped(subject), escaped(why));
        let _ = writeln!(text, "<p>Left out: {subject}: {why}.</p>");
    }
    text.push_str("</footer>\n");
    text
}

/// Text that is no markup. An address in an error message stays text as well: a page that refers to
/// nothing should not look as if it did.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace("://", ":&#47;&#47;")
}

#[cfg(test)]
mod tests;
