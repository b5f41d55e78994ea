//! Verdict folding and reports, computed from recorded events
