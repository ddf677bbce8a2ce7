//! What becomes of a response's body above one exchange: decoding, limits, sizes, readers and files,
//! seen through a backend without a network.

#[cfg(test)]
mod codings;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod discarded;
#[cfg(test)]
mod files;
#[cfg(test)]
mod hollow;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod support;
#[cfg(test)]
mod when;
