//! Inputs from seeds: a few small changes each, of the kinds that decoders trip over.

/// Longest input. Decoders with a quadratic corner show it here without making the run useless.
const INPUT_BYTES_MAX: usize = 1 << 14;
/// Lengths and counts at the edges of their types, and lies.
const INTERESTING: [u64; 14] = [
    0,
    1,
    2,
    15,
    16,
    17,
    0x7f,
    0x80,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// SplitMix64: the same numbers for the same seed, on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn interesting(&mut self) -> u64 {
        INTERESTING[self.below(INTERESTING.len())]
    }
}

/// The next input: one of `seeds`, changed; now and then one that has nothing to do with them.
pub(crate) fn input(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = match rng.below(seeds.len() + 1) {
        0 => (0..rng.below(64)).map(|_| rng.next() as u8).collect(),
        n => seeds[n - 1].clone(),
    };
    for _ in 0..=rng.below(6) {
        change(rng, &mut bytes, seeds);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(rng: &mut Rng, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = rng.below(bytes.len() + 1);
    let end = at + rng.below((bytes.len() - at).min(32) + 1);
    match rng.below(9) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.insert(at, rng.next() as u8),
        3 => {
            let repeated = bytes[at..end].to_vec();
            bytes.splice(at..at, repeated);
        }
        4 => overwrite(bytes, at, &rng.interesting().to_le_bytes()[..1 << rng.below(4)]),
        5 => overwrite(bytes, at, &varint(rng.interesting())),
        6 if !seeds.is_empty() => {
            let other = &seeds[rng.below(seeds.len())];
            let tail = &other[rng.below(other.len() + 1)..];
            bytes.truncate(at);
            bytes.extend_from_slice(tail);
        }
        7 => overwrite(bytes, at, &[rng.next() as u8]),
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.below(8);
            }
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, by: &[u8]) {
    bytes[at..].iter_mut().zip(by).for_each(|(byte, by)| *byte = *by);
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}
