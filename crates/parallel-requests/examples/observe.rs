//! Every phase of every request, as it happens: `cargo run --example observe -- URL...`.

use std::{error::Error, sync::mpsc, thread};

use parallel_requests::{Event, Observer, ParallelRequests, Phase};

/// Sends events to a thread, which has the time to print them.
struct Printer(mpsc::Sender<Event>);

impl Observer for Printer {
    fn on_event(&self, event: &Event) {
        // When nobody prints any more, that is no fault of the request's.
        let _ = self.0.send(event.clone());
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (sender, events) = mpsc::channel();
    let printing = thread::spawn(move || events.iter().for_each(|event| print(&event)));
    let client = ParallelRequests::builder()
        .observer(Printer(sender))
        .build()?;

    let batch = client.request(std::env::args().skip(1)).await;
    println!("{} of {} succeeded", batch.successes().count(), batch.len());

    client.close().await;
    drop(client);
    printing.join().map_err(|_| "printing failed")?;
    Ok(())
}

fn print(event: &Event) {
    let Event {
        request,
        attempt,
        elapsed,
        url,
        ..
    } = event;
    match &event.phase {
        Phase::Queued => println!("{request}: queued: {url}"),
        Phase::Carried { connection } => {
            let new = if connection.reused { "kept" } else { "new" };
            println!(
                "{request}.{attempt}: on the {new} connection {} after {elapsed:?}",
                connection.id
            );
        }
        Phase::Done(ending) => println!("{request}: {ending:?} after {elapsed:?}"),
        phase => println!("{request}.{attempt}: {phase} after {elapsed:?}"),
    }
}
