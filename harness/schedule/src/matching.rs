//! A board of its own for each role.

use crate::PlaceId;

/// A distinct board for each role, in their order; none if there are too few. `fits` lists the boards of each role, the
/// best one first.
///
/// Augmenting paths (Kuhn's algorithm): a role that finds all its boards taken makes another role move to another board.
pub(crate) fn matching(fits: &[Vec<PlaceId>]) -> Option<Vec<PlaceId>> {
    let mut taken: Vec<(PlaceId, usize)> = Vec::new();
    for role in 0..fits.len() {
        let mut seen = Vec::new();
        if !augment(role, fits, &mut taken, &mut seen) {
            return None;
        }
    }
    taken.sort_by_key(|(_, role)| *role);
    Some(taken.into_iter().map(|(place, _)| place).collect())
}

/// Finds a board for a role, moving others if necessary.
fn augment(role: usize, fits: &[Vec<PlaceId>], taken: &mut Vec<(PlaceId, usize)>, seen: &mut Vec<PlaceId>) -> bool {
    // A free board first: then no other role needs to move.
    let is_free = |place: &PlaceId, taken: &[(PlaceId, usize)]| !taken.iter().any(|(other, _)| other == place);
    if let Some(place) = fits[role].iter().find(|place| is_free(place, taken)) {
        taken.push((*place, role));
        return true;
    }
    for place in &fits[role] {
        if seen.contains(place) {
            continue;
        }
        seen.push(*place);
        let Some(at) = taken.iter().position(|(other, _)| other == place) else { continue };
        let owner = taken[at].1;
        if augment(owner, fits, taken, seen) {
            // The owner has another board now, and this one is still listed for it.
            taken.retain(|(other, of)| !(other == place && *of == owner));
            taken.push((*place, role));
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(numbers: &[usize]) -> Vec<PlaceId> {
        numbers.iter().copied().map(PlaceId).collect()
    }

    #[test]
    fn a_role_moves_to_another_board_where_that_helps() {
        assert_eq!(matching(&[places(&[0, 1]), places(&[0])]), Some(places(&[1, 0])));
        assert_eq!(matching(&[places(&[0, 1]), places(&[0, 2]), places(&[0])]), Some(places(&[1, 2, 0])));
        assert_eq!(matching(&[places(&[0]), places(&[0])]), None);
        assert_eq!(matching(&[]), Some(Vec::new()));
    }

    /// Whether there is any way, by trying all.
    fn exists(fits: &[Vec<PlaceId>], taken: &mut Vec<PlaceId>) -> bool {
        let Some((first, rest)) = fits.split_first() else { return true };
        first.iter().any(|place| {
            if taken.contains(place) {
                return false;
            }
            taken.push(*place);
            let found = exists(rest, taken);
            taken.pop();
            found
        })
    }

    proptest! {
        #[test]
        fn finds_a_way_if_there_is_one(fits in prop::collection::vec(prop::collection::hash_set(0..6_usize, 0..5), 0..6)) {
            let fits: Vec<Vec<PlaceId>> = fits.into_iter().map(|set| set.into_iter().map(PlaceId).collect()).collect();
            let found = matching(&fits);
            prop_assert_eq!(found.is_some(), exists(&fits, &mut Vec::new()));
            if let Some(found) = found {
                prop_assert!(found.iter().zip(&fits).all(|(place, fits)| fits.contains(place)));
                let mut distinct = found.clone();
                distinct.sort();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), found.len());
            }
        }
    }
}
