//! Key commands of `hil monitor`.

/// The action of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyAction {
    Send(Vec<u8>),
    Reset,
    Loader,
    Power,
    Repl,
    Help,
    End,
}

/// Ctrl-].
const END: u8 = 0x1d;
/// Ctrl-T.
const MENU: u8 = 0x14;

/// Parses keys: Ctrl-T makes the next key a command.
#[derive(Debug, Default)]
pub(super) struct Keys {
    menu: bool,
}

impl Keys {
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<KeyAction> {
        let mut actions = Vec::new();
        let mut plain = Vec::new();
        for byte in bytes {
            let action = match (std::mem::take(&mut self.menu), *byte) {
                (false, MENU) => {
                    self.menu = true;
                    continue;
                }
                (false, END) => KeyAction::End,
                (true, b'r' | b'R' | 0x12) => KeyAction::Reset,
                (true, b'l' | b'L' | 0x0c) => KeyAction::Loader,
                (true, b'p' | b'P' | 0x10) => KeyAction::Power,
                (true, b'e' | b'E' | 0x05) => KeyAction::Repl,
                (true, b'h' | b'H' | b'?') => KeyAction::Help,
                (true, byte @ (MENU | END)) | (false, byte) => {
                    plain.push(byte);
                    continue;
                }
                (true, _) => KeyAction::Help,
            };
            if !plain.is_empty() {
                actions.push(KeyAction::Send(std::mem::take(&mut plain)));
            }
            actions.push(action);
        }
        if !plain.is_empty() {
            actions.push(KeyAction::Send(plain));
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sent_unless_they_are_commands_even_across_reads() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"led on\r"), [KeyAction::Send(b"led on\r".to_vec())]);
        assert_eq!(
            keys.take(b"a\x14rb"),
            [KeyAction::Send(b"a".to_vec()), KeyAction::Reset, KeyAction::Send(b"b".to_vec())]
        );
        assert_eq!(keys.take(b"\x14"), []);
        assert_eq!(keys.take(b"p\x03"), [KeyAction::Power, KeyAction::Send(vec![3])]);
        assert_eq!(keys.take(b"\x14\x14\x14\x1d"), [KeyAction::Send(vec![0x14, 0x1d])]);
        assert_eq!(keys.take(b"\x14x\x1d"), [KeyAction::Help, KeyAction::End]);
        assert_eq!(keys.take(b"\x14e"), [KeyAction::Repl]);
    }
}
