//! A small MMDB file, as the MaxMind DB specification lays it out, for tests of what reads them.

use std::net::IpAddr;

/// Bits of an address in the tree; IPv4 lies at `::/96`.
const BITS: u8 = 128;

/// A table of autonomous systems: networks with their numbers, in any order, a narrower network
/// after the wider one it lies in. `built` is in Unix seconds.
///
/// # Panics
/// When a network cannot be read, or the file would outgrow its 24-bit records.
#[must_use]
pub fn write(networks: &[(&str, u32)], built: u64) -> Vec<u8> {
    let mut tree = Tree::default();
    let mut data = Vec::new();
    for (network, number) in networks {
        let at = data.len();
        data.extend(record(*number));
        let (bits, length) = place(network);
        tree.insert(bits, length, at);
    }
    let count = tree.nodes.len();
    let mut file = Vec::new();
    for node in &tree.nodes {
        for end in node {
            let value = match end {
                End::Nothing => count,
                End::Node(node) => *node,
                End::Data(at) => count + 16 + at,
            };
            file.extend(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes().get(1..).unwrap_or_default());
        }
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    file.extend(metadata(u32::try_from(count).unwrap_or(u32::MAX), built));
    file
}

#[derive(Clone, Copy)]
enum End {
    Nothing,
    Node(usize),
    Data(usize),
}

struct Tree {
    nodes: Vec<[End; 2]>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![[End::Nothing; 2]] }
    }
}

impl Tree {
    fn insert(&mut self, bits: u128, length: u8, data: usize) {
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (BITS - 1 - depth) & 1 == 1);
            let last = depth + 1 == length;
            let end = self.nodes.get(node).and_then(|ends| ends.get(side)).copied();
            let further = match end {
                Some(End::Node(further)) if !last => further,
                _ if last => {
                    self.set(node, side, End::Data(data));
                    return;
                }
                // Whatever held the wider network holds both its halves.
                other => {
                    self.nodes.push([other.unwrap_or(End::Nothing); 2]);
                    let further = self.nodes.len() - 1;
                    self.set(node, side, End::Node(further));
                    further
                }
            };
            node = further;
        }
    }

    fn set(&mut self, node: usize, side: usize, end: End) {
        if let Some(slot) = self.nodes.get_mut(node).and_then(|ends| ends.get_mut(side)) {
            *slot = end;
        }
    }
}

#[expect(clippy::expect_used, reason = "a network that a test misspells fails the test")]
fn place(network: &str) -> (u128, u8) {
    let (address, length) = network.split_once('/').expect("a network");
    let length: u8 = length.parse().expect("a length");
    match address.parse().expect("an address") {
        IpAddr::V4(address) => (u128::from(address.to_bits()), length + 96),
        IpAddr::V6(address) => (address.to_bits(), length),
    }
}

/// The types of the data section that are written, by their numbers in the specification.
const TEXT: u8 = 2;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
const U64: u8 = 9;
const ARRAY: u8 = 11;

/// A control octet, with the second one of types above 7, and of sizes from 29 to 284.
fn control(kind: u8, size: usize) -> Vec<u8> {
    let (short, long) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    let short = u8::try_from(short).unwrap_or_default();
    let mut octets = if kind > 7 { vec![short, kind - 7] } else { vec![kind << 5 | short] };
    octets.extend(long.and_then(|long| u8::try_from(long).ok()));
    octets
}

fn text(value: &str) -> Vec<u8> {
    [control(TEXT, value.len()).as_slice(), value.as_bytes()].concat()
}

fn number(kind: u8, octets: &[u8]) -> Vec<u8> {
    [control(kind, octets.len()).as_slice(), octets].concat()
}

fn map(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let members = members.iter().flat_map(|(name, value)| [text(name), value.clone()]);
    std::iter::once(control(MAP, members.clone().count() / 2)).chain(members).flatten().collect()
}

fn record(number_of: u32) -> Vec<u8> {
    map(&[
        ("autonomous_system_number", number(U32, &number_of.to_be_bytes())),
        ("autonomous_system_organization", text("Example")),
    ])
}

fn metadata(nodes: u32, built: u64) -> Vec<u8> {
    let small = |value: u16| number(U16, &value.to_be_bytes());
    map(&[
        ("binary_format_major_version", small(2)),
        ("binary_format_minor_version", small(0)),
        ("build_epoch", number(U64, &built.to_be_bytes())),
        ("database_type", text("Example-ASN")),
        ("description", map(&[("en", text("made by a test"))])),
        ("ip_version", small(6)),
        ("languages", [control(ARRAY, 1), text("en")].concat()),
        ("node_count", number(U32, &nodes.to_be_bytes())),
        ("record_size", small(24)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::asn::{AsnError, AsnTable};

    const NETWORKS: [(&str, u32); 5] = [
        ("192.0.2.0/24", 64500),
        ("192.0.2.128/25", 64501),
        ("198.51.100.7/32", 0),
        ("2001:db8::/32", 64500),
        ("2001:db8:7::/48", u32::MAX),
    ];

    #[test]
    fn a_table_in_mmdb_is_read_as_its_networks_say() {
        let table = AsnTable::parse(&write(&NETWORKS, 1_790_000_000)).unwrap();
        let origins = |address: &str| table.origins(address.parse().unwrap()).to_vec();
        for (address, expected) in [
            ("192.0.2.0", &[64500][..]),
            ("192.0.2.127", &[64500]),
            ("192.0.2.128", &[64501]),
            ("::ffff:192.0.2.255", &[64501]),
            ("192.0.3.0", &[]),
            ("192.0.1.255", &[]),
            ("198.51.100.7", &[]),
            ("2001:db8::1", &[64500]),
            ("2001:db8:7::1", &[u32::MAX]),
            ("2001:db8:8::1", &[64500]),
            ("2001:db9::", &[]),
        ] {
            assert_eq!(origins(address), expected, "{address}");
        }
        assert_eq!(table.built().unwrap().seconds(), 1_790_000_000);
    }

    #[test]
    fn a_table_in_mmdb_that_breaks_or_names_nothing_is_refused() {
        let file = write(&NETWORKS, 1);
        let lost = b"autonomous_system_number";
        let at = file.windows(lost.len()).position(|window| window == lost).unwrap();
        for damage in [0, at - 2, at + 24] {
            let mut file = file.clone();
            file[damage..damage + 2].fill(0xff);
            assert_eq!(AsnTable::parse(&file), Err(AsnError::Mmdb), "{damage}");
        }
        assert_eq!(AsnTable::parse(&write(&[("192.0.2.0/24", 0)], 1)), Err(AsnError::Empty));
        for end in 0..file.len() {
            assert!(AsnTable::parse(&file[..end]).is_err(), "{end}");
        }
    }
}
