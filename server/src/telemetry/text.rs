//! The text exposition format.

use super::{collect::Point, Family};
use crate::http::push_exposition;

/// `families` in the text exposition format, version 0.0.4.
pub(crate) fn exposition(families: &[Family]) -> String {
    let mut out = String::with_capacity(16 << 10);
    for family in families {
        let name = family.info.name;
        for part in ["# HELP ", name, " ", family.info.help, "\n# TYPE ", name, " ", family.info.kind.as_str(), "\n"] {
            out.push_str(part);
        }
        for point in &family.points {
            push_point(&mut out, name, point);
        }
    }
    out
}

fn push_point(out: &mut String, name: &str, point: &Point) {
    out.push_str(name);
    out.push_str(point.suffix);
    for (i, (label, value)) in point.labels.iter().enumerate() {
        out.push(if i == 0 { '{' } else { ',' });
        out.push_str(label);
        out.push_str("=\"");
        out.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"));
        out.push('"');
    }
    out.push_str(if point.labels.is_empty() { " " } else { "} " });
    push_exposition(out, point.value);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::names;

    #[test]
    fn labels_are_escaped_and_values_are_gos() {
        let family = Family {
            info: &names::BUILD_INFO,
            points: vec![
                Point { suffix: "", labels: vec![("a", "x\"\\\n".to_owned())], value: 1e7 },
                Point { suffix: "_sum", labels: vec![], value: 0.5 },
            ],
        };
        assert_eq!(
            exposition(&[family]),
            "# HELP kymo_build_info Constant 1, labelled with the version.\n# TYPE kymo_build_info gauge\n\
             kymo_build_info{a=\"x\\\"\\\\\\n\"} 1e+07\nkymo_build_info_sum 0.5\n"
        );
    }
}
