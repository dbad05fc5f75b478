//! Random actions in a hundred sessions of several apps replay byte-identical: in other processes, from another
//! directory, in another order among each other, frozen or not on the way, and in the other build profile.
//!
//! `LUNETTE_LONG=1` plays a million, else it is a tenth of that. A seed that failed alone:
//! `LUNETTE_SEED=7 cargo test --test lunette million`; its recordings are kept.

mod play;
mod stage;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use play::{Played, play, play_again};
use stage::file;

const ACTIONS: usize = 100_000;
/// One in so many sessions.
const SOME: usize = 7;
/// Processes at a time.
const AT_ONCE: usize = 2;

#[test]
fn random_actions_replay_anywhere_beside_anyone() {
    for seed in seeds() {
        let name = format!("lunette-million-{}-{seed}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        let complaints = complaints_about(seed, &folder);
        assert!(
            complaints.is_empty(),
            "{}\nonce more: LUNETTE_SEED={seed} cargo test --test lunette million; recordings: {}",
            complaints.join("\n"),
            folder.display()
        );
        let _ = fs::remove_dir_all(&folder);
    }
}

fn complaints_about(seed: u64, folder: &Path) -> Vec<String> {
    let [first, second] = ["first", "second"].map(|name| folder.join(name));
    let played = play(seed, ACTIONS, &first);
    let much = played.frames as usize > ACTIONS / 3 && played.thawed > 500;
    assert!(much, "the monkeys were lazy: {played:?}");
    let this = PathBuf::from(env!("CARGO_BIN_EXE_lunette"));
    // Optimised it costs a tenth: then this build looks at a few only.
    let builds = match other_build(&played, &first) {
        Some(other) => vec![(other, 1), (this, SOME)],
        None => vec![(this, 1)],
    };
    let mut complaints = thread::scope(|beside| {
        let replays = beside.spawn(|| {
            let replay = |(build, one_in): &(PathBuf, usize)| {
                replay_elsewhere(build, &played, *one_in, &first)
            };
            builds.iter().flat_map(replay).collect::<Vec<_>>()
        });
        play_again(&played, seed, &first, &second);
        replays.join().expect("the replays end")
    });
    complaints.extend(differences(&played, &first, &second));
    complaints
}

fn is_long() -> bool {
    std::env::var("LUNETTE_LONG").is_ok_and(|value| value == "1")
}

fn seeds() -> Range<u64> {
    match std::env::var("LUNETTE_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("LUNETTE_SEED is a number");
            seed..seed + 1
        }
        Err(_) if is_long() => 1..11,
        Err(_) => 1..2,
    }
}

/// Replays one in so many recordings, each by a process of its own that stands elsewhere; what is not as recorded.
fn replay_elsewhere(lunette: &Path, played: &Played, one_in: usize, folder: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut running: Vec<(PathBuf, Child)> = Vec::new();
    let mut end = |(file, child): (PathBuf, Child)| {
        let output = child.wait_with_output().expect("lunette ends");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let exact = said.ends_with("all as recorded\n") && !said.contains("note:");
        if !output.status.success() || !exact {
            complaints.push(format!(
                "{} replay {}: {said}",
                lunette.display(),
                file.display()
            ));
        }
    };
    for &(session, _) in played.sessions.iter().step_by(one_in) {
        if running.len() == AT_ONCE {
            end(running.remove(0));
        }
        let file = file(folder, session);
        let child = replay(lunette, &file);
        running.push((file, child));
    }
    running.into_iter().for_each(&mut end);
    complaints
}

fn replay(lunette: &Path, file: &Path) -> Child {
    let mut command = Command::new(lunette);
    command.arg("replay").arg(file).current_dir("/");
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    piped.spawn().expect("lunette runs")
}

/// The binary of the other profile, if it is there and of the same sources. `tests/run` builds it before.
fn other_build(played: &Played, folder: &Path) -> Option<PathBuf> {
    let profile = if cfg!(debug_assertions) {
        "release"
    } else {
        "debug"
    };
    let target = Path::new(env!("CARGO_BIN_EXE_lunette"))
        .ancestors()
        .nth(2)?;
    let other = target.join(profile).join("lunette");
    let problem = if !other.exists() {
        "is not there"
    } else {
        let child = replay(&other, &file(folder, played.sessions[0].0));
        let output = child.wait_with_output().expect("lunette ends");
        match String::from_utf8_lossy(&output.stdout).contains("another build") {
            true => "is of other sources",
            false => return Some(other),
        }
    };
    assert!(!is_long(), "{} {problem}: build it first", other.display());
    println!("skipped the other profile: {} {problem}", other.display());
    None
}

/// Recordings of the same inputs that are not the same bytes.
fn differences(played: &Played, first: &Path, second: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for &(session, _) in &played.sessions {
        let [one, two] = [first, second].map(|folder| file(folder, session));
        let [a, b] = [&one, &two].map(|file| fs::read(file).expect("a recording"));
        if a != b {
            let at = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
            complaints.push(format!(
                "{} and {} differ at byte {at}: compare what `lunette transcript` shows of both",
                one.display(),
                two.display()
            ));
        }
    }
    complaints
}
