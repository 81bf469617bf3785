//! The columns of the rollup table, as the log describes them.

use serde_json::{Value, json};

use crate::rollup::table::{FIELDS, Field, Kind, LabelColumns, histogram_fields};

/// The schema of a rollup table, as JSON, whose partition column is `partition`.
#[must_use]
pub fn rollup_schema(labels: &LabelColumns, partition: &str) -> String {
    let mut fields = vec![field("metric", json!("string"))];
    fields.extend(labels.names().iter().map(|name| field(name, json!("string"))));
    fields.push(field(
        "labels",
        json!({"type": "map", "keyType": "string", "valueType": "string", "valueContainsNull": true}),
    ));
    fields.extend(FIELDS.into_iter().chain(histogram_fields()).map(column));
    fields.push(field(partition, json!(type_of_partition(partition))));
    json!({"type": "struct", "fields": fields}).to_string()
}

/// All may be null as far as readers need to know: then a column may be added, or left empty, later.
fn field(name: &str, kind: Value) -> Value {
    json!({"name": name, "type": kind, "nullable": true, "metadata": {}})
}

/// Days are dates. Months are text: no type of Delta's has the value `2026-11`, and readers that take it for a date refuse
/// the table.
fn type_of_partition(partition: &str) -> &'static str {
    if partition == "day" { "date" } else { "string" }
}

fn column(Field { name, kind, .. }: Field) -> Value {
    match kind {
        Kind::Ints | Kind::Doubles => {
            field(name, json!({"type": "array", "elementType": type_of(kind), "containsNull": true}))
        }
        _ => field(name, json!(type_of(kind))),
    }
}

/// The type of a column, or of the elements of its lists.
const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "string",
        Kind::Long => "long",
        Kind::Int | Kind::Ints => "integer",
        Kind::Short => "short",
        Kind::Time => "timestamp",
        Kind::Double | Kind::Doubles => "double",
        Kind::Bool => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_labels_where_the_files_have_them() {
        let schema: Value = serde_json::from_str(&rollup_schema(&LabelColumns::new(["job"]), "day")).unwrap();
        let names: Vec<&str> = schema["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(names[..3], ["metric", "job", "labels"]);
        assert_eq!(names[names.len() - 2..], ["h_corr_bounds", "day"]);
        assert_eq!(schema["fields"][2]["type"]["keyType"], "string");
    }

    #[test]
    fn the_partition_has_the_type_of_its_values() {
        for (partition, expected) in [("day", "date"), ("month", "string")] {
            let schema = rollup_schema(&LabelColumns::default(), partition);
            let schema: Value = serde_json::from_str(&schema).unwrap();
            let last = schema["fields"].as_array().unwrap().last().unwrap();
            assert_eq!((&last["name"], &last["type"]), (&json!(partition), &json!(expected)));
        }
    }
}
