//! How what a session consists of is written down and read back, for `frozen`.
//!
//! What a type is written as is said where its fields are, by [`carry!`]: a field that is not named
//! there does not compile. Reading never trusts what it reads: `None` for whatever is not well formed,
//! and no more memory than a small multiple of the bytes that are there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::code::{Decoder, push_bytes, push_signed, push_varint};

/// Can be written down, at least a byte of it, and read back.
pub(crate) trait Carry: Sized {
    /// Appends all of it.
    fn freeze(&self, out: &mut Vec<u8>);

    /// Reads what [`Carry::freeze`] wrote.
    fn thaw(from: &mut Decoder<'_>) -> Option<Self>;

    /// Appends how many there are and each of them.
    fn freeze_list(items: &[Self], out: &mut Vec<u8>) {
        freeze_all(items.iter(), out);
    }

    /// Reads what [`Carry::freeze_list`] wrote.
    fn thaw_list(from: &mut Decoder<'_>) -> Option<Vec<Self>> {
        let mut all = thaw_all(from, |all: &mut Vec<Self>, item| {
            all.push(item);
            Some(())
        })?;
        all.shrink_to_fit();
        Some(all)
    }
}

/// Implements [`Carry`].
///
/// - `carry!(struct Name { field, ... })`: all fields, in this order;
///   with `made { field: expression, ... }` behind it: fields that are made of the others
/// - `carry!(enum Name { 0 => Unit, 1 => Fields { field, ... }, 2 => Tuple(a, ...), ... })`
/// - `carry!(newtype Name)`
macro_rules! carry {
    (struct $name:ident { $($field:ident),* $(,)? } $(made { $($made:ident: $value:expr),* $(,)? })?) => {
        impl $crate::core::carry::Carry for $name {
            fn freeze(&self, out: &mut Vec<u8>) {
                let $name { $($field,)* $($($made: _,)*)? } = self;
                $($crate::core::carry::Carry::freeze($field, out);)*
            }

            fn thaw(from: &mut $crate::core::code::Decoder<'_>) -> Option<Self> {
                $(let $field = $crate::core::carry::Carry::thaw(from)?;)*
                $($(let $made = $value;)*)?
                Some($name { $($field,)* $($($made,)*)? })
            }
        }
    };
    (enum $name:ident { $(
        $tag:literal => $variant:ident $({ $($field:ident),* })? $(($($item:ident),*))?
    ),* $(,)? }) => {
        impl $crate::core::carry::Carry for $name {
            fn freeze(&self, out: &mut Vec<u8>) {
                match self {
                    $($name::$variant $({ $($field),* })? $(($($item),*))? => {
                        out.push($tag);
                        $($($crate::core::carry::Carry::freeze($field, out);)*)?
                        $($($crate::core::carry::Carry::freeze($item, out);)*)?
                    })*
                }
            }

            fn thaw(from: &mut $crate::core::code::Decoder<'_>) -> Option<Self> {
                match from.byte()? {
                    $($tag => {
                        $($(let $field = $crate::core::carry::Carry::thaw(from)?;)*)?
                        $($(let $item = $crate::core::carry::Carry::thaw(from)?;)*)?
                        Some($name::$variant $({ $($field),* })? $(($($item),*))?)
                    })*
                    _ => None,
                }
            }
        }
    };
    (newtype $name:ident) => {
        impl $crate::core::carry::Carry for $name {
            fn freeze(&self, out: &mut Vec<u8>) {
                let $name(inner) = self;
                $crate::core::carry::Carry::freeze(inner, out);
            }

            fn thaw(from: &mut $crate::core::code::Decoder<'_>) -> Option<Self> {
                Some($name($crate::core::carry::Carry::thaw(from)?))
            }
        }
    };
}
pub(crate) use carry;

impl Carry for u64 {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_varint(out, *self);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<u64> {
        from.varint()
    }
}

impl Carry for usize {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_varint(out, *self as u64);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<usize> {
        from.varint()?.try_into().ok()
    }
}

/// These are slots and places, and the last of them stands for none of either: written as 0.
impl Carry for u32 {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_varint(out, self.wrapping_add(1).into());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<u32> {
        let above = u32::try_from(from.varint()?).ok()?;
        Some(above.wrapping_sub(1))
    }
}

impl Carry for u8 {
    fn freeze(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<u8> {
        from.byte()
    }

    // There may be megabytes of them.
    fn freeze_list(items: &[u8], out: &mut Vec<u8>) {
        push_bytes(out, items);
    }

    fn thaw_list(from: &mut Decoder<'_>) -> Option<Vec<u8>> {
        from.bytes().map(Into::into)
    }
}

impl Carry for i64 {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_signed(out, *self);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<i64> {
        from.signed()
    }
}

impl Carry for u128 {
    fn freeze(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<u128> {
        from.u128()
    }
}

impl Carry for bool {
    fn freeze(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<bool> {
        from.flag()
    }
}

impl Carry for Box<str> {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_bytes(out, self.as_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Box<str>> {
        from.text().map(Into::into)
    }
}

impl Carry for Rc<str> {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_bytes(out, self.as_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Rc<str>> {
        from.text().map(Into::into)
    }
}

impl Carry for String {
    fn freeze(&self, out: &mut Vec<u8>) {
        push_bytes(out, self.as_bytes());
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<String> {
        from.text().map(Into::into)
    }
}

impl<T: Carry> Carry for Box<T> {
    fn freeze(&self, out: &mut Vec<u8>) {
        (**self).freeze(out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Box<T>> {
        T::thaw(from).map(Box::new)
    }
}

impl<T: Carry> Carry for Option<T> {
    fn freeze(&self, out: &mut Vec<u8>) {
        self.is_some().freeze(out);
        if let Some(inner) = self {
            inner.freeze(out);
        }
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Option<T>> {
        match from.flag()? {
            true => T::thaw(from).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Carry, const N: usize> Carry for [T; N] {
    fn freeze(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|item| item.freeze(out));
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<[T; N]> {
        let items: Option<Vec<T>> = (0..N).map(|_| T::thaw(from)).collect();
        items?.try_into().ok()
    }
}

/// Appends a number of things and each of them.
fn freeze_all<'a, T: Carry + 'a>(items: impl ExactSizeIterator<Item = &'a T>, out: &mut Vec<u8>) {
    items.len().freeze(out);
    items.for_each(|item| item.freeze(out));
}

/// Reads what [`freeze_all`] wrote. A wrong number finds nothing left to read before it has taken up
/// memory.
fn thaw_all<T: Carry, C: Default>(
    from: &mut Decoder<'_>,
    mut put: impl FnMut(&mut C, T) -> Option<()>,
) -> Option<C> {
    let mut all = C::default();
    for _ in 0..usize::thaw(from)? {
        put(&mut all, T::thaw(from)?)?;
    }
    Some(all)
}

impl<T: Carry> Carry for Vec<T> {
    fn freeze(&self, out: &mut Vec<u8>) {
        T::freeze_list(self, out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Vec<T>> {
        T::thaw_list(from)
    }
}

impl<T: Carry> Carry for Box<[T]> {
    fn freeze(&self, out: &mut Vec<u8>) {
        T::freeze_list(self, out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<Box<[T]>> {
        T::thaw_list(from).map(Into::into)
    }
}

impl<T: Carry> Carry for VecDeque<T> {
    fn freeze(&self, out: &mut Vec<u8>) {
        freeze_all(self.iter(), out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<VecDeque<T>> {
        Vec::thaw(from).map(Into::into)
    }
}

impl<T: Carry + Ord> Carry for BTreeSet<T> {
    fn freeze(&self, out: &mut Vec<u8>) {
        freeze_all(self.iter(), out);
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<BTreeSet<T>> {
        thaw_all(from, |all: &mut BTreeSet<T>, item| {
            all.insert(item).then_some(())
        })
    }
}

impl<K: Carry + Ord, V: Carry> Carry for BTreeMap<K, V> {
    fn freeze(&self, out: &mut Vec<u8>) {
        self.len().freeze(out);
        for (key, value) in self {
            key.freeze(out);
            value.freeze(out);
        }
    }

    fn thaw(from: &mut Decoder<'_>) -> Option<BTreeMap<K, V>> {
        thaw_all(from, |all: &mut BTreeMap<K, V>, (key, value)| {
            all.insert(key, value).is_none().then_some(())
        })
    }
}

macro_rules! carry_tuple {
    ($($name:ident)*) => {
        impl<$($name: Carry),*> Carry for ($($name,)*) {
            #[allow(non_snake_case)]
            fn freeze(&self, out: &mut Vec<u8>) {
                let ($($name,)*) = self;
                $($name.freeze(out);)*
            }

            fn thaw(from: &mut Decoder<'_>) -> Option<Self> {
                Some(($($name::thaw(from)?,)*))
            }
        }
    };
}
carry_tuple!(A B);
carry_tuple!(A B C D);
