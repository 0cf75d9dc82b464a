//! Finds the smallest set of things that still makes something hold, by trying.
//!
//! The algorithm is delta debugging: A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
//! Transactions on Software Engineering 28(2), 2002. Its result is minimal in the sense that nothing can be left out by itself. Where
//! what is sought is monotonic (more never harms), it is the smallest there is.

use std::collections::HashMap;

/// Reduces `all` to a set for which `holds` is true and from which no member can be left out. `holds` is taken to be true of `all`.
/// Order is kept.
///
/// `k` members among `n` take about `k · log2 n` tries where they are independent, and at most `n² + 3n`.
///
/// # Errors
/// What `holds` returns.
pub fn minimal<T, E>(
    all: Vec<T>,
    mut holds: impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Vec<T>, E>
where
    T: Clone,
{
    if all.is_empty() || holds(&[])? {
        return Ok(Vec::new());
    }
    let mut kept = all;
    let mut parts = 2;
    while kept.len() > 1 {
        match reduce(&kept, parts, &mut holds)? {
            Some(Reduced { rest, parts: next }) => (kept, parts) = (rest, next),
            None if parts >= kept.len() => break,
            None => parts = (2 * parts).min(kept.len()),
        }
    }
    Ok(kept)
}

struct Reduced<T> {
    rest: Vec<T>,
    parts: usize,
}

/// One round: each of `parts` parts by itself, then all but each.
fn reduce<T: Clone, E>(
    kept: &[T],
    parts: usize,
    holds: &mut impl FnMut(&[T]) -> Result<bool, E>,
) -> Result<Option<Reduced<T>>, E> {
    let bounds: Vec<_> =
        (0..parts).map(|part| kept.len() * part / parts..kept.len() * (part + 1) / parts).collect();
    for bound in &bounds {
        if holds(&kept[bound.clone()])? {
            return Ok(Some(Reduced { rest: kept[bound.clone()].to_vec(), parts: 2 }));
        }
    }
    // Of two parts, each is all but the other.
    for bound in bounds.iter().filter(|_| parts > 2) {
        let rest = [&kept[..bound.start], &kept[bound.end..]].concat();
        if holds(&rest)? {
            return Ok(Some(Reduced { rest, parts: (parts - 1).max(2) }));
        }
    }
    Ok(None)
}

/// As [`minimal`] for dotted names, package by package first and then what is in those packages: a program has hundreds of modules in
/// a few dozens of packages, and what is sought mostly lies in one or two of them.
///
/// # Errors
/// What `holds` returns.
pub fn minimal_modules<E>(
    modules: &[String],
    mut holds: impl FnMut(&[String]) -> Result<bool, E>,
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
        kept = minimal(groups, |groups| ask(&groups.concat()))?.concat();
    }
    Ok(kept)
}

fn depth(name: &str) -> usize {
    name.split('.').count()
}

/// Sorted names in groups that share their first `depth` parts.
fn grouped(names: &[String], depth: usize) -> Vec<Vec<String>> {
    let beginning =
        |name: &str| -> String { name.split('.').take(depth).collect::<Vec<_>>().join(".") };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for name in names {
        let key = beginning(name);
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
            }));
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
            prop_assert!(tries <= all.len() * all.len() + 3 * all.len() + 1);
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
            let found = sure(minimal(all, |set| Ok(holds(set))));
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
            let found = sure(minimal_modules(&all, |set| {
                assert!(asked.insert(set.to_vec()), "asked twice: {set:?}");
                Ok(wanted.iter().all(|one| set.contains(one)))
            }));
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
    }

    #[test]
    fn one_module_in_a_large_program_takes_few_tries() {
        let all: Vec<String> =
            (0..40).flat_map(|p| (0..25).map(move |m| format!("p{p}.m{m}"))).collect();
        let mut tries = 0;
        let found = sure(minimal_modules(&all, |set| {
            tries += 1;
            Ok(set.iter().any(|name| name == "p17.m3"))
        }));
        assert_eq!(found, ["p17.m3"]);
        assert!(tries <= 26, "{tries} tries for one among a thousand");
    }

    #[test]
    fn errors_end_the_search() {
        let result =
            minimal(vec![1, 2, 3], |set| if set.is_empty() { Ok(false) } else { Err("enough") });
        assert_eq!(result, Err("enough"));
    }
}
