//! Which addresses are public, and what the others are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// The kind of range that makes an address non-public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRange {
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, carrier-grade NAT, unique local addresses.
    Private,
    /// One link, where clouds keep their metadata services.
    LinkLocal,
    /// Many receivers.
    Multicast,
    /// Anything else that is not for traffic between hosts of the internet:
    /// unspecified, broadcast, reserved, documentation, benchmarks, tunnels.
    Special,
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Special => "special-purpose",
        })
    }
}

/// The range that keeps `address` from being public; none when it is public.
///
/// Follows the IANA special-purpose address registries. IPv6 is an allow-list,
/// since only 2000::/3 has been given out for the internet; IPv4 addresses
/// inside IPv6 ones (mapped, NAT64, 6to4) count as what they contain, since
/// that is where the packet ends up.
pub(super) fn non_public(address: IpAddr) -> Option<AddressRange> {
    match address {
        IpAddr::V4(v4) => non_public_v4(v4),
        IpAddr::V6(v6) => non_public_v6(v6),
    }
}

fn non_public_v4(address: Ipv4Addr) -> Option<AddressRange> {
    use AddressRange::{LinkLocal, Loopback, Multicast, Private, Special};

    const RANGES: [(Ipv4Net, AddressRange); 16] = [
        (v4(0, 0, 0, 0, 8), Special),
        (v4(10, 0, 0, 0, 8), Private),
        (v4(100, 64, 0, 0, 10), Private),
        (v4(127, 0, 0, 0, 8), Loopback),
        (v4(169, 254, 0, 0, 16), LinkLocal),
        (v4(172, 16, 0, 0, 12), Private),
        (v4(192, 0, 0, 0, 24), Special),
        (v4(192, 0, 2, 0, 24), Special),
        (v4(192, 88, 99, 0, 24), Special),
        (v4(192, 168, 0, 0, 16), Private),
        (v4(198, 18, 0, 0, 15), Special),
        (v4(198, 51, 100, 0, 24), Special),
        (v4(203, 0, 113, 0, 24), Special),
        (v4(224, 0, 0, 0, 4), Multicast),
        (v4(240, 0, 0, 0, 4), Special),
        // Public by number, but Azure's metadata and DNS in every Azure network.
        (v4(168, 63, 129, 16, 32), LinkLocal),
    ];
    RANGES
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, range)| *range)
}

fn non_public_v6(address: Ipv6Addr) -> Option<AddressRange> {
    use AddressRange::{LinkLocal, Loopback, Multicast, Private, Special};

    if let Some(inner) = embedded_v4(address) {
        return non_public_v4(inner);
    }
    const GLOBAL: Ipv6Net = v6([0x2000, 0, 0, 0], 3);
    const RANGES: [(Ipv6Net, AddressRange); 8] = [
        // Protocol assignments, among them Teredo, which hides an IPv4 address.
        (v6([0x2001, 0, 0, 0], 23), Special),
        (v6([0x2001, 0x0db8, 0, 0], 32), Special),
        (v6([0x3fff, 0, 0, 0], 20), Special),
        (v6([0xfc00, 0, 0, 0], 7), Private),
        // Site-local: withdrawn, but still routed by old networks.
        (v6([0xfec0, 0, 0, 0], 10), Private),
        (v6([0xfe80, 0, 0, 0], 10), LinkLocal),
        (v6([0xff00, 0, 0, 0], 8), Multicast),
        // NAT64 for local use (RFC 8215): its prefix length varies, so the IPv4
        // address inside cannot be told.
        (v6([0x0064, 0xff9b, 0x0001, 0], 48), Special),
    ];
    if address.is_loopback() {
        return Some(Loopback);
    }
    RANGES
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, range)| *range)
        .or_else(|| (!GLOBAL.contains(&address)).then_some(Special))
}

/// The IPv4 address to which a packet for this IPv6 address is really sent.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match s {
        // IPv4-mapped (RFC 4291) and NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            v4(high, low)
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(s: [u16; 4], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0), prefix)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> Option<AddressRange> {
        non_public(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_public() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "2001:200::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(class(address), None, "{address}");
        }
    }

    #[test]
    fn every_other_range_is_told() {
        use AddressRange::*;
        for (range, addresses) in [
            (
                Loopback,
                &[
                    "127.0.0.1",
                    "127.255.255.255",
                    "::1",
                    "::ffff:127.0.0.1",
                    "64:ff9b::7f00:1",
                    "2002:7f00:1::",
                ][..],
            ),
            (
                Private,
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "100.64.0.1",
                    "100.127.255.255",
                    "100.100.100.200",
                    "fc00::1",
                    "fd00:ec2::254",
                    "fec0::1",
                    "::ffff:10.0.0.1",
                    "64:ff9b::a00:1",
                    "2002:c0a8:101::1",
                ],
            ),
            (
                LinkLocal,
                &[
                    "169.254.169.254",
                    "169.254.0.1",
                    "168.63.129.16",
                    "fe80::1",
                    "febf::1",
                    "::ffff:169.254.169.254",
                    "64:ff9b::a9fe:a9fe",
                    "2002:a9fe:a9fe::",
                ],
            ),
            (
                Multicast,
                &[
                    "224.0.0.1",
                    "239.255.255.255",
                    "ff02::1",
                    "::ffff:224.0.0.1",
                ],
            ),
            (
                Special,
                &[
                    "0.0.0.0",
                    "0.1.2.3",
                    "192.0.0.192",
                    "192.0.2.1",
                    "198.18.0.1",
                    "198.19.255.255",
                    "198.51.100.1",
                    "203.0.113.1",
                    "240.0.0.1",
                    "255.255.255.255",
                    "::",
                    "::a00:1",
                    "::7f00:1",
                    "100::1",
                    "2001::1",
                    "2001:db8::1",
                    "3fff::1",
                    "4000::1",
                    "5f00::1",
                    "64:ff9b:1::a00:1",
                    "64:ff9b:0:1::808:808",
                ],
            ),
        ] {
            for address in addresses {
                assert_eq!(class(address), Some(range), "{address}");
            }
        }
    }

    proptest! {
        #[test]
        fn wrapping_an_address_changes_nothing(address: Ipv4Addr) {
            let [a, b, c, d] = address.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for wrapped in [
                address.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(non_public(wrapped.into()), non_public(address.into()));
            }
        }
    }
}
