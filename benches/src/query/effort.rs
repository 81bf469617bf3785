//! CPU of a request that is shorter than the tick of /proc/PID/stat: it is asked until enough ticks are used.

use std::time::Instant;

use crate::error::Result;

/// Twenty ticks: what is cut off at both ends is a tenth at most.
const CPU_MS_MIN: f64 = 200.0;
/// A request that hardly takes CPU is not asked for ever.
const ASKS_MAX: usize = 1_000;

/// What one request costs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// User and system time of the store per request.
    pub(crate) cpu_ms: f64,
    /// Median time until the answer had been read.
    pub(crate) wall_ms: f64,
}

/// Asks until the store, whose CPU clock is `cpu_ms`, has used enough to be told.
pub(crate) fn measure(cpu_ms: &dyn Fn() -> f64, ask: impl Fn() -> Result<()>) -> Result<Effort> {
    let before = cpu_ms();
    let mut walls = Vec::new();
    loop {
        let asked = Instant::now();
        ask()?;
        walls.push(asked.elapsed().as_secs_f64() * 1e3);
        let used = cpu_ms() - before;
        if used >= CPU_MS_MIN || walls.len() >= ASKS_MAX {
            let cpu_ms = used / walls.len() as f64;
            walls.sort_by(f64::total_cmp);
            return Ok(Effort { cpu_ms, wall_ms: crate::units::quantile(&walls, 0.5) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_short_request_is_asked_until_ticks_tell() {
        let asked = Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            Ok(())
        };
        // A clock in steps of 10 ms under requests of 3 ms.
        let effort = measure(&|| (f64::from(asked.get()) * 3.0 / 10.0).floor() * 10.0, ask).unwrap();
        assert_eq!(asked.get(), 67);
        assert!((effort.cpu_ms - 3.0).abs() < 0.3, "{effort:?}");
    }

    #[test]
    fn a_request_without_cpu_ends() {
        let effort = measure(&|| 0.0, || Ok(())).unwrap();
        assert!(effort.cpu_ms.abs() < f64::EPSILON);
    }
}
