//! How far a batch is, for whoever sits before a terminal.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{DecimalBytes, HumanCount, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{BatchProgress, Progress};

/// A progress bar on standard error, drawn from the [progress](BatchProgress) of a batch by a thread
/// of its own; nothing where standard error is no terminal.
///
/// ```text
/// ━━━━━━━━━━━━━╸──────────────── 4,512/10,000 45%  1,234/s, 4s left
/// 4,509 succeeded, 3 failed, 12 retried, 20 in flight, 1 host paused, 12.30 MB
/// ```
///
/// Where the input does not know how long it is, the first line has a count and the time that has
/// passed. The bar goes away when the batch is over, and when this is dropped. While it is there,
/// write to the terminal in [`suspend`](Self::suspend) only.
///
/// ```no_run
/// use parallel_requests::{ParallelRequests, ProgressBar};
///
/// # async fn run(client: ParallelRequests, urls: Vec<String>) {
/// let batch = client.batch(urls);
/// let _bar = ProgressBar::new(batch.progress());
/// let outcomes = batch.collect().await;
/// # }
/// ```
pub struct ProgressBar {
    bar: indicatif::ProgressBar,
    over: Arc<AtomicBool>,
    /// `None` where there is nothing to be seen.
    painter: Option<JoinHandle<()>>,
}

const KNOWN: &str = "{bar:30} {human_pos}/{human_len} {percent}%  {rate}, {eta} left\n{wide_msg}";
const UNKNOWN: &str = "{spinner} {human_pos} done  {rate}, {elapsed}\n{wide_msg}";

/// How often it is drawn.
const PERIOD: Duration = Duration::from_millis(100);

impl ProgressBar {
    /// The bar of the batch with this progress, from now on.
    pub fn new(progress: BatchProgress) -> Self {
        // It hides itself where there is no terminal.
        Self::on(ProgressDrawTarget::stderr(), progress)
    }

    fn on(target: ProgressDrawTarget, progress: BatchProgress) -> Self {
        let total = progress.snapshot().total.map(|total| total as u64);
        let bar = indicatif::ProgressBar::with_draw_target(total, target);
        let over = Arc::new(AtomicBool::new(false));
        let painter = if bar.is_hidden() {
            None
        } else {
            bar.set_style(style(total.is_some()));
            let painter = Painter {
                bar: bar.clone(),
                progress,
                over: Arc::clone(&over),
            };
            let thread = thread::Builder::new().name("progress bar".to_owned());
            // Without a thread there is no bar, and all else goes on.
            thread.spawn(move || painter.paint()).ok()
        };
        Self { bar, over, painter }
    }

    /// Adds a remark of yours at the end of the second line, in place of an earlier one.
    pub fn set_remark(&self, remark: impl Into<Cow<'static, str>>) {
        if self.painter.is_some() {
            self.bar.set_prefix(remark);
        }
    }

    /// Takes the bar away, does something that needs the terminal for itself, and puts it back.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(painter) = self.painter.take() {
            painter.thread().unpark();
            // It cannot panic, and if it did, there would be nothing to do about it.
            let _ = painter.join();
        }
        self.bar.finish_and_clear();
    }
}

impl fmt::Debug for ProgressBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_hidden = self.painter.is_none();
        f.debug_struct("ProgressBar")
            .field("is_hidden", &is_hidden)
            .finish_non_exhaustive()
    }
}

/// What the thread has.
struct Painter {
    bar: indicatif::ProgressBar,
    progress: BatchProgress,
    over: Arc<AtomicBool>,
}

impl Painter {
    fn paint(self) {
        while !self.over.load(Ordering::Acquire) {
            let now = self.progress.snapshot();
            if now.is_over {
                self.bar.finish_and_clear();
                return;
            }
            self.bar.set_message(counts(&now, &self.bar.prefix()));
            self.bar.set_position(now.finished() as u64);
            // The clock goes on while nothing completes.
            self.bar.tick();
            thread::park_timeout(PERIOD);
        }
    }
}

fn style(total_is_known: bool) -> ProgressStyle {
    let template = if total_is_known { KNOWN } else { UNKNOWN };
    ProgressStyle::with_template(template)
        .expect("the templates are constant, and a test reads both")
        .progress_chars("━╸─")
        .with_key("rate", rate)
}

/// Without the digits that nobody can read while they change.
fn rate(state: &ProgressState, out: &mut dyn Write) {
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

/// The second line: what there is none of is left out, but for what always matters.
fn counts(now: &Progress, remark: &str) -> String {
    let count = |count: usize| HumanCount(count as u64);
    let mut line = format!("{} succeeded", count(now.succeeded));
    let mut add = |text: fmt::Arguments<'_>| {
        // Writing to a String does not fail.
        let _ = write!(line, ", {text}");
    };
    if now.failed > 0 {
        add(format_args!("{} failed", count(now.failed)));
    }
    if now.retried > 0 {
        add(format_args!("{} retried", HumanCount(now.retried)));
    }
    add(format_args!("{} in flight", count(now.in_flight)));
    if now.held_up > 0 {
        add(format_args!("{} held up", count(now.held_up)));
    }
    match now.paused_hosts {
        0 => {}
        1 => add(format_args!("1 host paused")),
        hosts => add(format_args!("{} hosts paused", count(hosts))),
    }
    add(format_args!("{}", DecimalBytes(now.bytes_received)));
    if !remark.is_empty() {
        add(format_args!("{remark}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use pr_testkit::{Answer, MemoryBackend};

    use super::*;
    use crate::ParallelRequests;

    #[test]
    fn the_length_of_a_stream_is_known_if_it_is_exact() {
        let backend = Arc::new(MemoryBackend::always(Answer::ok()));
        let client = ParallelRequests::builder()
            .backend(backend)
            .build()
            .unwrap();
        let requests = stream::iter(["http://h.example/"; 3]);
        let batch = client.batch_from_stream(requests.clone());
        assert_eq!(batch.progress().snapshot().total, Some(3));
        let some = futures::StreamExt::filter(requests, |_| std::future::ready(true));
        assert_eq!(
            client.batch_from_stream(some).progress().snapshot().total,
            None
        );
    }

    #[test]
    fn the_templates_can_be_read() {
        for total_is_known in [true, false] {
            style(total_is_known);
        }
    }

    #[test]
    fn the_second_line_has_what_there_is() {
        let mut now = Progress {
            succeeded: 4509,
            in_flight: 20,
            bytes_received: 12_300_000,
            ..Progress::default()
        };
        assert_eq!(counts(&now, ""), "4,509 succeeded, 20 in flight, 12.30 MB");
        now.failed = 3;
        now.retried = 1200;
        now.held_up = 7;
        now.paused_hosts = 1;
        let all = "4,509 succeeded, 3 failed, 1,200 retried, 20 in flight, 7 held up, \
                   1 host paused, 12.30 MB, 5 with 4xx";
        assert_eq!(counts(&now, "5 with 4xx"), all);
        now.paused_hosts = 2;
        assert!(counts(&now, "").contains(", 2 hosts paused, "));
    }
}
