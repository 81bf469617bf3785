//! What becomes of files later: compaction, retention, removal.
