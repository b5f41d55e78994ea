//! Wills: when one is due, and which message is one.

mod due;
mod seen;
#[cfg(test)]
mod tests;

pub use self::due::{Due, KeepAliveLimits, WillCase};
pub use self::seen::Wills;
