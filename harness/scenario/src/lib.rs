//! World, steps and runner: the only crate that uses cucumber.
//!
//! Users add their own steps to [`HilWorld`] with cucumber's attributes; see [`Stage`] for what a step can use.

mod binding;
mod blame;
mod bound;
mod captured;
pub mod catalogue;
mod context;
mod course;
mod dispatch;
mod durations;
mod error;
mod expectations;
mod forms;
mod kinds;
mod network;
mod one;
mod origin;
mod parameters;
mod plan;
mod queue;
mod quotes;
mod radio;
mod registry;
mod retry;
mod run;
mod setup_error;
mod snapshot;
mod spec;
mod stage;
mod stalls;
mod steps;
mod suggest;
mod tags;
mod turn;
mod wanted;
mod world;

pub use context::{Limits, RunContext};
pub use course::{Course, Ended, Retries, RunOptions, STOPPED};
pub use error::StepError;
pub use kinds::kinds;
pub use one::{Attempt, AttemptEnd, run_one};
pub use parameters::{OnOff, Span, Text};
pub use plan::{
    CompositeStep, Filter, Found, Inputs, Plan, PlanError, Problem, boards_of, composite_steps, firmware_names,
    firmware_of, lacking,
};
pub use radio::uses_access_point;
pub use retry::run_with_retries;
pub use setup_error::SetupError;
pub use stage::{Mark, Stage};
pub use world::HilWorld;
