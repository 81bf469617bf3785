//! Whether a series that is not known yet may become known.
//!
//! Limits refuse new series only: a sample of a known series is never refused for them. Those per metric and per
//! label name are exact, so series are admitted one at a time while one of them is set.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use parking_lot::MutexGuard;

use super::{Head, Pressure, refusal::Refusal, shard::Shard};
use crate::model::Labels;

/// What the limits per label name count. Held while a series is admitted.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// Distinct values by label name; none before they are needed, and after series were dropped.
    values: Option<BTreeMap<Vec<u8>, u64>>,
}

impl Admission {
    /// Series were dropped: the values must be counted anew when they are needed.
    pub(super) fn forget(&mut self) {
        self.values = None;
    }
}

/// Leave to add one series.
#[derive(Debug)]
pub(super) struct Admitted<'a> {
    admission: Option<MutexGuard<'a, Admission>>,
    /// Names of its labels whose values are new.
    new_values: Vec<Vec<u8>>,
}

impl Admitted<'_> {
    /// The series was added.
    pub(super) fn added(mut self) {
        let values = self.admission.as_mut().and_then(|admission| admission.values.as_mut());
        if let Some(values) = values {
            for name in std::mem::take(&mut self.new_values) {
                *values.entry(name).or_default() += 1;
            }
        }
    }
}

impl Head {
    /// Leave to add the series, which was not known a moment ago. Nothing else is admitted before it is given
    /// back, if limits need it. No lock of a shard may be held.
    pub(super) fn admit(&self, labels: &Labels) -> Result<Admitted<'_>, Refusal> {
        let config = &self.config;
        let limit = config.series_max;
        if limit != 0 && self.series.load(Ordering::Relaxed) >= limit {
            return Err(Refusal::SeriesLimit { limit, metric: metric_of(labels) });
        }
        if self.pressure() >= Pressure::NoNewSeries {
            return Err(Refusal::MemoryBudget {
                budget_bytes: config.budget_bytes,
                metric: metric_of(labels),
            });
        }
        self.check_size(labels)?;
        if config.metric_series_max == 0 && config.label_values_max == 0 {
            return Ok(Admitted { admission: None, new_values: Vec::new() });
        }
        let mut admission = self.admission.lock();
        self.check_metric(labels)?;
        let new_values = self.check_values(labels, &mut admission)?;
        Ok(Admitted { admission: Some(admission), new_values })
    }

    fn check_size(&self, labels: &Labels) -> Result<(), Refusal> {
        let config = &self.config;
        if labels.canonical().len() > config.label_bytes_max {
            let reason = format!(
                "labels of metric {:?} take {} bytes, more than head.label_bytes_max = {}",
                metric_of(labels).chars().take(80).collect::<String>(),
                labels.canonical().len(),
                config.label_bytes_max
            );
            return Err(Refusal::InvalidLabels { reason });
        }
        if labels.len() > config.labels_max {
            let reason = format!(
                "a series of metric {:?} has {} labels, more than head.labels_max = {}",
                metric_of(labels),
                labels.len(),
                config.labels_max
            );
            return Err(Refusal::InvalidLabels { reason });
        }
        Ok(())
    }

    fn check_metric(&self, labels: &Labels) -> Result<(), Refusal> {
        let limit = self.config.metric_series_max;
        if limit == 0 || labels.metric_name().is_empty() {
            return Ok(());
        }
        let series = self.series_with(b"__name__", labels.metric_name());
        if series < limit {
            return Ok(());
        }
        Err(Refusal::MetricSeriesLimit { limit, metric: metric_of(labels), series })
    }

    /// Names of the labels whose values are new.
    fn check_values(&self, labels: &Labels, admission: &mut Admission) -> Result<Vec<Vec<u8>>, Refusal> {
        let limit = self.config.label_values_max;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let counts = admission.values.get_or_insert_with(|| self.values_by_name().collect());
        let mut new_values = Vec::new();
        for label in labels {
            if self.shards.iter().any(|shard| shard.read().has_label(label.name, label.value)) {
                continue;
            }
            let values = counts.get(label.name).copied().unwrap_or(0);
            if values >= limit {
                return Err(Refusal::LabelValuesLimit {
                    limit,
                    label: String::from_utf8_lossy(label.name).into_owned(),
                    values,
                    metric: metric_of(labels),
                });
            }
            new_values.push(label.name.to_vec());
        }
        Ok(new_values)
    }
}

impl Shard {
    fn has_label(&self, name: &[u8], value: &[u8]) -> bool {
        self.labels().find_label(name, value).is_some()
    }
}

fn metric_of(labels: &Labels) -> String {
    String::from_utf8_lossy(labels.metric_name()).into_owned()
}
