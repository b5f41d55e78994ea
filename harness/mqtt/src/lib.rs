//! Brokers, the tap, packet decoding, matchers and the observer
