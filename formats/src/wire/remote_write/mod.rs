//! Remote write: the messages in which Prometheus and others send samples.
//!
//! - [`v1`]: `prometheus.WriteRequest`, labels spelled out in every series
//! - [`v2`]: `io.prometheus.write.v2.Request`, labels as references into a table of symbols
//! - `histogram`: native histograms, alike in both versions
//! - `sample`: float samples, alike in both versions
//!
//! Both decoders walk the whole message once in `parse` and check every field; what they then hand out are
//! iterators over the borrowed bytes that cannot fail. A request is therefore refused before anything of it
//! is stored, and nothing is allocated per series, label or sample (a native histogram allocates its
//! buckets).
//!
//! Specifications: <https://prometheus.io/docs/specs/prw/remote_write_spec/> and
//! <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.

mod histogram;
mod messages;
mod sample;
#[cfg(test)]
mod tests;
pub mod v1;
pub mod v2;

pub use histogram::HistogramSample;
pub(super) use histogram::{put_doubles, put_spans};
pub use sample::Sample;
