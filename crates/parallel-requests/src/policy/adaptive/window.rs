//! The mean of the latencies at one limit, over as many as it takes to know it.

/// Latencies of attempts that were begun under the same limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    count: f64,
    mean: f64,
    /// The sum of the squared distances from the mean.
    squares: f64,
}

/// The fewest latencies that are looked at.
const FEWEST: f64 = 24.0;

/// How well the mean has to be known: its standard error, as a part of it.
const STANDARD_ERROR: f64 = 0.03;

impl Window {
    /// Adds a latency, in seconds.
    pub(super) fn add(&mut self, latency: f64) {
        // Welford's algorithm, which does not lose the variance in the sum.
        self.count += 1.0;
        let distance = latency - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (latency - self.mean);
    }

    /// The mean, as soon as it is known well enough at this limit, or from so many latencies.
    pub(super) fn mean(&self, limit: f64, most: f64) -> Option<f64> {
        let each_place_twice = (2.0 * limit).max(FEWEST);
        if self.count < each_place_twice {
            return None;
        }
        let variance = self.squares / (self.count - 1.0);
        let standard_error = (variance / self.count).sqrt();
        let known = standard_error <= STANDARD_ERROR * self.mean;
        (known || self.count >= most).then_some(self.mean)
    }
}
