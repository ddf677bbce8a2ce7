//! `preq backends`: what this build can do, and which backend it takes when nobody says.

use std::io::Write;

use anstyle::Style;
use parallel_requests::{
    ParallelRequests, TransportConfig, available_backends, make_backend,
    pr_core::{Capabilities, Capability},
};

use crate::{
    args::BackendsArgs,
    exit::{CommandError, Exit, explain},
};

/// Every backend that this command can be built with, in detection order.
pub(crate) const KNOWN: [&str; 3] = ["h2", "hyper", "blocking"];

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Prints the table.
pub(crate) fn run(args: &BackendsArgs) -> Result<Exit, CommandError> {
    let mut columns = Vec::new();
    for name in KNOWN {
        columns.push((name, capabilities(name)?));
    }
    let mut out = anstream::stdout().lock();
    if args.markdown {
        markdown(&mut out, &columns)?;
        return Ok(Exit::Success);
    }

    write!(out, "{BOLD}{:<24}", "Backend")?;
    for (place, (name, _)) in columns.iter().enumerate() {
        let width = width(place, columns.len());
        write!(out, "{name:<width$}")?;
    }
    writeln!(out, "{BOLD:#}")?;
    row(&mut out, "Compiled in", &columns, |found| {
        Some(found.is_some())
    })?;
    for &capability in Capability::ALL {
        row(&mut out, capability.label(), &columns, |found| {
            found.map(|capabilities| capabilities.has(capability))
        })?;
    }

    let client = ParallelRequests::new().map_err(|error| CommandError::Failed(explain(&error)))?;
    let selection = client.selection();
    let (chosen, why) = (selection.backend(), selection.reason());
    writeln!(out, "\nauto takes {BOLD}{chosen}{BOLD:#},\n{why}")?;
    let missing: Vec<_> = columns
        .iter()
        .filter(|(_, found)| found.is_none())
        .map(|(name, _)| *name)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(",");
        writeln!(out, "cargo build --features {missing} compiles in the rest")?;
    }
    Ok(Exit::Success)
}

/// What the backend of this name can do; `None` if it is not compiled in.
fn capabilities(name: &str) -> Result<Option<Capabilities>, CommandError> {
    if !available_backends().any(|available| available == name) {
        return Ok(None);
    }
    let backend = make_backend(name, TransportConfig::default())
        .map_err(|error| CommandError::Failed(explain(&error)))?;
    Ok(Some(backend.capabilities()))
}

/// What each backend that is compiled in can do, as documents have it.
fn markdown(out: &mut impl Write, columns: &[(&str, Option<Capabilities>)]) -> std::io::Result<()> {
    let compiled: Vec<_> = columns
        .iter()
        .filter_map(|(name, found)| Some((*name, (*found)?)))
        .collect();
    let names: Vec<_> = compiled.iter().map(|(name, _)| *name).collect();
    writeln!(out, "| | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))?;
    for &capability in Capability::ALL {
        // Every backend that people can choose opens real connections.
        if capability == Capability::Network {
            continue;
        }
        let says = compiled.iter().map(|(_, capabilities)| {
            if capabilities.has(capability) {
                "yes"
            } else {
                "no"
            }
        });
        let says: Vec<_> = says.collect();
        writeln!(out, "| {} | {} |", capability.label(), says.join(" | "))?;
    }
    Ok(())
}

/// One line of the table. `says` is `None` where there is nothing to say.
fn row(
    out: &mut impl Write,
    label: &str,
    columns: &[(&str, Option<Capabilities>)],
    says: impl Fn(Option<Capabilities>) -> Option<bool>,
) -> std::io::Result<()> {
    write!(out, "{label:<24}")?;
    for (place, (_, found)) in columns.iter().enumerate() {
        let width = width(place, columns.len());
        match says(*found) {
            Some(true) => write!(out, "{:<width$}", "yes")?,
            Some(false) => write!(out, "{DIM}{:<width$}{DIM:#}", "no")?,
            None => write!(out, "{DIM}{:<width$}{DIM:#}", "-")?,
        }
    }
    writeln!(out)
}

/// Nothing stands to the right of the last column, so it needs no padding.
fn width(place: usize, columns: usize) -> usize {
    if place + 1 < columns { 10 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_that_there_is_has_a_column() {
        assert!(available_backends().all(|name| KNOWN.contains(&name)));
    }
}
