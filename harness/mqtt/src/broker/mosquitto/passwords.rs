//! Mosquitto's password file: salted and hashed, so that no password is stored in clear text.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};
use ring::rand::{SecureRandom as _, SystemRandom};

/// The default of `mosquitto_passwd` 2.
const ITERATIONS: u32 = 101;
const SALT: usize = 12;
const HASH: usize = 64;

/// `name:$7$iterations$salt$hash`, one line per user.
pub(super) fn file(users: &BTreeMap<String, String>) -> String {
    let line = |(name, password): (&String, &String)| {
        let mut salt = [0; SALT];
        // Without randomness the salt is all zeros: the file exists for one scenario in a folder that no other user
        // can enter.
        let _ = SystemRandom::new().fill(&mut salt);
        let mut hash = [0; HASH];
        let iterations = NonZeroU32::new(ITERATIONS).unwrap_or(NonZeroU32::MIN);
        derive(PBKDF2_HMAC_SHA512, iterations, &salt, password.as_bytes(), &mut hash);
        format!("{name}:$7${ITERATIONS}${}${}\n", STANDARD.encode(salt), STANDARD.encode(hash))
    };
    users.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_in_the_file() {
        let users = BTreeMap::from([("lamp".to_owned(), "wonderland".to_owned())]);
        let text = file(&users);
        assert!(text.starts_with("lamp:$7$101$") && !text.contains("wonderland"), "{text}");
    }
}
