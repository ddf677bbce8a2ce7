//! Whether the limit of requests in flight finds a server's knee, as the server sees it.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex},
    time::Duration,
};

use parallel_requests::{AdaptiveConcurrency, ParallelRequests, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

/// A server that works on so many requests at a time; more wait, or are refused.
#[derive(Default)]
struct Server {
    /// When each place will be free.
    places: BinaryHeap<Reverse<Instant>>,
    /// When those end that are here.
    ends: Vec<Instant>,
    /// How many were here when each one came.
    seen: Vec<usize>,
    refused: usize,
}

const SERVICE_TIME: Duration = Duration::from_millis(40);

impl Server {
    fn answer(&mut self, knee: usize, refuses: bool) -> Answer {
        let now = Instant::now();
        self.ends.retain(|end| *end > now);
        self.seen.push(self.ends.len() + 1);
        if refuses && self.ends.len() >= knee {
            self.refused += 1;
            return Answer::status(503).after(Duration::from_millis(2));
        }
        // Times vary by a fifth, in an order that is no order.
        let chance = u32::try_from(self.seen.len() * 7_919 % 101).unwrap();
        let time = SERVICE_TIME * (80 + chance * 40 / 100) / 100;
        let free = if self.places.len() < knee {
            now
        } else {
            self.places.pop().unwrap().0.max(now)
        };
        self.places.push(Reverse(free + time));
        self.ends.push(free + time);
        Answer::ok().after(free + time - now)
    }
}

#[tokio::test(start_paused = true)]
async fn settles_at_the_knee() {
    for (knee, initial, refuses) in [
        (8, 2, false),
        (30, 4, false),
        (30, 120, false),
        (30, 4, true),
    ] {
        let server: Arc<Mutex<Server>> = Arc::default();
        let backend = {
            let server = server.clone();
            MemoryBackend::answering(move |_| server.lock().unwrap().answer(knee, refuses))
        };
        let client = ParallelRequests::builder()
            .backend(Arc::new(backend))
            .concurrency(300)
            .adaptive(AdaptiveConcurrency::default().initial(initial))
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let count = knee * 400;
        let batch = client
            .request((0..count).map(|n| format!("http://h.example/{n}")))
            .await;
        assert_eq!(batch.len(), count);

        let server = server.lock().unwrap();
        // Of the later two thirds, without the last, which are fewer than may be.
        let settled = &server.seen[count / 3..count - 2 * knee];
        let total: usize = settled.iter().sum();
        let mean = total / settled.len();
        assert!(
            mean * 5 >= knee * 4 && mean * 5 <= knee * 6,
            "{knee} from {initial}: {mean}"
        );
        assert!(server.refused <= count / 20, "{}", server.refused);
    }
}
