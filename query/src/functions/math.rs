//! Arithmetic on single floats.

use std::f64::consts::PI;

/// `pi()`
pub(super) fn pi(_time: i64, _args: &[f64]) -> f64 {
    PI
}

/// `max_of(a, b)`
pub(super) fn max_of(_time: i64, args: &[f64]) -> f64 {
    max(arg(args, 0), arg(args, 1))
}

/// `min_of(a, b)`
pub(super) fn min_of(_time: i64, args: &[f64]) -> f64 {
    min(arg(args, 0), arg(args, 1))
}

/// `deg(v)`
pub(super) fn deg(value: f64) -> f64 {
    value * 180.0 / PI
}

/// `rad(v)`
pub(super) fn rad(value: f64) -> f64 {
    value * PI / 180.0
}

/// `sinh(v)`
pub(super) fn sinh(value: f64) -> f64 {
    if value.abs() > HALF_EXP_ABOVE { half_exp(value.abs()).copysign(value) } else { value.sinh() }
}

/// `cosh(v)`
pub(super) fn cosh(value: f64) -> f64 {
    if value.abs() > HALF_EXP_ABOVE { half_exp(value.abs()) } else { value.cosh() }
}

/// From here on the other half of a hyperbolic function is lost in the last bit.
const HALF_EXP_ABOVE: f64 = 21.0;

/// Infinite as soon as the exponential is, like upstream's; other libraries reach a little further.
fn half_exp(value: f64) -> f64 {
    value.exp() * 0.5
}

/// `sgn(v)`: zeros and NaN stay what they are.
pub(super) fn sgn(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// `round(v, to_nearest)`: ties go up. Works with the inverse, because that has fewer rounding errors for
/// steps like 0.1.
#[expect(clippy::unnecessary_wraps, reason = "the type of all functions with scalars")]
pub(super) fn round(value: f64, scalars: &[f64]) -> Option<f64> {
    let per_unit = 1.0 / scalars.first().copied().unwrap_or(1.0);
    Some((value * per_unit + 0.5).floor() / per_unit)
}

/// `clamp(v, min, max)`: nothing when the bounds are the wrong way round.
pub(super) fn clamp(value: f64, scalars: &[f64]) -> Option<f64> {
    between(value, arg(scalars, 0), arg(scalars, 1))
}

/// `clamp_min(v, min)`
pub(super) fn clamp_min(value: f64, scalars: &[f64]) -> Option<f64> {
    between(value, arg(scalars, 0), f64::INFINITY)
}

/// `clamp_max(v, max)`
pub(super) fn clamp_max(value: f64, scalars: &[f64]) -> Option<f64> {
    between(value, f64::NEG_INFINITY, arg(scalars, 0))
}

fn between(value: f64, lowest: f64, highest: f64) -> Option<f64> {
    if highest < lowest { None } else { Some(max(lowest, min(highest, value))) }
}

fn arg(args: &[f64], idx: usize) -> f64 {
    args.get(idx).copied().unwrap_or(f64::NAN)
}

/// The larger number as Go has it: infinity beats NaN, NaN beats all else, 0 beats -0.
fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// The smaller number as Go has it: see [`max`].
fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn rounding_ties_go_up() {
        assert_eq!(round(2.5, &[]), Some(3.0));
        assert_eq!(round(-2.5, &[]), Some(-2.0));
        assert_eq!(round(0.15, &[0.1]), Some(0.2));
        assert_eq!(round(0.25, &[0.1]), Some(0.3));
        assert_eq!(round(7.0, &[5.0]), Some(5.0));
        assert!(round(7.0, &[0.0]).is_some_and(f64::is_nan));
    }

    #[test]
    fn extremes_treat_nan_as_go_does() {
        assert_eq!(max(INF, f64::NAN), INF);
        assert_eq!(min(-INF, f64::NAN), -INF);
        assert!(max(1.0, f64::NAN).is_nan() && min(f64::NAN, 1.0).is_nan());
        assert!(max(-0.0, 0.0).is_sign_positive() && min(0.0, -0.0).is_sign_negative());
        assert_eq!((max(1.0, 2.0), min(1.0, 2.0)), (2.0, 1.0));
    }

    #[test]
    fn clamping_with_crossed_bounds_gives_nothing() {
        assert_eq!(clamp(5.0, &[1.0, 3.0]), Some(3.0));
        assert_eq!(clamp(0.0, &[1.0, 3.0]), Some(1.0));
        assert_eq!(clamp(2.0, &[3.0, 1.0]), None);
        assert!(clamp(f64::NAN, &[1.0, 3.0]).is_some_and(f64::is_nan));
        assert!(clamp(2.0, &[f64::NAN, 3.0]).is_some_and(f64::is_nan));
        assert_eq!((clamp_min(-1.0, &[0.0]), clamp_max(7.0, &[5.0])), (Some(0.0), Some(5.0)));
    }

    #[test]
    fn signs() {
        assert_eq!([sgn(-3.0), sgn(0.5), sgn(-INF)], [-1.0, 1.0, -1.0]);
        assert!(sgn(-0.0).is_sign_negative() && sgn(f64::NAN).is_nan());
    }

    #[test]
    fn degrees_and_radians() {
        assert_eq!((deg(PI), rad(180.0)), (180.0, PI));
    }
}
