//! Nothing of the process' address space is left in a frozen session: neither what is aimed anew when it is
//! thawed, nor what was left behind in its memory where nobody looks any more.

use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::SessionId;
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;

/// What the tests of images run, too; without sessions it has the same `step(number)`.
#[allow(dead_code, reason = "it is read as it is")]
#[path = "../../src/lua/image/tests/battery.rs"]
mod battery;

const SESSION: SessionId = SessionId(1);
/// Where Lua's memory is: these addresses are the same in every process.
const ARENAS: std::ops::Range<u64> = 0x2000_0000_0000..0x2b00_0000_0000;

/// The addresses that mean something in this process only.
fn mapped() -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the system tells");
    let range = |line: &str| {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((number(from)?, number(to)?))
    };
    let all = maps.lines().filter_map(range);
    all.filter(|(from, _)| !ARENAS.contains(from)).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn none_is_left_in_a_frozen_session() {
    for (name, code) in battery::BATTERY {
        let main = format!("{code}\nfor i = 0, 1 do step(i) end session:createAppVariable({{}})");
        let files = [("lua/main.lua".to_owned(), main.into_bytes())];
        let config = ManagerConfig {
            site: Site::new(files.into()),
            limits: SessionLimits {
                gas: 200_000_000,
                lua_memory: 24 << 20,
                ..SessionLimits::default()
            },
            ..ManagerConfig::default()
        };
        let runtime = LuaRuntime::new().expect("a runtime can be made");
        let mut manager = SessionManager::new(runtime, config);
        let opening = Opening::default();
        let session = SESSION;
        manager.handle_event(Event::SessionOpened { session, opening }, Turn::default());
        let frozen = manager.freeze(SESSION).expect("it can be carried");
        let mapped = mapped();
        assert!(mapped.len() > 5);
        for (at, bytes) in frozen.windows(8).enumerate() {
            let word = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
            // Most are too small or too large for an address: told first, since there are megabytes.
            let plausible = word >> 32 != 0 && word >> 47 == 0;
            let found = plausible && mapped.iter().any(|(from, to)| (*from..*to).contains(&word));
            assert!(!found, "{name}: {word:#x} at byte {at}");
        }
    }
}
