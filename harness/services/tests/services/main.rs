//! The services of a stage, with clients of others.

mod certificates;
mod http;
mod link;
mod support;
