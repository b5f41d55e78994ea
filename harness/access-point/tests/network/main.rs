//! An access point with a station: smoltcp's stack as on a board, in simulated time.

mod addresses;
mod bounds;
mod closing;
mod fuzz;
mod lab;
mod names;
mod streams;
mod weather;
