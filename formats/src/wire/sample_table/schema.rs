//! The columns of a file of samples.

use std::sync::Arc;

use parquet::{
    basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical},
    errors::ParquetError,
    schema::types::{Type, TypePtr},
};

use crate::rollup::table::{map_of_labels, text};

/// Names of the columns that are read back; the others are there for those who read the file with SQL.
pub(super) const METRIC: &str = "metric";
pub(super) const LABELS: &str = "labels";
pub(super) const TS: &str = "ts";
pub(super) const VALUE: &str = "value";
pub(super) const MESSAGE: &str = "h_message";

/// The Parquet schema. The order is that in which the writer writes.
pub(super) fn schema() -> Result<TypePtr, ParquetError> {
    let fields = vec![
        text(METRIC, Repetition::OPTIONAL)?,
        map_of_labels()?,
        primitive(
            TS,
            Physical::INT64,
            Repetition::REQUIRED,
            Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        )?,
        optional(VALUE, Physical::DOUBLE)?,
        optional("h_count", Physical::DOUBLE)?,
        optional("h_sum", Physical::DOUBLE)?,
        optional("h_schema", Physical::INT32)?,
        optional("h_zero_threshold", Physical::DOUBLE)?,
        optional("h_zero_count", Physical::DOUBLE)?,
        list_of_buckets()?,
        optional(MESSAGE, Physical::BYTE_ARRAY)?,
    ];
    Type::group_type_builder("sample").with_fields(fields).build().map(Arc::new)
}

fn optional(name: &str, physical: Physical) -> Result<TypePtr, ParquetError> {
    primitive(name, physical, Repetition::OPTIONAL, None)
}

fn primitive(
    name: &str,
    physical: Physical,
    repetition: Repetition,
    logical: Option<LogicalType>,
) -> Result<TypePtr, ParquetError> {
    Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

/// `list<struct<lower, upper, count>>`, null where there is no histogram.
fn list_of_buckets() -> Result<TypePtr, ParquetError> {
    let bound = |name| primitive(name, Physical::DOUBLE, Repetition::REQUIRED, None);
    let element = Type::group_type_builder("element")
        .with_repetition(Repetition::REQUIRED)
        .with_fields(vec![bound("lower")?, bound("upper")?, bound("count")?])
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder("h_buckets")
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_converted_type(ConvertedType::LIST)
        .with_fields(vec![Arc::new(list)])
        .build()
        .map(Arc::new)
}
