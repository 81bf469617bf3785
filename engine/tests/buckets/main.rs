//! Places that are buckets, on real servers of object storage.
//!
//! * `world` - which servers there are, and stores on them
//! * `proxy` - what may stand between us and a server: errors, lost answers
//! * `stores` - what a store promises, and how it fails
//! * `engines` - rollups of one engine and of two, through all that can go wrong
//!
//! Each test says SKIPPED on standard error when the server that it needs is not named by the environment: `KYMO_S3_ENDPOINT`
//! (an S3 that keeps its promises and does not ask who is there), `KYMO_AZURITE_ENDPOINT` (with `AZURITE_BLOB_STORAGE_URL`, and
//! the container `kymo-tests` in it), and `KYMO_HOSTILE_S3` (buckets, as `http://host:port/bucket` with commas between, of
//! stores whose conditional writes do not hold). `.ci/object-stores` starts them and runs this.

#[cfg(test)]
mod engines;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod world;
