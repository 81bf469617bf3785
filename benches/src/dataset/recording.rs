//! Reads an archive of `/metrics` pages into one column per series.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use kymo_formats::wire::{
    MetricType,
    prom_text::{Line, TextParser, TextSample},
};

use crate::error::{Error, Result};

/// Most decimal places that count as a decimal number; beyond, values are taken as full doubles.
const DECIMALS_MAX: u32 = 6;

/// The pages of some exporters, in the order in which they were fetched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recording {
    /// The exporters, by name.
    pub(crate) exporters: Vec<Exporter>,
}

/// The pages of one exporter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exporter {
    /// Name of its folder in the archive, used as `job`.
    pub(crate) job: String,
    /// Number of pages.
    pub(crate) pages: usize,
    /// Every series that is on any page, in order of appearance.
    pub(crate) series: Vec<RecordedSeries>,
    index: BTreeMap<Vec<u8>, usize>,
}

/// One series over all pages.
#[derive(Debug, Clone)]
pub(crate) struct RecordedSeries {
    /// Labels with the metric name, ascending by name.
    pub(crate) labels: Vec<(Vec<u8>, Vec<u8>)>,
    /// Name of the metric family.
    pub(crate) family: Vec<u8>,
    /// Declared type, or the one that the name suggests.
    pub(crate) metric_type: MetricType,
    /// Help text of the family.
    pub(crate) help: Vec<u8>,
    /// Whether the value only grows until a restart.
    pub(crate) cumulative: bool,
    /// How many decimal places hold every value exactly, if few do.
    pub(crate) decimals: Option<u32>,
    /// The value on each page, `None` where the series is not on the page.
    pub(crate) values: Vec<Option<f64>>,
}

/// What `# HELP` and `# TYPE` said on a page.
#[derive(Debug, Default)]
struct Families(BTreeMap<Vec<u8>, (MetricType, Vec<u8>)>);

impl Recording {
    /// Reads the archive at `path`: tar compressed with zstd, one folder per exporter, one file per page,
    /// files in order.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::file("open recording", path))?;
        let tar = zstd::Decoder::new(BufReader::new(file)).map_err(Error::file("read recording", path))?;
        let recording = Self::read(tar).map_err(Error::file("read recording", path))?;
        if recording.exporters.iter().any(|exporter| !exporter.series.is_empty()) {
            return Ok(recording);
        }
        Err(Error::Content { path: path.to_owned(), expected: "a recording of /metrics pages" })
    }

    /// Reads an uncompressed archive.
    pub(crate) fn read(tar: impl Read) -> std::io::Result<Self> {
        let mut exporters = BTreeMap::<String, Exporter>::new();
        let mut page = Vec::new();
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.into_owned();
            let job = path.parent().and_then(Path::file_name).and_then(|job| job.to_str());
            if let (true, Some(job)) = (entry.header().entry_type().is_file(), job) {
                page.clear();
                entry.read_to_end(&mut page)?;
                let exporter = exporters.entry(job.to_owned()).or_insert_with(|| Exporter::new(job));
                exporter.add_page(&page);
            }
        }
        let mut exporters: Vec<_> = exporters.into_values().collect();
        exporters.iter_mut().for_each(Exporter::finish);
        Ok(Self { exporters })
    }
}

impl Exporter {
    /// An exporter without pages.
    pub(crate) fn new(job: &str) -> Self {
        Self { job: job.to_owned(), ..Self::default() }
    }

    /// Takes the next page. Lines that do not parse are passed over, as a lenient scraper would.
    pub(crate) fn add_page(&mut self, page: &[u8]) {
        let mut families = Families::default();
        for line in TextParser::new(page).flatten() {
            match line {
                Line::Help { family, help } => families.entry(&family).1 = help.into_owned(),
                Line::Type { family, metric_type } => families.entry(&family).0 = metric_type,
                Line::Unit { .. } => {}
                Line::Sample(sample) => self.add_sample(&sample, &families),
            }
        }
        self.pages += 1;
    }

    fn add_sample(&mut self, sample: &TextSample<'_>, families: &Families) {
        let mut key = sample.name.to_vec();
        for (name, value) in sample.labels {
            for part in [&b"\0"[..], &name, b"\0", &value] {
                key.extend_from_slice(part);
            }
        }
        let i = match self.index.get(&key) {
            Some(i) => *i,
            None => {
                self.series.push(RecordedSeries::new(sample, families));
                self.index.insert(key, self.series.len() - 1);
                self.series.len() - 1
            }
        };
        let values = &mut self.series[i].values;
        values.resize(self.pages, None);
        values.push(Some(sample.value));
    }

    /// Brings all columns to the same length.
    pub(crate) fn finish(&mut self) {
        for series in &mut self.series {
            series.values.resize(self.pages, None);
            series.decimals = decimals(series.values.iter().copied().flatten());
        }
        self.index.clear();
    }
}

impl Families {
    fn entry(&mut self, family: &[u8]) -> &mut (MetricType, Vec<u8>) {
        self.0.entry(family.to_vec()).or_default()
    }
}

impl RecordedSeries {
    fn new(sample: &TextSample<'_>, families: &Families) -> Self {
        let mut labels: Vec<_> =
            sample.labels.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        labels.push((b"__name__".to_vec(), sample.name.to_vec()));
        labels.retain(|(name, value)| !value.is_empty() && name != b"job" && name != b"instance");
        labels.sort();
        let name: &[u8] = &sample.name;
        let stem = [&b"_bucket"[..], b"_sum", b"_count"].iter().find_map(|end| name.strip_suffix(*end));
        let declared = [Some(name), stem].into_iter().flatten().find_map(|family| {
            families.0.get(family).map(|(metric_type, help)| (family, *metric_type, help))
        });
        let (family, metric_type, help) = declared.map_or_else(
            // Some exporters declare nothing; then the name has to do.
            || (stem.unwrap_or(name), guessed_type(name), Vec::new()),
            |(family, metric_type, help)| (family, metric_type, help.clone()),
        );
        let cumulative = match metric_type {
            MetricType::Counter | MetricType::Histogram => true,
            // The quantiles of a summary go up and down.
            MetricType::Summary => family != name,
            _ => false,
        };
        Self {
            labels,
            family: family.to_vec(),
            metric_type,
            help,
            cumulative,
            decimals: None,
            values: Vec::new(),
        }
    }
}

fn guessed_type(name: &[u8]) -> MetricType {
    if [&b"_total"[..], b"_bucket", b"_sum", b"_count"].iter().any(|end| name.ends_with(end)) {
        MetricType::Counter
    } else {
        MetricType::Gauge
    }
}

/// The fewest decimal places that give every value back.
fn decimals(values: impl Iterator<Item = f64> + Clone) -> Option<u32> {
    (0..=DECIMALS_MAX)
        .find(|decimals| values.clone().all(|value| round_to(value, *decimals).to_bits() == value.to_bits()))
}

/// The double nearest to `value` that has `decimals` decimal places.
pub(crate) fn round_to(value: f64, decimals: u32) -> f64 {
    let unit = f64::from(10_u32.pow(decimals));
    (value * unit).round() / unit
}
