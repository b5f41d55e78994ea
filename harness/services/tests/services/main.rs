//! The services of a stage, with clients of others.

mod certificates;
mod datagrams;
mod http;
mod link;
mod network;
mod ota;
mod support;
