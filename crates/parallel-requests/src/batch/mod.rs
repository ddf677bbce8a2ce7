//! Many requests as one: how they are sent, and what comes back.

#[cfg(feature = "indicatif")]
mod bar;
mod builder;
mod cancellation;
mod collected;
mod keys;
mod outcome;
mod outcomes;
mod partial;
mod progress;

#[cfg(feature = "indicatif")]
pub use self::bar::ProgressBar;
pub use self::{
    builder::BatchBuilder,
    cancellation::Cancellation,
    collected::Batch,
    outcome::Outcome,
    outcomes::Outcomes,
    partial::PartialFailure,
    progress::{BatchProgress, Progress},
};
pub(crate) use self::{outcome::attempts, progress::Counts};
