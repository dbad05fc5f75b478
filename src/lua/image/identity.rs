//! Which build of the program this is: the number that the linker made of all of it.

use std::sync::OnceLock;

/// The number, or `None` where the linker leaves none.
pub(super) fn build() -> Option<&'static [u8]> {
    static BUILD: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    BUILD.get_or_init(notes::build).as_deref()
}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod notes {
    use std::os::raw::{c_int, c_void};

    const NT_GNU_BUILD_ID: u32 = 3;

    pub fn build() -> Option<Vec<u8>> {
        let mut found: Option<Vec<u8>> = None;
        // SAFETY: the callback gets the address of `found`, which outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
        found
    }

    /// Called for every loaded object; the first is the program.
    unsafe extern "C" fn look(
        object: *mut libc::dl_phdr_info,
        _: usize,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader describes an object that stays loaded, its notes are mapped.
        unsafe {
            let object = &*object;
            let count = usize::from(object.dlpi_phnum);
            for segment in std::slice::from_raw_parts(object.dlpi_phdr, count) {
                if segment.p_type != libc::PT_NOTE {
                    continue;
                }
                let start = object.dlpi_addr.wrapping_add(segment.p_vaddr) as usize;
                let start = std::ptr::with_exposed_provenance::<u8>(start);
                let notes = std::slice::from_raw_parts(start, segment.p_filesz as usize);
                if let Some(id) = build_of(notes, segment.p_align) {
                    *found.cast::<Option<Vec<u8>>>() = Some(id.to_vec());
                }
            }
        }
        1
    }

    /// The build among notes: name size, size, type, name, content, both padded.
    pub fn build_of(mut notes: &[u8], align: u64) -> Option<&[u8]> {
        let align = if align == 8 { 8 } else { 4 };
        loop {
            let (head, rest) = notes.split_at_checked(12)?;
            let number = |at: usize| {
                let bytes = head[at..at + 4].try_into().expect("four bytes");
                u32::from_ne_bytes(bytes)
            };
            let (name_size, size) = (number(0) as usize, number(4) as usize);
            let padded = |size: usize| size.next_multiple_of(align);
            let (name, rest) = rest.split_at_checked(padded(name_size))?;
            let content = rest.get(..size)?;
            if number(8) == NT_GNU_BUILD_ID && name.starts_with(b"GNU\0") {
                return Some(content);
            }
            notes = rest.get(padded(size)..)?;
        }
    }
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
mod notes {
    pub fn build() -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    fn the_build_is_found_among_notes() {
        let note = |kind: u32, name: &[u8], content: &[u8]| {
            let mut note = Vec::new();
            for number in [name.len() as u32, content.len() as u32, kind] {
                note.extend(number.to_ne_bytes());
            }
            for part in [name, content] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(4), 0);
            }
            note
        };
        let other = note(1, b"GNU\0", &[1; 16]);
        let build = note(3, b"GNU\0", b"12345");
        let all = [other.clone(), build].concat();
        assert_eq!(super::notes::build_of(&all, 4), Some(&b"12345"[..]));
        assert_eq!(super::notes::build_of(&other, 4), None);
        assert!(super::build().is_some_and(|id| id.len() >= 8));
    }
}
