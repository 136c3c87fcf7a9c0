//! In which order things can be made that need each other. Pure.
//!
//! Invariant: what is read here may be hostile, so no chain is so long that it takes the stack, and every link is
//! looked at once.

/// What comes of things and the things that each needs, all by their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Every thing once, behind what it needs, except along a circle.
    pub order: Vec<usize>,
    /// The first circle; the first and the last of it are the same.
    pub circle: Option<Vec<usize>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    New,
    Open,
    Done,
}

/// Returns the order of things of which each needs those at its place in `needs`.
pub fn order(needs: &[Vec<usize>]) -> Order {
    let mut found = Order::default();
    let mut seen = vec![Seen::New; needs.len()];
    for first in 0..needs.len() {
        if seen[first] != Seen::New {
            continue;
        }
        seen[first] = Seen::Open;
        let mut path = vec![(first, needs[first].iter())];
        while let Some((one, rest)) = path.last_mut() {
            let one = *one;
            match rest.next().copied() {
                None => {
                    seen[one] = Seen::Done;
                    found.order.push(one);
                    path.pop();
                }
                Some(other) if seen[other] == Seen::New => {
                    seen[other] = Seen::Open;
                    path.push((other, needs[other].iter()));
                }
                Some(other) if seen[other] == Seen::Open && found.circle.is_none() => {
                    let around = path.iter().map(|(one, _)| *one);
                    let around = around.skip_while(|one| *one != other);
                    found.circle = Some(around.chain([other]).collect());
                }
                Some(_) => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let all = order(&[vec![2, 1], vec![2], vec![], vec![0, 0, 1]]);
        assert_eq!(all.order, [2, 1, 0, 3]);
        assert_eq!(all.circle, None);
        let around = order(&[vec![1], vec![2], vec![3], vec![1, 4], vec![0]]);
        assert_eq!(around.circle, Some(vec![1, 2, 3, 1]));
        assert_eq!(around.order, [4, 3, 2, 1, 0]);
    }

    #[test]
    fn a_chain_may_be_of_any_length() {
        let length = 1_000_000;
        let chain: Vec<Vec<usize>> = (1..=length).map(|next| vec![next % length]).collect();
        let found = order(&chain);
        assert_eq!(found.order.len(), length);
        assert_eq!(found.circle.map(|around| around.len()), Some(length + 1));
    }
}
