//! Which ending of a user counts.

use super::*;

fn ending(seq: i64, user: u128, generation: i64, spared: Option<u128>) -> SessionEnding {
    let user_id = Uuid::from_u128(user);
    let spared_session = spared.map(Uuid::from_u128);
    SessionEnding { seq, user_id, generation, spared_session, cause: None }
}

#[test]
fn of_each_user_the_newest_ending_counts_in_its_order_with_what_it_kept() {
    let newest_first = [
        ending(9, 1, 4, Some(7)),
        ending(8, 2, 3, None),
        ending(7, 1, 3, Some(6)),
        ending(2, 2, 2, None),
    ];
    let orders = newest_by_user(&newest_first);
    let orders: Vec<_> = orders
        .iter()
        .map(|(user, ending, _)| {
            let keep = ending.keep.map(|id| id.uuid().as_u128());
            (user.as_u128(), ending.below_generation, keep)
        })
        .collect();
    assert_eq!(orders, [(1, Some(4), Some(7)), (2, Some(3), None)]);
}
