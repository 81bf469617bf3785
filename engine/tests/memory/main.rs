//! Bytes of memory per series, counted and not timed: what a fleet of 200,000 series costs at rest, and at most while
//! its chunks are sealed and flushed.
//!
//! One test, in a binary of its own, because the allocator counts for the whole process. Few samples, so that it takes
//! seconds: chunks are small, and sealed because their window ends. For figures of full chunks give it scrapes:
//!
//! ```sh
//! KYMO_MEMORY_SCRAPES=480 cargo test --release -p kymo-engine --test memory -- --nocapture
//! ```

mod allocator;
mod fleet;

use allocator::Counting;
use fleet::{Fleet, SERIES};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// What is held per series, at rest and at most.
#[derive(Debug, Clone, Copy)]
struct Cost {
    held: usize,
    peak: usize,
}

/// Does `work`, and says what the fleet costs per series: `before` is what was held without it.
fn cost_of(before: usize, work: impl FnOnce()) -> Cost {
    let ((), peak) = ALLOCATOR.peak_of(work);
    let per_series = |bytes: usize| bytes.saturating_sub(before) / SERIES;
    Cost { held: per_series(ALLOCATOR.held()), peak: per_series(peak) }
}

#[test]
fn bytes_per_series_stay_what_they_are() {
    let before = ALLOCATOR.held();
    if let Some(scrapes) = std::env::var("KYMO_MEMORY_SCRAPES").ok().and_then(|text| text.parse().ok()) {
        return show(before, scrapes);
    }
    let mut fleet = Fleet::starting_before_a_window_ends(8);
    let mut costs = Vec::new();
    let mut note = |name: &'static str, work: &mut dyn FnMut()| costs.push((name, cost_of(before, work)));
    note("one sample each", &mut || fleet.scrape());
    note("open chunks of eight samples", &mut || (1..8).for_each(|_| fleet.scrape_and_maintain()));
    note("all of them sealed at once", &mut || fleet.scrape());
    note("flush of what is sealed", &mut || (0..2).for_each(|_| fleet.wait_and_maintain()));
    assert_eq!((fleet.engine.stats().flushes_total, fleet.engine.stats().head.sealed_chunks), (1, 0));
    check(&costs);
}

/// The most that each step may cost, a few percent above what it did when this was written. The last step's peak is what a
/// spill needs that begins as soon as most of a fleet's chunks are sealed.
const LIMITS: [Cost; 4] = [
    Cost { held: 208, peak: 210 },
    Cost { held: 235, peak: 256 },
    Cost { held: 336, peak: 338 },
    Cost { held: 208, peak: 465 },
];

fn check(costs: &[(&str, Cost)]) {
    let over = |(cost, limit): (&Cost, &Cost)| cost.held > limit.held || cost.peak > limit.peak;
    let all: Vec<Cost> = costs.iter().map(|(_, cost)| *cost).collect();
    assert!(
        all.len() == LIMITS.len() && !std::iter::zip(&all, &LIMITS).any(over),
        "bytes per series have grown: {costs:#?} above {LIMITS:#?}"
    );
}

/// Prints what every tenth scrape costs, and every one with a flush.
#[expect(clippy::print_stdout, reason = "asked for")]
fn show(before: usize, scrapes: usize) {
    let mut fleet = Fleet::starting_before_a_window_ends(480);
    let (mut peak, mut sum) = (0, 0);
    for scrape in 0..scrapes {
        let cost = cost_of(before, || fleet.scrape_and_maintain());
        (peak, sum) = (cost.peak.max(peak), sum + cost.held);
        if fleet.flushed() || scrape % 10 == 9 {
            let stats = fleet.engine.stats();
            println!("scrape {scrape}: {cost:?}, {} blocks, {:?}", stats.blocks.len(), stats.head.bytes);
        }
    }
    println!("mean {} peak {peak}", sum / scrapes.max(1));
    println!("flush: {:?}", cost_of(before, || assert!(fleet.engine.flush().is_ok())));
    println!("compaction: {:?}", cost_of(before, || assert!(fleet.engine.compact().is_ok())));
}
