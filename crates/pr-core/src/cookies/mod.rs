//! Cookies by RFC 6265bis: what a response may set, what a request is given, and for how long.

mod cookie;
mod date;
mod header;
mod jar;
mod receive;
mod saved;
mod site;
mod store;

pub use self::{cookie::Cookie, jar::CookieJar};

/// Name and value together may have this many octets (RFC 6265bis, section 5.6).
const MAX_PAIR: usize = 4_096;

/// A path, as the value of any attribute, may have this many octets (RFC 6265bis, section 5.6).
const MAX_ATTRIBUTE: usize = 1_024;

/// How long a cookie may be kept, in seconds: 400 days (RFC 6265bis, section 5.5).
const MAX_AGE: i64 = 400 * 24 * 60 * 60;

/// How many `set-cookie` fields of one response are read.
const MAX_PER_RESPONSE: usize = 50;

/// How many cookies a registrable domain, its subdomains included, may have at a time.
const MAX_PER_SITE: usize = 180;

/// How many cookies there may be at a time.
const MAX_IN_ALL: usize = 3_000;

/// How long a `cookie` field line may be: what common servers take by default.
const MAX_HEADER: usize = 8_190;

/// Why a cookie was not taken, as a phrase that names neither it nor its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal(&'static str);

/// The cookie's name promises what the cookie does not keep (RFC 6265bis, section 4.1.3).
const BROKEN_PREFIX: Refusal =
    Refusal("its name starts with __Secure- or __Host- and it is not what that promises");
