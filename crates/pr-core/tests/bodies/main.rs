//! Bodies that are more than bytes: files, readers and forms, as a backend gets to see them.

#[cfg(test)]
mod files;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod support;
