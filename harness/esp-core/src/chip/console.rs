//! Puts outputs together: what a console sends arrives in lines, not in bytes.

use super::events::Output;

/// How long a part of a line waits for the rest.
const PATIENCE: u64 = 1_000_000;
const LONG: usize = 256;

/// The end of a line that is not there yet.
#[derive(Debug, Default)]
pub(super) struct Console {
    held: Option<(Output, u64)>,
}

impl Console {
    /// Hands outputs on, except for the last one if it is a part of a line that may become longer.
    pub(super) fn pass(&mut self, new: &mut Vec<Output>, now: u64, outputs: &mut dyn FnMut(Output)) {
        for output in new.drain(..) {
            if let Some(output) = self.join(output) {
                self.flush(outputs);
                self.hold_or_pass(output, now, outputs);
            }
        }
        if self.due() <= now || self.held.as_ref().is_some_and(|(output, _)| !may_grow(output)) {
            self.flush(outputs);
        }
    }

    /// When what is held is to be handed on.
    pub(super) fn due(&self) -> u64 {
        self.held.as_ref().map_or(u64::MAX, |(_, since)| since.saturating_add(PATIENCE))
    }

    /// Hands on what is held.
    pub(super) fn flush(&mut self, outputs: &mut dyn FnMut(Output)) {
        if let Some((output, _)) = self.held.take() {
            outputs(output);
        }
    }

    /// Appends an output to what is held; returns it if it is of another kind.
    fn join(&mut self, output: Output) -> Option<Output> {
        match (&mut self.held, output) {
            (Some((Output::Uart(held), _)), Output::Uart(more)) | (Some((Output::Usb(held), _)), Output::Usb(more)) => {
                held.extend(more);
                None
            }
            (_, output) => Some(output),
        }
    }

    fn hold_or_pass(&mut self, output: Output, now: u64, outputs: &mut dyn FnMut(Output)) {
        if may_grow(&output) {
            self.held = Some((output, now));
        } else {
            outputs(output);
        }
    }
}

/// Whether an output is a part of a line.
fn may_grow(output: &Output) -> bool {
    match output {
        Output::Uart(bytes) | Output::Usb(bytes) => bytes.len() < LONG && bytes.last() != Some(&b'\n'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uart(text: &str) -> Output {
        Output::Uart(text.as_bytes().to_vec())
    }

    /// What comes out of these outputs, which are made at these times in microseconds.
    fn passed(new: &[(u64, Output)]) -> Vec<Output> {
        let (mut console, mut out) = (Console::default(), Vec::new());
        for (time, output) in new {
            console.pass(&mut vec![output.clone()], time * 1000, &mut |output| out.push(output));
        }
        out
    }

    #[test]
    fn bytes_become_a_line() {
        assert_eq!(passed(&[(0, uart("he")), (10, uart("llo")), (20, uart("\n"))]), [uart("hello\n")]);
    }

    #[test]
    fn a_part_of_a_line_waits_a_millisecond() {
        assert_eq!(passed(&[(0, uart("> ")), (999, uart("x"))]), []);
        assert_eq!(passed(&[(0, uart("> ")), (1000, uart("x"))]), [uart("> x")]);
    }

    #[test]
    fn the_order_of_kinds_stays() {
        let pin = Output::Pin { gpio: 3, level: Some(true) };
        assert_eq!(passed(&[(0, uart("on")), (1, pin.clone())]), [uart("on"), pin]);
    }
}
