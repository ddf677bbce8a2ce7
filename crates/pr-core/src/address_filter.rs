//! Which addresses may be dialed: a guard for programs that fetch what strangers ask for.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Says of each address whether it may be dialed.
///
/// It sees every address, right before it is dialed and however it came about: looked up, from the
/// cache, overridden, or written in the URL; those of redirects' targets; and those of proxies. So a
/// name that points to one address when it is checked and to another when it is dialed (DNS
/// rebinding) gets nowhere. An address that may not be dialed is passed over; if none is left, the
/// request fails with kind [`Connect`](crate::ErrorKind::Connect) and nothing is sent.
///
/// What it cannot see is where a proxy goes that resolves names itself (`http`, `https` and
/// `socks5h` proxies); it sees the address if the URL's host is one. Unix sockets have no address.
///
/// ```
/// use std::net::IpAddr;
/// use pr_core::{AddressFilter, TransportConfig};
///
/// let guard = AddressFilter::public_only();
/// assert!(guard.allows(IpAddr::from([93, 184, 215, 14])));
/// assert!(!guard.allows(IpAddr::from([169, 254, 169, 254])));
///
/// // The same, but for the proxy that all of it goes through.
/// let proxy = IpAddr::from([10, 0, 0, 2]);
/// let guard = guard.or(move |address| address == proxy);
/// assert!(guard.allows(proxy));
/// let config = TransportConfig::default().address_filter(guard);
/// ```
#[derive(Clone)]
pub struct AddressFilter {
    name: &'static str,
    allows: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

impl AddressFilter {
    /// A filter that lets pass what `allows` says yes to. It is called for every connection and
    /// should be quick. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) comes as IPv4,
    /// because that is what is dialed.
    pub fn new(allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self {
            name: "custom",
            allows: Arc::new(allows),
        }
    }

    /// Lets pass the addresses of the public internet: what the IANA registries of special-purpose
    /// addresses (RFC 6890) list as globally reachable, and what they do not list. Not private and
    /// shared networks, loopback, link-local, which includes the metadata services of clouds,
    /// multicast, documentation, and so on; nor IPv6 addresses that carry such an IPv4 address
    /// (mapped, NAT64, 6to4, Teredo).
    pub fn public_only() -> Self {
        Self {
            name: "public_only",
            allows: Arc::new(is_public),
        }
    }

    /// Lets pass, besides, what `allows` says yes to.
    pub fn or(self, allows: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        let first = self.allows;
        Self {
            name: "custom",
            allows: Arc::new(move |address| first(address) || allows(address)),
        }
    }

    /// Whether this address may be dialed.
    pub fn allows(&self, address: IpAddr) -> bool {
        (self.allows)(address.to_canonical())
    }
}

impl fmt::Debug for AddressFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressFilter({})", self.name)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The IPv4 blocks that are not globally reachable, as address and length of the prefix.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, and what is reserved, broadcast included.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    // The two anycast addresses within 192.0.0.0/24 (RFC 7723, RFC 8155).
    if matches!(address.octets(), [192, 0, 0, 9 | 10]) {
        return true;
    }
    let within = |(network, length): &(Ipv4Addr, u32)| {
        let mask = u32::MAX << (32 - length);
        address.to_bits() & mask == network.to_bits()
    };
    !SPECIAL_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from_bits(
            (u32::from(high) << 16) | u32::from(low),
        ))
    };
    match address.segments() {
        // Mapped, and well-known NAT64: as good as what they carry.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Anycast and such within the protocols' assignments that are reachable all the same.
        [0x2001, 1, 0, 0, 0, 0, 0, 1..=3]
        | [0x2001, 3 | 0x20..=0x3f, ..]
        | [0x2001, 4, 0x112, ..] => true,
        // Teredo, and other protocols' assignments; documentation, twice.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Only this block has been given to anybody at all (RFC 4291, section 2.4).
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        let guard = AddressFilter::public_only();
        let table = [
            ("1.1.1.1", true),
            ("8.8.8.8", true),
            ("192.0.0.9", true),
            ("172.15.255.255", true),
            ("172.32.0.0", true),
            ("100.128.0.0", true),
            ("2606:4700:4700::1111", true),
            ("2a00:1450::1", true),
            ("64:ff9b::808:808", true),
            ("::ffff:8.8.8.8", true),
            ("2002:808:808::1", true),
            ("2001:1::1", true),
            ("2001:4:112::1", true),
            ("2001:20::1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("127.0.0.1", false),
            ("127.255.255.255", false),
            ("169.254.169.254", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.0.0.1", false),
            ("192.0.2.1", false),
            ("192.168.1.1", false),
            ("198.19.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::127.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
            ("64:ff9b:1::1", false),
            ("2001::1", false),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("3fff::1", false),
            ("fc00::1", false),
            ("fd12::1", false),
            ("fe80::1", false),
            ("ff02::1", false),
        ];
        for (address, public) in table {
            assert_eq!(guard.allows(address.parse().unwrap()), public, "{address}");
        }
    }
}
