//! The cookie jar: what it takes, what it sends, for how long, and how much of it.
#![cfg(feature = "cookies")]

#[cfg(test)]
mod jar;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod saved;
#[cfg(test)]
mod sent;
#[cfg(test)]
mod support;
#[cfg(test)]
mod time;
