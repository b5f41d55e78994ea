//! Which boards play a role.

use super::Bench;
use crate::board::Board;

impl Bench {
    /// The boards that can play what a scenario calls by this name: the board that is called so, and those that fit the
    /// role. In the order of their names.
    #[must_use]
    pub fn players(&self, name: &str) -> Vec<&Board> {
        let role = self.roles.get(name);
        let plays = |board: &&Board| board.name.as_str() == name || role.is_some_and(|role| role.fits(board));
        self.boards.values().filter(plays).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Bench, Kinds};

    const BOARDS: &str = r#"
[boards.lamp-1]
kind = "virtual"
tags = ["wifi", "relay"]
[boards.lamp-2]
kind = "virtual"
tags = ["wifi"]
[boards.big]
kind = "esp"
chip = "esp32s3"
port = { usb-serial = "A1" }
tags = ["wifi"]
[boards.pi]
kind = "process"
tags = ["wifi"]
"#;

    fn players(roles: &str, name: &str) -> Vec<String> {
        let bench = Bench::from_text(&format!("{BOARDS}{roles}"), Path::new("bench.toml"), &Kinds::default());
        let bench = bench.unwrap_or_else(|error| panic!("{error}"));
        bench.players(name).iter().map(|board| board.name.to_string()).collect()
    }

    #[test]
    fn a_role_is_played_by_the_boards_that_fit_and_by_the_one_of_its_name() {
        assert_eq!(
            players("[roles.lamp]\nchip = \"esp32c3\"\n", "lamp"),
            ["lamp-1", "lamp-2"],
            "a program has no chip"
        );
        assert_eq!(players("[roles.lamp]\ntags = [\"wifi\"]\n", "lamp"), ["big", "lamp-1", "lamp-2", "pi"]);
        assert_eq!(players("[roles.lamp]\nchip = \"esp32c3\"\ntags = [\"wifi\", \"relay\"]\n", "lamp"), ["lamp-1"]);
        assert_eq!(players("[roles.big]\nchip = \"esp32c3\"\n", "big"), ["big", "lamp-1", "lamp-2"]);
        assert_eq!(players("", "lamp-2"), ["lamp-2"]);
        assert!(players("", "lamp").is_empty());
    }
}
