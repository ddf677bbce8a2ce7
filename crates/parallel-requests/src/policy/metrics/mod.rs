//! What is measured of attempts, through the `metrics` crate, if the user asks for it.

#[cfg(not(feature = "metrics"))]
mod nothing;
#[cfg(feature = "metrics")]
mod recorded;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::nothing::{Meter, Meters};
#[cfg(feature = "metrics")]
pub use self::recorded::Metrics;
#[cfg(feature = "metrics")]
pub(crate) use self::recorded::{Meter, Meters};
