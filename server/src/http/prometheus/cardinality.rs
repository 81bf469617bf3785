//! Which metrics and labels make up the series, in upstream's names.

use kymo_engine::Cardinality;
use serde::Serialize;

/// The largest counts of each kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Top {
    series_count_by_metric_name: Vec<Count>,
    label_value_count_by_label_name: Vec<Count>,
    memory_in_bytes_by_label_name: Vec<Count>,
    series_count_by_label_value_pair: Vec<Count>,
}

/// A name and its count.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Count {
    name: String,
    value: u64,
}

impl Top {
    pub(super) fn of(cardinality: &Cardinality) -> Self {
        let counts = |counts: &[kymo_engine::Count]| {
            counts.iter().map(|count| Count { name: text(&count.name), value: count.count }).collect()
        };
        let pairs = cardinality.series_by_label.iter();
        Self {
            series_count_by_metric_name: counts(&cardinality.series_by_metric),
            label_value_count_by_label_name: counts(&cardinality.values_by_name),
            memory_in_bytes_by_label_name: counts(&cardinality.bytes_by_name),
            series_count_by_label_value_pair: pairs
                .map(|label| Count {
                    name: format!("{}={}", text(&label.name), text(&label.value)),
                    value: label.series,
                })
                .collect(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use kymo_engine::{Count as Counted, LabelCount};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_lists_have_upstreams_names() {
        let counted = |name: &str, count| vec![Counted { name: name.as_bytes().to_vec(), count }];
        let cardinality = Cardinality {
            labels: 7,
            series_by_metric: counted("up", 1),
            values_by_name: counted("job", 2),
            bytes_by_name: counted("pod", 3),
            series_by_label: vec![LabelCount { name: b"a".to_vec(), value: b"b".to_vec(), series: 4 }],
        };
        let expected = json!({
            "seriesCountByMetricName": [{ "name": "up", "value": 1 }],
            "labelValueCountByLabelName": [{ "name": "job", "value": 2 }],
            "memoryInBytesByLabelName": [{ "name": "pod", "value": 3 }],
            "seriesCountByLabelValuePair": [{ "name": "a=b", "value": 4 }],
        });
        assert_eq!(serde_json::to_value(Top::of(&cardinality)).unwrap(), expected);
    }
}
