//! Topological sort, and the order of variables that refer to each other. Pure.
//!
//! Invariant: the input may be hostile. A long chain does not use up the stack, and each reference is followed once.

use std::collections::BTreeMap;

use super::VarName;

/// The result of a topological sort; things are named by their index.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SortedOrder {
    /// Each thing once, after everything that it needs unless they need each other.
    pub order: Vec<usize>,
    /// The first cycle, which begins and ends with the same thing.
    pub cycle: Option<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SortState {
    New,
    Open,
    Done,
}

/// Sorts things by need: `needs` has for each the indices of those that it needs.
pub fn order(needs: &[Vec<usize>]) -> SortedOrder {
    let mut found = SortedOrder::default();
    let mut visits = vec![SortState::New; needs.len()];
    for first in 0..needs.len() {
        if visits[first] != SortState::New {
            continue;
        }
        visits[first] = SortState::Open;
        let mut path = vec![(first, needs[first].iter())];
        while let Some((one, rest)) = path.last_mut() {
            let one = *one;
            match rest.next().copied() {
                None => {
                    visits[one] = SortState::Done;
                    found.order.push(one);
                    path.pop();
                }
                Some(other) if visits[other] == SortState::New => {
                    visits[other] = SortState::Open;
                    path.push((other, needs[other].iter()));
                }
                Some(other) if visits[other] == SortState::Open && found.cycle.is_none() => {
                    let cycle = path.iter().map(|(one, _)| *one);
                    let cycle = cycle.skip_while(|one| *one != other);
                    found.cycle = Some(cycle.chain([other]).collect());
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// Sorts variables by the variables that their values refer to; indices are positions in the map.
///
/// A value's reference to its own variable means what the host shell has, so it does not count.
pub fn by_reference<'v, T, N: AsRef<str>>(
    variables: &'v BTreeMap<VarName, T>,
    references: impl Fn(&'v T) -> Vec<N>,
) -> SortedOrder {
    let names = variables.keys().enumerate();
    let positions: BTreeMap<&str, usize> = names.map(|(at, name)| (name.as_str(), at)).collect();
    let needs = variables.values().enumerate().map(|(own, value)| {
        let names = references(value).into_iter();
        let others = names.filter_map(|name| positions.get(name.as_ref()).copied());
        others.filter(|other| *other != own).collect()
    });
    order(&needs.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_first() {
        let all = order(&[vec![2, 1], vec![2], vec![], vec![0, 0, 1]]);
        assert_eq!(all.order, [2, 1, 0, 3]);
        assert_eq!(all.cycle, None);
        let cyclic = order(&[vec![1], vec![2], vec![3], vec![1, 4], vec![0]]);
        assert_eq!(cyclic.cycle, Some(vec![1, 2, 3, 1]));
        assert_eq!(cyclic.order, [4, 3, 2, 1, 0]);
    }

    #[test]
    fn a_chain_may_be_of_any_length() {
        let length = 1_000_000;
        let chain: Vec<Vec<usize>> = (1..=length).map(|next| vec![next % length]).collect();
        let found = order(&chain);
        assert_eq!(found.order.len(), length);
        assert_eq!(found.cycle.map(|cycle| cycle.len()), Some(length + 1));
    }
}
