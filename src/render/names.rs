//! Column names where a format needs them to be distinct.

use std::collections::HashSet;

/// The names, with a number added to those that came before.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let given: HashSet<&str> = names.clone().collect();
    let mut taken = HashSet::new();
    names
        .map(|name| {
            let mut free = name.to_owned();
            let mut number = 2;
            while !taken.insert(free.clone()) {
                // A name that another column has by itself is left to that column.
                loop {
                    free = format!("{name}_{number}");
                    number += 1;
                    if !given.contains(free.as_str()) {
                        break;
                    }
                }
            }
            free
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_repeat_get_a_number() {
        assert_eq!(
            distinct(["a", "a", "b", "a_2", "a"].into_iter()),
            ["a", "a_3", "b", "a_2", "a_4"]
        );
    }
}
