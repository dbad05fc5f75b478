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

use play::{Played, play, play_again};
use stage::file;

const ACTIONS: usize = 5_000;
/// Processes at a time.
const AT_ONCE: usize = 2;

#[test]
fn random_actions_replay_anywhere_beside_anyone() {
    for seed in seeds() {
        let begun = std::time::Instant::now();
        let folder =
            std::env::temp_dir().join(format!("lunette-million-{}-{seed}", std::process::id()));
        let (first, second) = (folder.join("first"), folder.join("second"));
        fs::create_dir_all(&folder).expect("a folder");
        let played = play(seed, ACTIONS, &first);
        println!(
            "played {:?} {} {} {}",
            begun.elapsed(),
            played.sessions.len(),
            played.frames,
            played.thawed
        );
        let much = played.frames as usize > ACTIONS / 2 && played.thawed > 10;
        assert!(much, "{} frames, {} thawed", played.frames, played.thawed);
        let mut complaints =
            replay_elsewhere(Path::new(env!("CARGO_BIN_EXE_lunette")), &played, &first);
        println!("replayed {:?}", begun.elapsed());
        if let Some(other) = other_build(&played, &first) {
            complaints.extend(replay_elsewhere(&other, &played, &first));
        }
        println!("other {:?}", begun.elapsed());
        play_again(&played, seed, &first, &second);
        println!("again {:?}", begun.elapsed());
        complaints.extend(differences(&played, &first, &second));
        assert!(
            complaints.is_empty(),
            "{}\n\nagain: LUNETTE_SEED={seed} cargo test --test lunette million\nrecordings: {}",
            complaints.join("\n"),
            folder.display()
        );
        let _ = fs::remove_dir_all(&folder);
    }
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

/// Replays all recordings, each by a process of its own that stands elsewhere; what is not as recorded.
fn replay_elsewhere(lunette: &Path, played: &Played, folder: &Path) -> Vec<String> {
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
    for &(session, _) in &played.sessions {
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
