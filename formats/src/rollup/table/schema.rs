//! The columns of the rollup table.

use std::sync::Arc;

use parquet::{
    basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical},
    errors::ParquetError,
    schema::types::{Type, TypePtr},
};

/// Names that a label must not have, compared without case, to get a column of its own: those of the columns that are
/// always there, of partitions, and of columns to come.
const TAKEN: &[&str] = &[
    "metric",
    "labels",
    "series_id",
    "ts",
    "count",
    "sum",
    "min",
    "max",
    "first",
    "last",
    "first_off",
    "last_off",
    "corr",
    "resets",
    "changes",
    "stale",
    "histograms",
    "src",
    "day",
    "month",
    "tenant",
];

/// At most so many labels get a column: a footer describes each column of each row group.
pub const LABEL_COLUMNS_MAX: usize = 200;

/// Which labels have columns of their own; the others are in the map `labels`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelColumns {
    names: Vec<String>,
}

impl LabelColumns {
    /// Columns for those of `names` that can have one, in their order.
    #[must_use]
    pub fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut columns = Self::default();
        for name in names {
            columns.add(name.as_ref());
        }
        columns
    }

    /// Adds a column for the label `name` behind the others, unless it can have none: when it is no plain identifier,
    /// differs from another column at most in case, or there are too many. Whether it has one now.
    ///
    /// SQL engines compare names of columns without case, so `Job` beside `job` would make the table unreadable.
    pub fn add(&mut self, name: &str) -> bool {
        if self.position(name.as_bytes()).is_some() {
            return true;
        }
        let plain = name.bytes().enumerate().all(|(at, byte)| match byte {
            b'a'..=b'z' | b'A'..=b'Z' => true,
            b'0'..=b'9' | b'_' => at > 0,
            _ => false,
        });
        let collides = |other: &str| other.eq_ignore_ascii_case(name);
        let free = !TAKEN.iter().any(|taken| collides(taken))
            && !name.to_ascii_lowercase().starts_with("h_")
            && !self.names.iter().any(|other| collides(other));
        let added = plain && !name.is_empty() && free && self.names.len() < LABEL_COLUMNS_MAX;
        if added {
            self.names.push(name.to_owned());
        }
        added
    }

    /// The names, in the order of the columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The column of the label `name` among these.
    #[must_use]
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|other| other.as_bytes() == name)
    }
}

/// What a column of the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit integer.
    Long,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// Microseconds since the Unix epoch, UTC.
    Time,
    /// 64-bit float.
    Double,
    /// A truth value.
    Bool,
    /// A list of 32-bit integers.
    Ints,
    /// A list of 64-bit floats.
    Doubles,
}

/// A column that every table of rollups has behind the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether each row has a value.
    pub required: bool,
}

const fn field(name: &'static str, kind: Kind, required: bool) -> Field {
    Field { name, kind, required }
}

/// The columns behind the labels, in their order; `docs/formats.md` says what they hold.
pub const FIELDS: [Field; 16] = [
    field("series_id", Kind::Long, true),
    field("ts", Kind::Time, true),
    field("count", Kind::Int, true),
    field("sum", Kind::Double, false),
    field("min", Kind::Double, false),
    field("max", Kind::Double, false),
    field("first", Kind::Double, false),
    field("last", Kind::Double, false),
    field("first_off", Kind::Int, false),
    field("last_off", Kind::Int, false),
    field("corr", Kind::Double, false),
    field("resets", Kind::Int, true),
    field("changes", Kind::Int, true),
    field("stale", Kind::Bool, true),
    field("histograms", Kind::Int, false),
    field("src", Kind::Short, true),
];

/// The columns of one state of a native histogram. The index of a bucket and its count are at the same place of two
/// lists; buckets without a count are left out.
macro_rules! state {
    ($prefix:literal) => {
        [
            field(concat!($prefix, "schema"), Kind::Int, false),
            field(concat!($prefix, "zero_thr"), Kind::Double, false),
            field(concat!($prefix, "zero"), Kind::Double, false),
            field(concat!($prefix, "count"), Kind::Double, false),
            field(concat!($prefix, "sum"), Kind::Double, false),
            field(concat!($prefix, "pos_idx"), Kind::Ints, false),
            field(concat!($prefix, "pos_cnt"), Kind::Doubles, false),
            field(concat!($prefix, "neg_idx"), Kind::Ints, false),
            field(concat!($prefix, "neg_cnt"), Kind::Doubles, false),
            field(concat!($prefix, "bounds"), Kind::Doubles, false),
        ]
    };
}

/// The columns of one state: see [`STATES`].
pub(super) type StateFields = [Field; 10];

/// The last state, the first one, the sum of all, and the correction, in the order of the columns.
pub(super) const STATES: [StateFields; 4] =
    [state!("h_"), state!("h_first_"), state!("h_all_"), state!("h_corr_")];

/// The columns of native histograms before those of their states.
pub(super) const HISTOGRAM_FACTS: [Field; 10] = [
    field("h_first_off", Kind::Int, false),
    field("h_last_off", Kind::Int, false),
    field("h_resets", Kind::Int, false),
    field("h_changes", Kind::Int, false),
    field("h_first_reset", Kind::Bool, false),
    field("h_first_hint", Kind::Short, false),
    field("h_hint", Kind::Short, false),
    field("h_traits", Kind::Short, false),
    field("h_both_resets", Kind::Int, false),
    field("h_both_changes", Kind::Int, false),
];

