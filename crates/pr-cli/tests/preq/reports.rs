//! `preq backends` and `preq demo`.

use parallel_requests::{
    TransportConfig, available_backends, make_backend,
    pr_core::{Capabilities, Capability},
};

use crate::support::{Finished, preq, run};

fn cells(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

fn row<'a>(finished: &'a Finished, label: &str) -> Vec<&'a str> {
    let mut rows = finished.lines.iter().map(|line| cells(line));
    rows.find(|cells| cells.first() == Some(&label))
        .unwrap_or_else(|| panic!("{label}: {finished:?}"))
}

#[test]
fn backends_says_what_each_can_do_and_which_is_taken() {
    let finished = run(["backends"]);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
    let columns = row(&finished, "Backend");
    assert_eq!(columns, ["Backend", "h2", "hyper", "blocking"]);

    for (place, name) in columns.iter().enumerate().skip(1) {
        let found: Option<Capabilities> = available_backends()
            .any(|available| available == *name)
            .then(|| {
                make_backend(name, TransportConfig::default())
                    .unwrap()
                    .capabilities()
            });
        let yes = |yes| if yes { "yes" } else { "no" };
        assert_eq!(row(&finished, "Compiled in")[place], yes(found.is_some()));
        for capability in Capability::ALL {
            let says = found.map_or("-", |capabilities| yes(capabilities.has(*capability)));
            assert_eq!(row(&finished, capability.label())[place], says, "{name}");
        }
    }
    let first = available_backends().next().unwrap();
    let text = finished.lines.join("\n");
    assert!(text.contains(&format!("auto takes {first},")), "{text}");
    assert!(text.contains("detection order"), "{text}");
}

#[test]
fn the_demo_compares_every_backend() {
    let finished = run(["demo", "--requests", "400", "--concurrency", "40"]);
    assert_eq!(
        (finished.code, &*finished.stderr),
        (Some(0), ""),
        "{finished:?}"
    );
    let text = finished.lines.join("\n");
    assert!(
        finished
            .lines
            .iter()
            .all(|line| line.chars().count() <= 100),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "colours only on a terminal: {text}");
    for name in available_backends() {
        let row = row(&finished, name);
        assert_eq!(row.len(), 9, "{row:?}");
        assert_eq!(row[1], if name == "h2" { "HTTP/2" } else { "HTTP/1.1" });
        assert_eq!(row[2], "400");
        let connections: u64 = row[3].parse().unwrap();
        let most = if name == "h2" { 2 } else { 40 };
        assert!((1..=most).contains(&connections), "{row:?}");
        // 400 times 20 ms, one after another.
        let in_turn: f64 = row[8].trim_end_matches(" s").parse().unwrap();
        assert!(in_turn >= 8.0, "{row:?}");
    }
    assert!(text.contains("estimated"), "{text}");
    assert!(text.contains("  preq fetch --help"), "{text}");
}

#[test]
fn a_newcomer_under_cargo_is_told_what_to_type_there() {
    let output = preq(["demo", "--requests", "1", "--concurrency", "1"])
        .env("CARGO", "/usr/bin/cargo")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  cargo run --release -- backends"), "{text}");
}
