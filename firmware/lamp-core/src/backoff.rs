//! Growing, jittered pauses between connection attempts.

/// Pauses double from 250 ms to 8 s; each is spread by ± 20 % so that many lamps don't come back at once.
#[derive(Debug)]
pub struct Backoff {
    attempt: u32,
    random: u32,
}

impl Backoff {
    const FIRST_MS: u64 = 250;
    const LONGEST_MS: u64 = 8_000;

    /// `seed` spreads the pauses.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        // xorshift never leaves the state zero.
        Self { attempt: 0, random: seed.max(1) }
    }

    /// After a successful connection: the next pause is the first again.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    /// The next pause in milliseconds.
    pub fn next_ms(&mut self) -> u64 {
        let pause = (Self::FIRST_MS << self.attempt.min(16)).min(Self::LONGEST_MS);
        self.attempt += 1;
        let percent = 80 + u64::from(self.next_random() % 41);
        pause * percent / 100
    }

    fn next_random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_near_their_step_and_end_at_eight_seconds() {
        for seed in [0, 1, 77, u32::MAX] {
            let mut backoff = Backoff::new(seed);
            for step in [250, 500, 1000, 2000, 4000, 8000, 8000, 8000] {
                let pause = backoff.next_ms();
                assert!((step * 8 / 10..=step * 12 / 10).contains(&pause), "seed {seed}: {pause} for {step}");
            }
            backoff.reset();
            assert!(backoff.next_ms() <= 300);
        }
    }
}
