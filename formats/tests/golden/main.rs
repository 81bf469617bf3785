//! Bytes and answers of other versions and other programs, against which ours are checked.

// The attributes tell clippy that helpers are test code too.
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod columns;
#[cfg(test)]
mod histogram_columns;
#[cfg(test)]
mod histograms;
#[cfg(test)]
mod samples;
