//! Which base and width a run is stored with.

use super::RUN;
use super::pack::packed_bytes;
use crate::varint::{self, zigzag};

/// The most patches on either side of the base that are tried: beyond, another bit of width is cheaper.
const PATCHES_MAX: usize = 24;

/// How a run is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// What is subtracted from each value.
    pub(super) base: i64,
    /// Bits of each distance, at most 64; the others are patched.
    pub(super) width: u8,
}

impl Plan {
    /// The cheapest plan for `values`, at most [`RUN`].
    pub(super) fn of(values: &[i64]) -> Self {
        let mut sorted = [0; RUN];
        let sorted = sorted.get_mut(..values.len()).unwrap_or_default();
        sorted.copy_from_slice(values);
        let (min, max) = match (values.iter().min(), values.iter().max()) {
            (Some(min), Some(max)) => (*min, *max),
            _ => (0, 0),
        };
        let without_patches = Self { base: min, width: width_of(min, max) };
        if without_patches.width == 0 {
            return without_patches;
        }
        sorted.sort_unstable();
        without_patches.improved(sorted)
    }

    /// The cheapest plan that patches some of the least and some of the greatest of `sorted`.
    fn improved(self, sorted: &[i64]) -> Self {
        let (mut best, mut best_bytes) = (self, packed_bytes(sorted.len(), self.width));
        for low in 0..=PATCHES_MAX.min(sorted.len().saturating_sub(1)) {
            let Some((&base, rest)) = sorted.get(low..).and_then(<[i64]>::split_first) else { break };
            if 2 * low >= best_bytes {
                break;
            }
            // With so many patches the width is the least there is: where that does not pay, fewer do not either.
            let floor = sorted.len() - 1 - PATCHES_MAX.min(rest.len());
            let floor = width_of(base, sorted.get(floor).copied().unwrap_or(base));
            if packed_bytes(sorted.len(), floor) + 2 * low >= best_bytes {
                continue;
            }
            let mut narrowest = u8::MAX;
            for high in 0..=PATCHES_MAX.min(rest.len()) {
                let max = sorted.get(sorted.len() - 1 - high).copied().unwrap_or(base);
                let plan = Self { base, width: width_of(base, max) };
                // More patches for no less width are no gain, and each is two bytes or more.
                let least = packed_bytes(sorted.len(), plan.width) + 2 * (low + high);
                if plan.width >= narrowest || least >= best_bytes {
                    continue;
                }
                narrowest = plan.width;
                let bytes = plan.bytes(sorted, low, high);
                if bytes < best_bytes {
                    (best, best_bytes) = (plan, bytes);
                }
            }
        }
        best
    }

    /// Bytes of the packed values and of the patches, which are the `low` least and the `high` greatest of `sorted`.
    fn bytes(self, sorted: &[i64], low: usize, high: usize) -> usize {
        let below = sorted.get(..low).unwrap_or_default();
        let above = sorted.get(sorted.len() - high..).unwrap_or_default();
        let patches = below.iter().chain(above).map(|value| {
            let distance = value.wrapping_sub(self.base);
            if fits(distance, self.width) { 0 } else { 1 + varint::len(zigzag(distance >> self.width)) }
        });
        packed_bytes(sorted.len(), self.width) + 1 + patches.sum::<usize>()
    }
}

/// Whether `distance` is nothing but its `width` low bits.
#[inline]
pub(super) const fn fits(distance: i64, width: u8) -> bool {
    width >= 64 || distance >> width == 0
}

/// About how many bytes the run of `values` takes, in a fraction of the time that a plan takes.
///
/// It is off by up to a bit for each value, in the same way for all runs: for comparing columns. One in `step` values is
/// looked at.
pub(crate) fn estimate(values: &[i64], step: usize) -> usize {
    let pivot = median_of_some(values);
    let mut values_of_width = [0_usize; 65];
    let mut widest = 0;
    for value in values.iter().step_by(step) {
        let width = 64 - zigzag(value.wrapping_sub(pivot)).leading_zeros();
        widest = widest.max(width);
        if let Some(count) = values_of_width.get_mut(width as usize) {
            *count += step;
        }
    }
    // From wide to narrow: how many values are wider, and by how many bits in all.
    let (mut wider, mut excess_bits) = (0, 0);
    let mut best = usize::MAX;
    let widths = (0..=64_u8).zip(values_of_width).take(widest as usize + 1);
    for (width, count) in widths.rev() {
        excess_bits += wider;
        let patches = wider + (excess_bits + 6 * wider) / 7;
        best = best.min(packed_bytes(values.len(), width) + patches);
        wider += count;
    }
    best + varint::len(zigzag(pivot))
}

/// The median of up to five values.
fn median_of_some(values: &[i64]) -> i64 {
    let mut some = [0; 5];
    let step = (values.len() / some.len()).max(1);
    let taken = some.iter_mut().zip(values.iter().skip(step / 2).step_by(step));
    let count = taken.map(|(slot, value)| *slot = *value).count();
    let some = some.get_mut(..count).unwrap_or_default();
    some.sort_unstable();
    some.get(count / 2).copied().unwrap_or_default()
}

/// Bits of the distance from `base` up to `value`.
#[expect(clippy::cast_possible_truncation, reason = "there are at most 64 bits")]
const fn width_of(base: i64, value: i64) -> u8 {
    64 - value.wrapping_sub(base).leading_zeros() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_is_64_bits_wide() {
        assert_eq!(Plan::of(&[i64::MIN, 0, i64::MAX].repeat(40)), Plan { base: i64::MIN, width: 64 });
        assert_eq!(Plan::of(&[]), Plan { base: 0, width: 0 });
    }

    #[test]
    fn a_patch_must_pay() {
        let mut values = [0; RUN];
        values[5] = 1;
        assert_eq!(Plan::of(&values), Plan { base: 0, width: 0 });
        // Each second value: patches would be dearer than a bit for all.
        values.iter_mut().step_by(2).for_each(|value| *value = 1);
        assert_eq!(Plan::of(&values), Plan { base: 0, width: 1 });
        assert_eq!(Plan::of(&[0, 1]), Plan { base: 0, width: 1 });
    }

    #[test]
    fn an_estimate_is_near_the_truth() {
        for spread in [1_i64, 7, 1_000, 1 << 40] {
            let mut values: Vec<i64> = (0..128).map(|n| 5 + (n * 7_919 % 128) * spread / 128).collect();
            values[9] = 1 << 50;
            let mut run = Vec::new();
            super::super::encode(&values, &mut run);
            let estimate = estimate(&values, 1);
            assert!(
                estimate + 12 > run.len() && estimate < run.len() + 30,
                "{spread}: {estimate}, {}",
                run.len()
            );
        }
    }
}
