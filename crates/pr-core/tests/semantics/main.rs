//! What every backend's user gets above one exchange, seen through a backend without a network.

#[cfg(test)]
mod attempts;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod handles;
#[cfg(test)]
mod observers;
#[cfg(test)]
mod options;
#[cfg(test)]
mod pace;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod redirects;
#[cfg(test)]
mod resending;
#[cfg(test)]
mod support;
#[cfg(test)]
mod validation;
