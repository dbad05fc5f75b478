//! What recording costs an action of the counter, from its frame to the frames that answer it; and what is
//! written, which `journal` measures.

use std::path::PathBuf;
use std::rc::Rc;

use lunette::journal::{Detail, RealDisk};

use crate::Harness;
use crate::journal::{ACTION, Journaled, figures};

/// A state directory that is removed afterwards.
struct State(PathBuf);

impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(harness: &Harness) {
    for (name, written) in figures() {
        if harness.wants(name) {
            println!(
                "{name:<52} {:>10} B in {} calls, {} B stored before",
                written.bytes, written.calls, written.stored
            );
        }
    }
    for (name, detail, writes) in [
        ("recording: an action, not recorded", Detail::Digest, false),
        ("recording: an action, digests", Detail::Digest, true),
        ("recording: an action, all frames", Detail::Full, true),
    ] {
        let dir = std::env::temp_dir().join(format!("lunette-recording-{}", std::process::id()));
        let state = State(dir);
        let mut session = Journaled::counter(detail, Rc::new(RealDisk), &state.0);
        if !writes {
            session.stop_writing();
        }
        harness.bench(name, 1, || session.receive(ACTION));
    }
}
