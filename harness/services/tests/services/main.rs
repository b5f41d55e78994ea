//! The services of a stage, with clients of others.

mod http;
mod link;
mod support;
