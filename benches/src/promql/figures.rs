//! What `kymo-bench promql` measured, for people and for programs.

use serde_json::{Value, json};

use super::{
    PromqlArgs,
    answers::{Difference, TOLERANCE},
    queries::{HEADLINE, Query},
    version,
};
use crate::{
    process,
    query::effort::Effort,
    report::Table,
    units::{grouped, quantile},
};

/// All queries with what they took.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) queries: Vec<Measured>,
    pub(super) series: usize,
    rounds: usize,
    kymo: String,
    prometheus: String,
    commit: String,
}

/// One query in both stores, round by round.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) query: Query,
    pub(super) difference: Difference,
    pub(super) kymo: Vec<Effort>,
    pub(super) prometheus: Vec<Effort>,
}

/// Least, median and greatest of some numbers.
#[derive(Debug, Clone, Copy)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Figures {
    /// Figures without queries.
    pub(super) fn new(args: &PromqlArgs) -> Self {
        Self {
            queries: Vec::new(),
            series: 0,
            rounds: args.rounds,
            kymo: version(&args.kymo),
            prometheus: version(&args.prometheus),
            commit: commit(),
        }
    }

    /// The table, with what one has to know to read it.
    pub(super) fn document(&self) -> String {
        let mut text = format!(
            "{}\n\n{} and {}, commit {}, {} series, {} rounds.\n",
            process::machine(),
            self.kymo,
            self.prometheus,
            self.commit,
            grouped(self.series as u64),
            self.rounds,
        );
        for set in ["operators", "dashboard", "fleet"] {
            let queries: Vec<_> = self.queries.iter().filter(|measured| measured.query.set == set).collect();
            if !queries.is_empty() {
                text += &format!("\n### {set}\n\n{}", table(&queries).markdown());
            }
        }
        text += &format!(
            "\nCPU is user and system time of the store's process for one evaluation over HTTP, by /proc/PID/stat; \
             wall is until the answer has been read; both are medians of the rounds. The ratio is Prometheus's CPU \
             by Kymo's, by round: median (least to greatest). Answers are compared point by point, relative \
             tolerance {TOLERANCE:e}. The query by which the executor is judged is \"{HEADLINE}\".\n"
        );
        text
    }

    /// All figures for programs.
    pub(super) fn json(&self) -> Value {
        json!({
            "machine": process::machine(),
            "kymo": self.kymo,
            "prometheus": self.prometheus,
            "commit": self.commit,
            "series": self.series,
            "rounds": self.rounds,
            "queries": self.queries.iter().map(Measured::json).collect::<Vec<_>>(),
        })
    }
}

fn table(queries: &[&Measured]) -> Table {
    let mut table = Table::new([
        "query",
        "steps",
        "Kymo cpu, ms",
        "Prometheus cpu, ms",
        "ratio",
        "Kymo wall, ms",
        "Prometheus wall, ms",
        "points",
        "same answer",
    ]);
    for measured in queries {
        let ratio = measured.ratio();
        table.row([
            measured.query.title.to_owned(),
            measured.query.steps.to_string(),
            format!("{:.2}", cpu(&measured.kymo).median),
            format!("{:.2}", cpu(&measured.prometheus).median),
            format!("{:.1} ({:.1} to {:.1})", ratio.median, ratio.min, ratio.max),
            format!("{:.2}", wall(&measured.kymo).median),
            format!("{:.2}", wall(&measured.prometheus).median),
            grouped(measured.difference.points as u64),
            measured.verdict(),
        ]);
    }
    table
}

impl Measured {
    fn ratio(&self) -> Spread {
        // A request below the resolution of the clock counts as the clock's least.
        let pairs = self.kymo.iter().zip(&self.prometheus);
        Spread::of(pairs.map(|(kymo, prometheus)| prometheus.cpu_ms / kymo.cpu_ms.max(0.01)).collect())
    }

    fn verdict(&self) -> String {
        let Difference { unpaired, different, .. } = self.difference;
        if self.difference.is_none() {
            return "yes".to_owned();
        }
        format!("{different} values differ, {unpaired} points unpaired")
    }

    fn json(&self) -> Value {
        let Difference { points, unpaired, different } = self.difference;
        json!({
            "set": self.query.set,
            "title": self.query.title,
            "expr": self.query.expr,
            "steps": self.query.steps,
            "points": points,
            "unpaired": unpaired,
            "different": different,
            "ratio": self.ratio().json(),
            "kymo_cpu_ms": cpu(&self.kymo).json(),
            "prometheus_cpu_ms": cpu(&self.prometheus).json(),
            "kymo_wall_ms": wall(&self.kymo).json(),
            "prometheus_wall_ms": wall(&self.prometheus).json(),
        })
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let [min, median, max] = [0.0, 0.5, 1.0].map(|share| quantile(&values, share));
        Self { min, median, max }
    }

    fn json(self) -> Value {
        json!({ "min": self.min, "median": self.median, "max": self.max })
    }
}

fn cpu(efforts: &[Effort]) -> Spread {
    Spread::of(efforts.iter().map(|effort| effort.cpu_ms).collect())
}

fn wall(efforts: &[Effort]) -> Spread {
    Spread::of(efforts.iter().map(|effort| effort.wall_ms).collect())
}

/// The commit of the working tree that this is run in.
fn commit() -> String {
    let output = std::process::Command::new("git").args(["describe", "--always", "--dirty"]).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_taken_within_a_round() {
        let effort = |cpu_ms| Effort { cpu_ms, wall_ms: 1.0 };
        let query = Query { set: "operators", title: "t", expr: "x".to_owned(), steps: 1 };
        let measured = Measured {
            query,
            difference: Difference::default(),
            kymo: [1.0, 2.0, 4.0].map(effort).into(),
            prometheus: [10.0, 40.0, 20.0].map(effort).into(),
        };
        let ratio = measured.ratio();
        assert_eq!([ratio.min, ratio.median, ratio.max], [5.0, 10.0, 20.0]);
        assert_eq!(measured.verdict(), "yes");
    }
}
