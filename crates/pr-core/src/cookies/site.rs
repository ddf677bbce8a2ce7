//! Which hosts belong together: the registrable domain, by the public suffix list.

/// The registrable domain of a host, such as `example.co.uk` for `www.example.co.uk`; a host that
/// has none, such as `localhost`, an IP address or a public suffix, stands for itself.
///
/// Suffixes that are not on the list count as public if they are one label, as the list's own
/// algorithm has it: a top-level domain that is newer than the list is not open to everybody.
pub(super) fn of(host: &str) -> &str {
    let name = host.strip_suffix('.').unwrap_or(host);
    if is_address(name) {
        return name;
    }
    psl::domain_str(name).unwrap_or(name)
}

/// Whether everybody can have a name directly below this one.
pub(super) fn is_public_suffix(domain: &str) -> bool {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    !is_address(name) && psl::domain_str(name).is_none()
}

/// Whether this canonical host is an IP address. No other ends in a number or has brackets (URL
/// standard, host parsing).
pub(super) fn is_address(host: &str) -> bool {
    host.starts_with('[')
        || host
            .rsplit('.')
            .next()
            .is_some_and(|label| label.starts_with(|first: char| first.is_ascii_digit()))
            && host.parse::<std::net::Ipv4Addr>().is_ok()
}
