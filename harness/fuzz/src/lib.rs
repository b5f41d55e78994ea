//! Mutated inputs for readers of foreign bytes: they must not panic or hang. For tests, on stable Rust.
//!
//! Each input is made from a corpus and a number, so that the number reproduces a failure. `cargo test` tries a fixed
//! number of inputs, the same in every run; `ci/soak/fuzz SECONDS` continues for a time, starting at another number.
//!
//! | variable | meaning | unless set |
//! | --- | --- | --- |
//! | `HIL_FUZZ_SECONDS` | go on for this long, 1 to 86,400 s | the target's count of inputs |
//! | `HIL_FUZZ_SEED` | number of the first input, 0 to 2⁶⁴ − 1 | 0 |
//!
//! ```
//! let corpus = hil_fuzz::Corpus::new([b"12:34".to_vec()]).with_words([&b":"[..]]);
//! hil_fuzz::fuzz("clock", &corpus, 100, |input| {
//!     let text = String::from_utf8_lossy(input).into_owned();
//!     let _ = text.split_once(':').map(|(hours, minutes)| (hours.parse::<u8>(), minutes.parse::<u8>()));
//! });
//! ```

mod corpus;
mod random;
mod run;

pub use corpus::{Corpus, GHERKIN_WORDS};
pub use random::Random;
pub use run::fuzz;
