//! A protocol-blind TCP path that can be silenced, held, delayed, closed or reset
