//! The same data and query under another setting must give the same answer.
//!
//! * `summaries` - with chunk summaries and without
//! * `rollups` - with rollups and without
//! * `native` - native histograms that count
//! * `store` - an engine with blocks of all levels, late samples and deletions, from a seed
//! * `source` - a source that withholds summaries, counts them, or makes them lie
//! * `query` - random calls of functions over ranges
//! * `compare` - two answers: equal bit for bit, sums within the error of summation

#[cfg(test)]
mod compare;
#[cfg(test)]
mod native;
#[cfg(test)]
mod query;
#[cfg(test)]
mod rollups;
#[cfg(test)]
mod source;
#[cfg(test)]
mod store;
#[cfg(test)]
mod summaries;
