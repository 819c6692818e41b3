//! Column names where a format needs them to be distinct.

use std::collections::{HashMap, HashSet};

/// The names, with a number added to those that came before.
pub(super) fn distinct<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let given: HashSet<&str> = names.clone().collect();
    let mut taken = HashSet::new();
    // The numbers below it are taken: a name that stands everywhere is not tried from the first one each time.
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    names
        .map(|name| {
            let mut free = name.to_owned();
            while !taken.insert(free.clone()) {
                let number = numbers.entry(name).or_insert(1);
                // A name that another column has by itself is left to that column.
                loop {
                    *number += 1;
                    free = format!("{name}_{number}");
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

    #[test]
    fn a_name_that_stands_everywhere_takes_no_longer_than_others() {
        // Tried from the first number on each time, this would take hours.
        let names = distinct(std::iter::repeat_n("a", 1_000_000));
        assert_eq!(names.last().map(String::as_str), Some("a_1000000"));
    }
}
