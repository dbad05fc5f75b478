//! Benches of what goes out of a session: a file read, a line of a process heard.

use std::collections::BTreeMap;
use std::hint::black_box;

use lunette::config::Directories;
use lunette::core::event::{Event, Opening, Turn};
use lunette::core::id::SessionId;
use lunette::core::limits::SessionLimits;
use lunette::core::manager::{ManagerConfig, SessionManager};
use lunette::core::outside::{Grants, Nowhere, Outside, ProcessNews, Stream};
use lunette::core::site::Site;
use lunette::lua::LuaRuntime;
use lunette::server::outside::Machine;

use crate::Harness;

/// Calls, and lines, in one event.
const MANY: usize = 100;

const APP: &str = "
session:createAppVariable({ type = 'App' })
local heard = 0
local function line(text) heard = heard + #text end
session:spawn { cmd = 'true', onLine = function(text)
  if text == 'read' then
    for _ = 1, 100 do session:readFile('/proc/loadavg') end
  else
    line(text)
  end
end }
";

struct Bench {
    manager: SessionManager<LuaRuntime>,
    turn: Turn,
}

impl Bench {
    const SESSION: SessionId = SessionId(1);

    fn new(outside: Box<dyn Outside>) -> Bench {
        let files = BTreeMap::from([("lua/main.lua".to_owned(), APP.as_bytes().to_vec())]);
        let grants = Grants {
            files: true,
            spawn: true,
            commands: vec!["true".into()],
            ..Grants::default()
        };
        let config = ManagerConfig {
            site: Site::new(files),
            limits: SessionLimits {
                grants,
                ..SessionLimits::default()
            },
            verbosity: 0,
        };
        let runtime = LuaRuntime::new().expect("a Lua state can be made");
        let mut bench = Bench {
            manager: SessionManager::new(runtime, config),
            turn: Turn::default(),
        };
        bench.manager.set_outside(outside);
        bench.handle(Event::SessionOpened {
            session: Bench::SESSION,
            opening: Opening {
                seed: 1,
                url: "/".into(),
                ..Opening::default()
            },
        });
        bench
    }

    fn hear(&mut self, text: &[u8]) {
        self.handle(Event::Process {
            session: Bench::SESSION,
            process: 1,
            news: ProcessNews::Lines {
                stream: Stream::Out,
                text: text.to_vec(),
            },
        });
    }

    fn handle(&mut self, event: Event) {
        self.turn.now += 1;
        self.manager.handle_event(event, self.turn);
        while let Some(effect) = self.manager.poll_effect() {
            black_box(effect);
        }
    }
}

pub fn run(harness: &Harness) {
    let granted = Directories {
        read: vec!["/proc/loadavg".into()],
        write: Vec::new(),
    };
    let machine = Machine::new(None, &granted);
    let mut bench = Bench::new(Box::new(machine));
    harness.bench("outside: session:readFile of /proc/loadavg", MANY, || {
        bench.hear(b"read\n")
    });
    let mut bench = Bench::new(Box::new(Nowhere));
    harness.bench("outside: session:readFile, answered at once", MANY, || {
        bench.hear(b"read\n")
    });
    harness.bench("outside: a line of a process, alone", 1, || {
        bench.hear(b"one line of a usual length, as programs write them\n")
    });
    let lines = b"one line of a usual length, as programs write them\n".repeat(MANY);
    harness.bench(
        "outside: a line of a process, in a chunk of 100",
        MANY,
        || bench.hear(&lines),
    );
}
