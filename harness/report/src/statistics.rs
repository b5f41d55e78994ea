//! Whether two sets of measurements differ: rank tests, which assume nothing about the distribution of times.

/// So many measurements of each side are used; more would not improve the result.
pub(crate) const MOST: usize = 200;

/// Up to so many measurements of both sides together, the distribution of the ranks is computed exactly.
const EXACT: usize = 24;

/// The median; none of an empty set.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// Evenly spaced values, if there are more than [`MOST`].
pub(crate) fn thinned(values: &[f64]) -> Vec<f64> {
    if values.len() <= MOST {
        return values.to_vec();
    }
    (0..MOST).map(|n| values[n * values.len() / MOST]).collect()
}

/// The probability that, of two samples of one distribution, the right one is at least this far above the left (Mann
/// and Whitney 1947; ties by mid-ranks). 1 if a side is empty.
#[must_use]
pub fn probability_above(left: &[f64], right: &[f64]) -> f64 {
    let (n, m) = (left.len(), right.len());
    if n == 0 || m == 0 {
        return 1.0;
    }
    let ranks = doubled_ranks(left, right);
    if n + m <= EXACT { exact(&ranks, n) } else { normal(&ranks, n, m) }
}

/// The smallest p that samples of these sizes can have: that of two that do not overlap at all.
pub(crate) fn least_p(n: usize, m: usize) -> f64 {
    let apart = |count: usize, from: usize| (from..from + count).map(|rank| rank as f64).collect::<Vec<_>>();
    probability_above(&apart(n.min(MOST), 0), &apart(m.min(MOST), MOST))
}

/// Twice the rank of each value, the left side's first: whole numbers even where ranks are shared.
fn doubled_ranks(left: &[f64], right: &[f64]) -> Vec<usize> {
    let all: Vec<f64> = left.iter().chain(right).copied().collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].total_cmp(&all[*b]));
    let mut ranks = vec![0; all.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..].iter().take_while(|at| all[**at] == all[order[start]]).count();
        // Ranks count from 1; the mid-rank of start+1 ..= start+same, doubled.
        for at in &order[start..start + same] {
            ranks[*at] = 2 * start + same + 1;
        }
        start += same;
    }
    ranks
}

/// Counts every way to assign ranks to the left side.
fn exact(ranks: &[usize], n: usize) -> f64 {
    let total: usize = ranks.iter().sum();
    // ways[k][s]: subsets of k values whose doubled ranks sum to s.
    let mut ways = vec![vec![0.0_f64; total + 1]; n + 1];
    ways[0][0] = 1.0;
    for rank in ranks {
        for k in (1..=n).rev() {
            for sum in (*rank..=total).rev() {
                ways[k][sum] += ways[k - 1][sum - rank];
            }
        }
    }
    let (sum, all): (usize, f64) = (ranks[..n].iter().sum(), ways[n].iter().sum());
    ways[n][..=sum].iter().sum::<f64>() / all
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn normal(ranks: &[usize], n: usize, m: usize) -> f64 {
    let sum: usize = ranks[..n].iter().sum();
    let (n, m) = (n as f64, m as f64);
    let size = n + m;
    let rank_sum = sum as f64 / 2.0;
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let ties: f64 = tie_sizes(ranks).map(|t| t * t * t - t).sum();
    let variance = n * m / 12.0 * (size + 1.0 - ties / (size * (size - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    // The left side's sum is low if the right one is above it; half a rank for continuity.
    let z = (n * m / 2.0 - u - 0.5) / variance.sqrt();
    if z >= 0.0 { upper_tail(z) } else { 1.0 - upper_tail(-z) }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn tie_sizes(ranks: &[usize]) -> impl Iterator<Item = f64> {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).map(|same| same.len() as f64).collect::<Vec<_>>().into_iter()
}

/// The upper tail of the standard normal distribution; Abramowitz and Stegun 7.1.26 is too coarse there, so the
/// continued fraction of the complementary error function is used (7.1.14).
fn upper_tail(z: f64) -> f64 {
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        // The series of the integral from 0 (26.2.11).
        let (mut term, mut sum, mut k) = (z, z, 1.0);
        while term > 1e-17 {
            k += 2.0;
            term *= z * z / k;
            sum += term;
        }
        return (0.5 - density * sum).max(0.0);
    }
    // (26.2.14), from the inside out.
    let fraction = (1..=60).rev().fold(z, |inner, k| z + f64::from(k) / inner);
    density / fraction
}

/// Which of these p are significant at `alpha` for all of them together (Holm 1979).
pub(crate) fn holm(ps: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|a, b| ps[*a].total_cmp(&ps[*b]));
    let mut significant = vec![false; ps.len()];
    for (place, at) in order.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a run has far fewer metrics than 2^52")]
        let left = (ps.len() - place) as f64;
        if ps[at] > alpha / left {
            break;
        }
        significant[at] = true;
    }
    significant
}

/// The 95 % confidence interval of a rate of `hits` in `all` (Wilson 1927).
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "runs are far fewer than 2^52")]
pub fn wilson(hits: usize, all: usize) -> (f64, f64) {
    const Z: f64 = 1.96;
    if all == 0 {
        return (0.0, 1.0);
    }
    let n = all as f64;
    let p = hits as f64 / n;
    let middle = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-3 * expected.max(1e-12), "{found} instead of {expected}");
    }

    /// Expected values are those of SciPy's `mannwhitneyu` with `alternative="less"`: exact, and asymptotic with
    /// continuity correction; those with ties are counted by hand.
    #[test]
    fn p_values_are_those_of_the_textbook() {
        let p = probability_above;
        close(p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.05);
        close(p(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]), 1.0);
        close(p(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0]), 1.0 / 252.0);
        close(p(&[1.0, 3.0, 5.0, 7.0], &[2.0, 4.0, 6.0, 8.0]), 0.342_857);
        close(p(&[1.0, 2.0, 2.0, 3.0], &[2.0, 3.0, 4.0, 4.0]), 0.1);
        close(p(&[1.0; 4], &[1.0; 4]), 1.0);
        close(least_p(10, 10), 1.0 / 184_756.0);
        let (low, high): (Vec<f64>, Vec<f64>) = ((0..20).map(f64::from).collect(), (10..30).map(f64::from).collect());
        close(p(&low, &high), 2.606_3e-5);
        assert!(p(&high, &low) > 0.9999);
        assert_eq!(p(&[], &[1.0]), 1.0);
    }

    #[test]
    fn the_tail_of_the_normal_distribution_is_right_far_out() {
        close(upper_tail(0.0), 0.5);
        close(upper_tail(1.96), 0.024_997_9);
        close(upper_tail(2.999_999), 0.001_349_9);
        close(upper_tail(3.0), 0.001_349_9);
        close(upper_tail(5.0), 2.866_5e-7);
    }

    #[test]
    fn many_tests_are_corrected_for_their_number() {
        assert_eq!(holm(&[0.004, 0.9, 0.003, 0.005], 0.01), [false, false, false, false]);
        assert_eq!(holm(&[0.004, 0.9, 0.002, 0.003], 0.01), [true, false, true, true]);
        assert!(holm(&[], 0.01).is_empty());
    }

    #[test]
    fn a_rate_has_its_interval() {
        let (low, high) = wilson(1, 20);
        close(low, 0.008_881);
        close(high, 0.236_131);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn many_values_are_thinned_evenly() {
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        let few = thinned(&many);
        assert_eq!((few.len(), few[0], few[MOST - 1]), (MOST, 0.0, 995.0));
        assert_eq!(median(&many), Some(499.5));
        assert_eq!(median(&[]), None);
    }
}
