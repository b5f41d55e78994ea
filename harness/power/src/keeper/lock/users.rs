//! Names of users.

use nix::unistd::{Uid, User};

/// The name of a user as the system resolves it, from whatever source it is configured for.
pub(super) fn user_name(uid: u32) -> String {
    let found = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    found.map_or_else(|| format!("user id {uid}"), |user| user.name)
}
