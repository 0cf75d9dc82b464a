//! Finds the smallest set of things that still makes something hold, by trying.
//!
//! What is sought is mostly monotonic (more never harms) and small, so that halving finds its members one by one. Delta debugging
//! (Zeller and Hildebrandt, 2002) needs two to three times as many tries for that: 132 against 57 for pandas with all its imports lazy.

use std::collections::HashMap;

/// Reduces `all` to a set for which `holds` is true and from which no member can be left out. `holds` is taken to be true of `all`.
/// Order is kept. `found` hears of each member as soon as it is known to be needed.
///
/// `k` members among `n` take `k · (log2 n + 2)` tries where the question is monotonic; the set is then the smallest there is.
///
/// # Errors
/// What `holds` returns.
pub fn minimal<T: Clone, E>(
    all: Vec<T>,
    mut holds: impl FnMut(&[T]) -> Result<bool, E>,
    mut found: impl FnMut(&T),
) -> Result<Vec<T>, E> {
    // What is behind `rest` is not needed, and `needed` and `rest` together hold at each turn.
    let (mut needed, mut rest) = (Vec::new(), all);
    while !rest.is_empty() && !holds(&needed)? {
        let (mut fails, mut enough) = (0, rest.len());
        while enough - fails > 1 {
            let middle = fails + (enough - fails) / 2;
            let tried = [&rest[..middle], &needed].concat();
            if holds(&tried)? { enough = middle } else { fails = middle }
        }
        rest.truncate(enough);
        needed.splice(0..0, rest.pop().inspect(&mut found));
    }
    without_any(needed, holds)
}

/// Leaves members out as long as one can be left out by itself, which only happens where more may harm.
fn without_any<T: Clone, E>(
    mut kept: Vec<T>,
    mut holds: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut at = 0;
    while at < kept.len() {
        let rest = [&kept[..at], &kept[at + 1..]].concat();
        if holds(&rest)? {
            (kept, at) = (rest, 0);
        } else {
            at += 1;
        }
    }
    Ok(kept)
}

/// As [`minimal`] for dotted names, package by package first and then what is in those packages: a program has hundreds of modules in
/// a few dozens of packages, and what is sought mostly lies in one or two of them.
///
/// `found` hears of each package in which something is needed, and then of each module.
///
/// # Errors
/// What `holds` returns.
pub fn minimal_modules<E>(
    modules: &[String],
    mut holds: impl FnMut(&[String]) -> Result<bool, E>,
    mut found: impl FnMut(Found<'_>),
) -> Result<Vec<String>, E> {
    let mut known: HashMap<Vec<String>, bool> = HashMap::new();
    let mut ask = |modules: &[String]| -> Result<bool, E> {
        let mut sorted = modules.to_vec();
        sorted.sort();
        if let Some(answer) = known.get(&sorted) {
            return Ok(*answer);
        }
        let answer = holds(&sorted)?;
        known.insert(sorted, answer);
        Ok(answer)
    };
    let mut kept = modules.to_vec();
    kept.sort();
    kept.dedup();
    let deepest = kept.iter().map(|name| depth(name)).max().unwrap_or(0);
    for depth in 1..=deepest {
        let groups = grouped(&kept, depth);
        // A level that splits nothing has nothing to say.
        if depth > 1 && groups.len() == grouped(&kept, depth - 1).len() {
            continue;
        }
        let tell = |group: &Vec<String>| match &group[..] {
            [module] => found(Found::Module(module)),
            [first, ..] => found(Found::Within(beginning(first, depth))),
            [] => {}
        };
        kept = minimal(groups, |groups| ask(&groups.concat()), tell)?.concat();
    }
    Ok(kept)
}

/// Something that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// This module.
    Module(&'a str),
    /// One or more of the modules that this package holds.
    Within(&'a str),
}

/// The first `depth` parts of a name.
fn beginning(name: &str, depth: usize) -> &str {
    let end = name.match_indices('.').nth(depth.saturating_sub(1)).map(|(at, _)| at);
    &name[..end.unwrap_or(name.len())]
}

fn depth(name: &str) -> usize {
    name.split('.').count()
}

/// Sorted names in groups that share their first `depth` parts.
fn grouped(names: &[String], depth: usize) -> Vec<Vec<String>> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for name in names {
        let key = beginning(name, depth);
        match groups.iter_mut().find(|(group, _)| *group == key) {
            Some((_, group)) => group.push(name.clone()),
            None => groups.push((key, vec![name.clone()])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    fn sure<T>(result: Result<T, Infallible>) -> T {
        match result {
            Ok(value) => value,
        }
    }

    /// Names in a few packages.
    fn names() -> impl Strategy<Value = BTreeSet<String>> {
        let name = "[abc](\\.[de]){0,3}";
        prop::collection::btree_set(name, 1..40)
    }

    proptest! {
        #[test]
        fn a_monotonic_question_has_its_very_answer(
            all in prop::collection::btree_set(0u16..500, 1..60),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let all: Vec<u16> = all.into_iter().collect();
            let wanted: BTreeSet<u16> = picks.iter().map(|pick| *pick.get(&all)).collect();
            let mut tries = 0usize;
            let found = sure(minimal(all.clone(), |set| {
                tries += 1;
                Ok(wanted.iter().all(|one| set.contains(one)))
            }, |_| ()));
            prop_assert!(tries <= (wanted.len() + 1) * (all.len().ilog2() as usize + 3));
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        }

        #[test]
        fn nothing_can_be_left_out_of_any_answer(
            count in 1usize..14,
            truths in prop::collection::vec(any::<bool>(), 1 << 14),
        ) {
            let all: Vec<usize> = (0..count).collect();
            let bits = |set: &[usize]| set.iter().fold(0usize, |bits, one| bits | 1 << one);
            // Any question at all, as long as everything together answers it.
            let holds = |set: &[usize]| set.len() == count || truths[bits(set)];
            let found = sure(minimal(all, |set| Ok(holds(set)), |_| ()));
            prop_assert!(holds(&found));
            for at in 0..found.len() {
                let mut rest = found.clone();
                rest.remove(at);
                prop_assert!(!holds(&rest), "{:?} holds without {}", found, found[at]);
            }
        }

        #[test]
        fn modules_are_found_in_their_packages(
            all in names(),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let all: Vec<String> = all.into_iter().collect();
            let wanted: BTreeSet<String> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
            let mut asked = BTreeSet::new();
            let mut told = BTreeSet::new();
            let found = sure(minimal_modules(&all, |set| {
                assert!(asked.insert(set.to_vec()), "asked twice: {set:?}");
                Ok(wanted.iter().all(|one| set.contains(one)))
            }, |found| if let Found::Module(name) = found {
                told.insert(name.to_owned());
            }));
            prop_assert!(told.is_superset(&wanted) || all.len() == 1);
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
    }

    #[test]
    fn one_module_in_a_large_program_takes_few_tries() {
        let all: Vec<String> =
            (0..40).flat_map(|p| (0..25).map(move |m| format!("p{p}.m{m}"))).collect();
        let mut tries = 0;
        let found = sure(minimal_modules(
            &all,
            |set| {
                tries += 1;
                Ok(set.iter().any(|name| name == "p17.m3"))
            },
            |_| (),
        ));
        assert_eq!(found, ["p17.m3"]);
        assert!(tries <= 26, "{tries} tries for one among a thousand");
    }

    #[test]
    fn errors_end_the_search() {
        let enough = |set: &[i32]| if set.is_empty() { Ok(false) } else { Err("enough") };
        let result = minimal(vec![1, 2, 3], enough, |_| ());
        assert_eq!(result, Err("enough"));
    }
}
