//! A question with places for values.

/// A piece of it: text, or the name of a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Name(String),
}

/// The names of the values, in their order.
pub(super) fn names(pieces: &[Piece]) -> Vec<&str> {
    let named = pieces.iter().filter_map(|piece| match piece {
        Piece::Name(name) => Some(name.as_str()),
        Piece::Text(_) => None,
    });
    named.collect()
}
