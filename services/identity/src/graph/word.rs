/// What a node says, in one word, so that a reader sees all of it or nothing:
///
/// | bits | |
/// |---|---|
/// | 0–39 | the anchor's number; in an anchor, the offset of its component's last change plus one; while a message that changes the node is in flight, the number of the change |
/// | 40 | whether the node is an anchor |
/// | 41 | whether the word points to a change |
/// | 42–46 | [`Flags`] |
/// | 48–52 | type |
/// | 56–63 | generation |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

const NUMBER: u64 = (1 << 40) - 1;
const IS_ANCHOR: u64 = 1 << 40;
const CHANGES: u64 = 1 << 41;
const FLAGS_AT: u32 = 42;
const KIND_AT: u32 = 48;
const GENERATION_AT: u32 = 56;

/// Marks of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u8);

impl Flags {
    /// Says nothing about who acts, and links to nobody.
    pub(super) const SHARED: Flags = Flags(1);
    /// An earlier generation: new records never use it.
    pub(super) const CLOSED: Flags = Flags(2);
    /// Never to be linked again.
    pub(super) const SUPPRESSED: Flags = Flags(4);
    /// Its identifier was erased: links from before are refused.
    pub(super) const ERASED: Flags = Flags(8);
    /// Its identifier is part of a vetoed pair.
    pub(super) const VETOED: Flags = Flags(16);

    pub(super) const fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    /// Whether any of several is set.
    pub(super) const fn has_any(self, flags: &[Flags]) -> bool {
        let mut index = 0;
        while index < flags.len() {
            if self.has(flags[index]) {
                return true;
            }
            index += 1;
        }
        false
    }

    pub(super) const fn with(self, flag: Flags) -> Flags {
        Flags(self.0 | flag.0)
    }

    pub(super) const fn without(self, flag: Flags) -> Flags {
        Flags(self.0 & !flag.0)
    }

    /// Whether nothing is set.
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Word {
    /// A node of its own.
    pub(super) const fn alone(kind: u8, generation: u8) -> Self {
        Word(IS_ANCHOR | (kind as u64) << KIND_AT | (generation as u64) << GENERATION_AT)
    }

    pub(super) const fn pointing_to(change: u32) -> Self {
        Word(CHANGES | change as u64)
    }

    /// The change it points to, if one is in flight.
    #[inline]
    pub(super) const fn change(self) -> Option<u32> {
        if self.0 & CHANGES == 0 { None } else { Some((self.0 & NUMBER) as u32) }
    }

    /// The component's version, if the node is an anchor.
    #[inline]
    pub(super) const fn version(self) -> Option<u64> {
        if self.0 & IS_ANCHOR == 0 { None } else { Some(self.0 & NUMBER) }
    }

    /// The anchor's number, if the node is none.
    #[inline]
    pub(super) const fn anchor(self) -> u32 {
        (self.0 & NUMBER) as u32
    }

    pub(super) const fn kind(self) -> u8 {
        (self.0 >> KIND_AT & 31) as u8
    }

    pub(super) const fn generation(self) -> u8 {
        (self.0 >> GENERATION_AT) as u8
    }

    pub(super) const fn flags(self) -> Flags {
        Flags((self.0 >> FLAGS_AT & 31) as u8)
    }

    pub(super) const fn with_flags(self, flags: Flags) -> Self {
        Word(self.0 & !(31 << FLAGS_AT) | (flags.0 as u64) << FLAGS_AT)
    }

    pub(super) const fn with_version(self, version: u64) -> Self {
        Word(self.0 & !NUMBER | IS_ANCHOR | version)
    }

    pub(super) const fn with_anchor(self, anchor: u32) -> Self {
        Word(self.0 & !(NUMBER | IS_ANCHOR) | anchor as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_touch_each_other() {
        let word = Word::alone(23, 255);
        assert_eq!(
            (word.kind(), word.generation(), word.version(), word.flags()),
            (23, 255, Some(0), Flags::default())
        );
        let word = word.with_version(NUMBER).with_flags(Flags::SHARED.with(Flags::VETOED));
        assert_eq!((word.kind(), word.generation(), word.version(), word.change()), (23, 255, Some(NUMBER), None));
        assert!(word.flags().has(Flags::SHARED) && word.flags().has(Flags::VETOED) && !word.flags().has(Flags::CLOSED));
        let word = word.with_anchor(u32::MAX).with_flags(word.flags().without(Flags::SHARED));
        assert_eq!((word.version(), word.anchor(), word.flags()), (None, u32::MAX, Flags::VETOED));
        assert_eq!(Word::pointing_to(7).change(), Some(7));
    }
}
