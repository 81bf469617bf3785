//! Cuts the fleet into the requests of each connection, and writes their bodies.
//!
//! A connection owns every n-th target, so that the samples of a series go through one connection and stay
//! in order. All series of a connection's targets, in order, are cut into batches; a round of batches is
//! one scrape of all its targets. What does not change from scrape to scrape (labels, symbols) is encoded
//! once.

use std::ops::Range;

use kymo_formats::wire::remote_write::{Sample, v1, v2};

use super::{Protocol, Setup, fleet::Fleet};

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionPlan {
    /// The batches of one round.
    pub(crate) batches: Vec<Batch>,
}

/// A request that is sent once per scrape, with other samples each time.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The series, with where their labels are in `labels` or `refs`.
    slots: Vec<Slot>,
    /// 1.0: the encoded labels of all series.
    labels: Vec<u8>,
    /// 2.0: the references of all series.
    refs: Vec<u32>,
    /// 2.0: the encoded table of symbols.
    symbols: Vec<u8>,
    protocol: Protocol,
}

#[derive(Debug)]
struct Slot {
    target: usize,
    series: usize,
    labels: Range<usize>,
    help_ref: u32,
}

/// A series of the fleet: target and series of the target's exporter.
pub(crate) type SeriesRef = (usize, usize);

/// The series of connection number `connection`, in the order in which they are sent.
pub(crate) fn series_of(fleet: &Fleet, setup: &Setup, connection: usize) -> impl Iterator<Item = SeriesRef> {
    (connection..fleet.targets.len())
        .step_by(setup.connections)
        .flat_map(|target| (0..fleet.exporter(target).series.len()).map(move |series| (target, series)))
}

impl ConnectionPlan {
    /// The plan of connection number `connection`.
    pub(crate) fn new(fleet: &Fleet, setup: &Setup, connection: usize) -> Self {
        let series: Vec<_> = series_of(fleet, setup, connection).collect();
        let batches = series.chunks(setup.batch.max(1));
        Self { batches: batches.map(|series| Batch::new(fleet, series, setup.protocol)).collect() }
    }
}

impl Batch {
    fn new(fleet: &Fleet, series: &[SeriesRef], protocol: Protocol) -> Self {
        let mut batch =
            Self { slots: Vec::new(), labels: Vec::new(), refs: Vec::new(), symbols: Vec::new(), protocol };
        let mut table = v2::SymbolTable::new();
        for (target, series) in series {
            batch.add(fleet, *target, *series, &mut table);
        }
        if protocol == Protocol::V2 {
            v2::RequestEncoder::new(&mut batch.symbols).symbols(table.iter());
        }
        batch
    }

    fn add(&mut self, fleet: &Fleet, target: usize, series: usize, table: &mut v2::SymbolTable) {
        let exporter = fleet.exporter(target);
        let recorded = &exporter.series[series];
        let labels = labels_of(fleet, target, series);
        let (labels, help_ref) = match self.protocol {
            Protocol::V1 => {
                let start = self.labels.len();
                labels.for_each(|(name, value)| v1::encode_label(&mut self.labels, name, value));
                (start..self.labels.len(), 0)
            }
            Protocol::V2 => {
                let start = self.refs.len();
                self.refs.extend(labels.flat_map(|(name, value)| [table.intern(name), table.intern(value)]));
                (start..self.refs.len(), table.intern(&recorded.help))
            }
        };
        self.slots.push(Slot { target, series, labels, help_ref });
    }

    /// Writes the body of the request with the samples of that scrape, and says how many there are.
    pub(crate) fn write(&self, fleet: &Fleet, scrape: u64, body: &mut Vec<u8>) -> usize {
        body.clear();
        body.extend_from_slice(&self.symbols);
        let mut samples = 0;
        let mut clock = (usize::MAX, 0);
        for slot in &self.slots {
            let Some(value) = fleet.value(slot.target, slot.series, scrape) else { continue };
            if clock.0 != slot.target {
                clock = (slot.target, fleet.ts(slot.target, scrape));
            }
            self.write_series(fleet, slot, &Sample { ts: clock.1, start_ts: 0, value }, body);
            samples += 1;
        }
        samples
    }

    fn write_series(&self, fleet: &Fleet, slot: &Slot, sample: &Sample, body: &mut Vec<u8>) {
        match self.protocol {
            Protocol::V1 => {
                v1::WriteRequestEncoder::new(body).series(|series| {
                    series.raw_labels(&self.labels[slot.labels.clone()]).sample(sample);
                });
            }
            Protocol::V2 => {
                let metric_type = fleet.exporter(slot.target).series[slot.series].metric_type;
                v2::RequestEncoder::new(body).series(|series| {
                    series.label_refs(&self.refs[slot.labels.clone()]).sample(sample);
                    series.metadata(metric_type, slot.help_ref, 0);
                });
            }
        }
    }
}

/// Labels of a series of a target, ascending by name.
pub(crate) fn labels_of(fleet: &Fleet, target: usize, series: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    let exporter = fleet.exporter(target);
    let own = exporter.series[series].labels.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let added = [
        (&b"instance"[..], fleet.targets[target].instance.as_bytes()),
        (&b"job"[..], exporter.job.as_bytes()),
    ];
    let mut labels: Vec<_> = own.chain(added).collect();
    labels.sort_unstable();
    labels.into_iter()
}
