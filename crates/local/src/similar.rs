//! Did you mean …?

/// The name that is most like `wanted`, if one is near enough to be a slip of the finger.
pub(crate) fn most_similar<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_lowercase();
    let reach = 1 + wanted.chars().count() / 4;
    names
        .into_iter()
        .map(|name| (distance(&lower, &name.to_lowercase()), name))
        .filter(|(far, _)| *far <= reach)
        .min()
        .map(|(_, name)| name)
}

/// How many characters must be added, taken away, changed or swapped with their neighbour. Long names are compared by
/// their first 64 characters.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_no_more() {
        let names = ["carrier", "dep_delay", "origin"];
        assert_eq!(most_similar("carier", names), Some("carrier"));
        assert_eq!(most_similar("CARRIER", names), Some("carrier"));
        assert_eq!(most_similar("origni", names), Some("origin"));
        assert_eq!(most_similar("destination", names), None);
        assert_eq!(most_similar("", names), None);
    }
}
