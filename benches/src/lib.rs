//! Criterion benches of the parts: what one request costs before a socket is involved.
//!
//! `cargo bench -p pr-benches` measures; `cargo xtask ci` runs each once, as a smoke test. This crate
//! itself holds nothing; what is compared with other clients, over sockets, is in `subjects`.
