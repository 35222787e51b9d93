//! A record's content as a tree, whatever its encoding. Texts and numbers borrow from the payload where they can.

use std::borrow::Cow;

/// Name and value within an object.
pub(crate) type Member<'a> = (Cow<'a, str>, Node<'a>);

/// One value. Numbers stay as they were written, so that none is ever rounded.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Node<'a> {
    /// Absent and null are the same to every field.
    #[default]
    Null,
    Bool(bool),
    /// A number as JSON writes it.
    Number(Cow<'a, str>),
    /// A number that came in binary.
    Int(i64),
    Text(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Each name once.
    Object(Vec<Member<'a>>),
}

impl<'a> Node<'a> {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Node::Null)
    }

    /// What it is, for messages to people.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) | Node::Int(_) => "a number",
            Node::Text(_) => "a text",
            Node::Array(_) => "an array",
            Node::Object(_) => "an object",
        }
    }

    /// The text of a text or a number, which is how ids are written; `Err` with the node when it is neither.
    pub(crate) fn into_scalar_text(self) -> Result<Option<Cow<'a, str>>, Node<'a>> {
        match self {
            Node::Null => Ok(None),
            Node::Text(text) | Node::Number(text) => Ok(Some(text)),
            Node::Int(number) => Ok(Some(Cow::Owned(number.to_string()))),
            other => Err(other),
        }
    }
}

/// Above this many members, repeated names are looked for by sorting.
const FEW_MEMBERS: usize = 32;

/// The members of one object while it is being read. Of a repeated name the last value wins, at the first one's place,
/// as in JavaScript.
#[derive(Debug, Default)]
pub(crate) struct ObjectBuilder<'a> {
    members: Vec<Member<'a>>,
    /// One bit for each hash of a name seen: a clear bit proves that a name is new.
    seen: u64,
}

impl<'a> ObjectBuilder<'a> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        ObjectBuilder { members: Vec::with_capacity(capacity), seen: 0 }
    }

    #[inline]
    pub(crate) fn insert(&mut self, name: Cow<'a, str>, value: Node<'a>) {
        let bit = name_bit(&name);
        if self.seen & bit != 0 && self.members.len() <= FEW_MEMBERS {
            return self.insert_or_replace(name, value);
        }
        self.seen |= bit;
        self.members.push((name, value));
    }

    fn insert_or_replace(&mut self, name: Cow<'a, str>, value: Node<'a>) {
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some(member) => member.1 = value,
            None => self.members.push((name, value)),
        }
    }

    pub(crate) fn finish(self) -> Vec<Member<'a>> {
        if self.members.len() <= FEW_MEMBERS {
            return self.members;
        }
        last_of_each(self.members)
    }
}

#[inline]
fn name_bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return 1;
    };
    let middle = bytes[bytes.len() / 2];
    let mix = usize::from(*first) ^ usize::from(*last) << 1 ^ usize::from(middle) << 3;
    1 << ((mix + bytes.len() * 7) & 63)
}

/// Repeated names by sorting, so that an object made of thousands of them costs no quadratic time.
fn last_of_each(mut members: Vec<Member>) -> Vec<Member> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| members[*a].0.cmp(&members[*b].0).then(a.cmp(b)));
    let mut keep = vec![true; members.len()];
    let mut moves = Vec::new();
    for same_name in order.chunk_by(|a, b| members[*a].0 == members[*b].0) {
        if let [first, repeated @ .., last] = same_name {
            repeated.iter().chain([last]).for_each(|index| keep[*index] = false);
            moves.push((*first, *last));
        }
    }
    for (first, last) in moves {
        members[first].1 = std::mem::take(&mut members[last].1);
    }
    let mut keep = keep.into_iter();
    members.retain(|_| keep.next().unwrap_or(true));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(names: impl Iterator<Item = usize>) -> Vec<(String, i64)> {
        let mut object = ObjectBuilder::default();
        for (index, name) in names.enumerate() {
            object.insert(Cow::Owned(name.to_string()), Node::Int(index as i64));
        }
        let value = |node| match node {
            Node::Int(value) => value,
            other => panic!("{other:?}"),
        };
        object.finish().into_iter().map(|(name, node)| (name.into_owned(), value(node))).collect()
    }

    #[test]
    fn the_last_value_wins_at_the_first_place() {
        let expected = |values: &[(&str, i64)]| -> Vec<(String, i64)> {
            values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
        };
        assert_eq!(built([1, 2, 1, 3, 1].into_iter()), expected(&[("1", 4), ("2", 1), ("3", 3)]));
        assert_eq!(built([].into_iter()), []);
    }

    #[test]
    fn many_members_behave_like_few() {
        for distinct in [1, 7, 31, 32, 33, 100] {
            let many = built((0..1000).map(|index| index * index % distinct));
            let mut names: Vec<usize> = Vec::new();
            for index in 0..1000 {
                let name = index * index % distinct;
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            let last = |name: usize| (0..1000).rev().find(|index| index * index % distinct == name).unwrap();
            let expected: Vec<_> = names.iter().map(|name| (name.to_string(), last(*name) as i64)).collect();
            assert_eq!(many, expected, "{distinct} names");
        }
    }
}
