//! What the head costs, by component.

/// Memory of the head, or of a shard of it, in bytes, by component. Strings, tables and arenas count as much as they
/// have allocated, whether it is used or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadBytes {
    /// The series table.
    pub series: usize,
    /// From fingerprints to series.
    pub fingerprints: usize,
    /// Label ids of each series, packed.
    pub packed_labels: usize,
    /// Label names and values.
    pub label_strings: usize,
    /// From strings to labels, and what is known of each label.
    pub label_tables: usize,
    /// Inverted index.
    pub postings: usize,
    /// Which labels match regular expressions that were asked for.
    pub patterns: usize,
    /// Open chunks.
    pub open_chunks: usize,
    /// Sealed chunks that wait for a flush.
    pub sealed_chunks: usize,
    /// Late samples that wait for a flush.
    pub late_samples: usize,
    /// Sealed chunks and late samples that a flush has set aside and not written yet.
    pub flushing: usize,
    /// From raw label bytes to series.
    pub raw_table: usize,
    /// Exemplars.
    pub exemplars: usize,
    /// Metadata of metric families.
    pub metadata: usize,
}

impl HeadBytes {
    /// All components with their names.
    #[must_use]
    pub const fn components(&self) -> [(&'static str, usize); 14] {
        [
            ("series", self.series),
            ("fingerprints", self.fingerprints),
            ("packed_labels", self.packed_labels),
            ("label_strings", self.label_strings),
            ("label_tables", self.label_tables),
            ("postings", self.postings),
            ("patterns", self.patterns),
            ("open_chunks", self.open_chunks),
            ("sealed_chunks", self.sealed_chunks),
            ("late_samples", self.late_samples),
            ("flushing", self.flushing),
            ("raw_table", self.raw_table),
            ("exemplars", self.exemplars),
            ("metadata", self.metadata),
        ]
    }

    /// The sum of all components.
    #[must_use]
    pub fn total(&self) -> usize {
        self.components().iter().map(|(_, bytes)| bytes).sum()
    }
}

impl std::ops::AddAssign for HeadBytes {
    fn add_assign(&mut self, other: Self) {
        self.series += other.series;
        self.fingerprints += other.fingerprints;
        self.packed_labels += other.packed_labels;
        self.label_strings += other.label_strings;
        self.label_tables += other.label_tables;
        self.postings += other.postings;
        self.patterns += other.patterns;
        self.open_chunks += other.open_chunks;
        self.sealed_chunks += other.sealed_chunks;
        self.late_samples += other.late_samples;
        self.flushing += other.flushing;
        self.raw_table += other.raw_table;
        self.exemplars += other.exemplars;
        self.metadata += other.metadata;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_component_is_left_out_of_a_sum() {
        let mut sum = HeadBytes::default();
        let one = HeadBytes {
            series: 1,
            fingerprints: 2,
            packed_labels: 4,
            label_strings: 8,
            label_tables: 16,
            postings: 32,
            patterns: 64,
            open_chunks: 128,
            sealed_chunks: 256,
            late_samples: 512,
            flushing: 1_024,
            raw_table: 2_048,
            exemplars: 4_096,
            metadata: 8_192,
        };
        sum += one;
        sum += one;
        assert_eq!((one.total(), sum.total()), ((1 << 14) - 1, 2 * ((1 << 14) - 1)));
        let names: std::collections::BTreeSet<_> = one.components().map(|(name, _)| name).into();
        assert_eq!(names.len(), 14);
    }
}
