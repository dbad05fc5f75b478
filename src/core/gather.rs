//! Maps and sets of what an iterator gives.

/// Puts one after the other in. `collect` would sort them first, with code of its own for every type: that is for maps
/// so large, or made so often, that it is worth 6 kB of the program.
pub fn gather<T, C: Default + Extend<T>>(items: impl IntoIterator<Item = T>) -> C {
    let mut all = C::default();
    all.extend(items);
    all
}