/// The columns behind all others in files whose series have native histograms, in their order. Other files are without
/// them.
pub fn histogram_fields() -> impl Iterator<Item = Field> {
    HISTOGRAM_FACTS.into_iter().chain(STATES.into_iter().flatten())
}

/// The Parquet schema of a data file.
pub(super) fn data_schema(labels: &LabelColumns, histograms: bool) -> Result<TypePtr, ParquetError> {
    let mut fields = vec![text("metric", Repetition::OPTIONAL)?];
    for name in labels.names() {
        fields.push(text(name, Repetition::OPTIONAL)?);
    }
    fields.push(map_of_labels()?);
    for field in FIELDS.into_iter().chain(histogram_fields().filter(|_| histograms)) {
        fields.push(match field.kind {
            Kind::Ints | Kind::Doubles => list(&field)?,
            _ => primitive(&field)?,
        });
    }
    root("rollup", fields)
}

/// The Parquet schema of the file of series beside a data file.
pub(super) fn series_schema() -> Result<TypePtr, ParquetError> {
    let required = |name, kind| primitive(&field(name, kind, true));
    root(
        "series",
        vec![
            text("metric", Repetition::OPTIONAL)?,
            map_of_labels()?,
            required("series_id", Kind::Long)?,
            required("first_row", Kind::Long)?,
            required("rows", Kind::Int)?,
            required("min_ts", Kind::Time)?,
            required("max_ts", Kind::Time)?,
        ],
    )
}

fn root(name: &str, fields: Vec<TypePtr>) -> Result<TypePtr, ParquetError> {
    Type::group_type_builder(name).with_fields(fields).build().map(Arc::new)
}

pub(crate) fn text(name: &str, repetition: Repetition) -> Result<TypePtr, ParquetError> {
    Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
        .with_repetition(repetition)
        .with_logical_type(Some(LogicalType::String))
        .with_converted_type(ConvertedType::UTF8)
        .build()
        .map(Arc::new)
}

fn primitive(field: &Field) -> Result<TypePtr, ParquetError> {
    let time = LogicalType::timestamp(true, TimeUnit::MICROS);
    let short = LogicalType::integer(16, true);
    let (physical, logical) = match field.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Long => (Physical::INT64, None),
        Kind::Time => (Physical::INT64, Some(time)),
        Kind::Int | Kind::Ints => (Physical::INT32, None),
        Kind::Short => (Physical::INT32, Some(short)),
        Kind::Double | Kind::Doubles => (Physical::DOUBLE, None),
        Kind::Bool => (Physical::BOOLEAN, None),
    };
    let repetition = if field.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    Type::primitive_type_builder(field.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

/// `list<int>` or `list<double>`, whose elements are never null.
fn list(field: &Field) -> Result<TypePtr, ParquetError> {
    let element = primitive(&Field { name: "element", required: true, ..*field })?;
    let entry = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    Type::group_type_builder(field.name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(entry)])
        .build()
        .map(Arc::new)
}

/// `map<string, string>`, never null, its values neither.
pub(crate) fn map_of_labels() -> Result<TypePtr, ParquetError> {
    let entry = Type::group_type_builder("key_value")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![text("key", Repetition::REQUIRED)?, text("value", Repetition::REQUIRED)?])
        .build()?;
    Type::group_type_builder("labels")
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::Map))
        .with_converted_type(ConvertedType::MAP)
        .with_fields(vec![Arc::new(entry)])
        .build()
        .map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_collide_get_no_column() {
        let names = [
            "job", "Job", "JOB", "sum", "Src", "h_x", "a.b", "_x", "1a", "", "le", "day", "ü", "pod_2", "job",
        ];
        assert_eq!(LabelColumns::new(names).names(), ["job", "le", "pod_2"]);
    }

    #[test]
    fn there_are_not_too_many_columns() {
        let columns = LabelColumns::new((0..300).map(|n| format!("label_{n}")));
        assert_eq!(columns.names().len(), LABEL_COLUMNS_MAX);
        assert_eq!(columns.position(b"label_199"), Some(199));
        assert_eq!(columns.position(b"label_200"), None);
    }

    #[test]
    fn schemas_are_what_parquet_takes() {
        let names = |schema: &Type| {
            schema.get_fields().iter().map(|field| field.name().to_owned()).collect::<Vec<_>>()
        };
        let data = names(&data_schema(&LabelColumns::new(["job"]), false).unwrap());
        assert_eq!(data[..3], ["metric", "job", "labels"]);
        assert!(data[3..].iter().all(|name| TAKEN.contains(&&**name)));
        let more = names(&data_schema(&LabelColumns::new(["job"]), true).unwrap());
        assert_eq!(more[..data.len()], data);
        assert_eq!(more.len() - data.len(), 50);
        assert!(more[data.len()..].iter().all(|name| name.starts_with("h_")));
        assert_eq!(names(&series_schema().unwrap()).len(), 7);
    }
}
