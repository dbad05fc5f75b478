//! Scenarios of small hosts: how many people the demo has room for, what open pages cost while nobody does anything, and
//! what reaches the flash in an hour.

use std::fs;
use std::io::{self, Error};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Scale;
use crate::client::{Socket, new_session};
use crate::process::Server;
use crate::report::Better::{Less, More};
use crate::report::{Figure, Report};
use crate::scenarios::receive_until;
use crate::subject::Subject;

/// What the README says of small hosts; a test starts servers with it.
pub const SMALL: &str = include_str!("../tests/operate/small.toml");
/// Its line that each host has for itself.
const TOTAL_MEMORY: &str = "total_memory = \"22M\"";
/// More than fit: the last ones are told so.
const TOO_MANY: usize = 2_000;
/// A binary that was not made to be small does not fit by itself.
const BINARY_MAX: u64 = 16 << 20;

/// What the page of the demo asks for when it opens, level by level, of a table of so many rows.
const ROWS: usize = 25;
const SUMMARY: usize = 11;

fn create(id: usize, parent: usize, properties: &str) -> String {
    format!(
        r#"{{"type":"create","data":{{"id":{id},"parentId":{parent},"properties":{{{properties}}}}}}}"#
    )
}

/// A batch whose end is told by the summary of the contacts.
fn batch(messages: &[String]) -> String {
    let messages = messages.join(",");
    let watch = format!(r#"{{"type":"watch","data":{{"varId":{SUMMARY}}}}}"#);
    format!(r#"{{"userEvent":true,"messages":[{messages},{watch}]}}"#)
}

fn update(id: usize, value: &str) -> String {
    format!(r#"{{"type":"update","data":{{"varId":{id},"value":{value}}}}}"#)
}

/// What people look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// As many rows as it shows by itself.
    Part,
    /// All of them, each with its presenter.
    Whole,
}

/// A page of the demo in use.
pub struct Demo(Socket);

impl Demo {
    pub fn open(address: SocketAddr) -> io::Result<Demo> {
        let mut page = Demo(Socket::attach(address, &new_session(address)?)?);
        let action = |path: &str| format!(r#""path":"{path}","access":"action""#);
        let value = |path: &str| format!(r#""path":"{path}""#);
        page.say(&[
            r#"{"type":"watch","data":{"varId":1}}"#.into(),
            create(2, 1, &action("contacts.show()")),
            create(3, 1, &action("live.show()")),
            create(4, 1, &action("about.show()")),
            create(5, 1, &value("contacts.current()")),
            create(6, 1, &value("contacts")),
            create(10, 6, &value("query")),
            create(SUMMARY, 6, &value("summary()")),
            create(12, 6, &value("onlyFavourites")),
            create(13, 6, &action("byName.toggle()")),
            create(14, 6, &action("showAll()")),
            create(15, 6, &action("add()")),
            create(16, 6, &value("panel")),
            create(17, 6, &value("panelOpen()")),
            create(
                18,
                6,
                r#""path":"rows()","wrapper":"lua.ViewList","itemWrapper":"ContactRow""#,
            ),
            create(19, 18, &value("items")),
        ])?;
        let rows = (0..ROWS).flat_map(|row| {
            let (item, first) = (20 + row, 100 + 10 * row);
            let fields = [
                "contact.initials()",
                "contact.name",
                "contact.company",
                "contact.city",
            ];
            let fields = fields.into_iter().enumerate();
            let fields = fields
                .map(move |(n, path)| create(first + 2 + n, first, &format!(r#""path":"{path}""#)));
            let row = [
                create(item, 19, &format!(r#""path":"{row}""#)),
                create(first, item, r#""path":"item""#),
                create(first + 1, first, r#""path":"open()","access":"action""#),
            ];
            row.into_iter().chain(fields)
        });
        page.say(&rows.collect::<Vec<_>>())?;
        Ok(page)
    }

    fn say(&mut self, messages: &[String]) -> io::Result<()> {
        self.0.send(&batch(messages))?;
        receive_until(&mut self.0, &format!(r#""varId":{SUMMARY},"#))
    }

    /// Searches, sorts, opens cards, and looks at another page: some twenty events, one of which may show all 240 contacts.
    pub fn work(&mut self, table: Table) -> io::Result<()> {
        for typed in ["a", "an", "ann", "an", "a", ""] {
            self.say(&[update(10, &format!("\"{typed}\""))])?;
        }
        for action in [13, 101, 111, 121, 13, 4, 2] {
            self.say(&[update(action, "null")])?;
        }
        if table == Table::Whole {
            self.say(&[update(14, "null")])?;
        }
        for action in [13, 13, 201] {
            self.say(&[update(action, "null")])?;
        }
        Ok(())
    }
}

/// A memory limit of the kernel's for one server; gone with it.
struct Cage {
    dir: PathBuf,
    limit_mib: u64,
    most: &'static str,
}

impl Cage {
    /// `None`: there are no cgroups here that can be made.
    fn new(limit_mib: u64) -> Option<Cage> {
        let name = format!("lunette-bench-{}", std::process::id());
        let kinds = [
            (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.max_usage_in_bytes",
            ),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ];
        kinds.into_iter().find_map(|(root, limit, most)| {
            let dir = Path::new(root).join(&name);
            let cage = Cage {
                dir,
                limit_mib,
                most,
            };
            fs::create_dir(&cage.dir).ok()?;
            let set = fs::write(cage.dir.join(limit), (limit_mib << 20).to_string());
            // Swap would hide what does not fit; kernels without it have no such file.
            let _ = fs::write(cage.dir.join("memory.swap.max"), "0");
            set.ok().map(|()| cage)
        })
    }

    fn most_mib(&self) -> io::Result<f64> {
        let text = fs::read_to_string(self.dir.join(self.most))?;
        let bytes: f64 = text.trim().parse().map_err(Error::other)?;
        Ok(bytes / f64::from(1 << 20))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // When its process is gone. What cannot be removed holds nothing any more.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// The demo with the settings of a small host, and where its sessions are kept.
struct Host {
    dir: PathBuf,
}

impl Host {
    fn new(name: &str) -> io::Result<Host> {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("small-{name}-{}", std::process::id()));
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua/demo");
        for part in ["lua", "viewdefs"] {
            fs::create_dir_all(dir.join("site").join(part))?;
            for entry in fs::read_dir(demo.join(part))? {
                let entry = entry?;
                fs::copy(
                    entry.path(),
                    dir.join("site").join(part).join(entry.file_name()),
                )?;
            }
        }
        fs::write(dir.join("site/lunette.toml"), SMALL)?;
        Ok(Host { dir })
    }

    /// Starts a server in a shell that has run `before`.
    fn serve(&self, subject: &Subject, before: &str) -> io::Result<Server> {
        let inner = subject.command(&self.dir.join("site"));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]);
        command.arg(inner.get_program()).args(inner.get_args());
        command
            .args(["--port", "0", "--state"])
            .arg(self.dir.join("state"));
        Server::start(command.stderr(fs::File::create(self.dir.join("log"))?))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// People on the demo: on a host of which size, and what they look at.
struct People<'a> {
    name: &'a str,
    limit_mib: u64,
    table: Table,
}

/// People on the demo in 32 MiB, once of address space, otherwise of memory where the system lets us, and in 64 MiB.
pub fn small_host(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let mut people = People {
        name: "32 MiB of address space",
        limit_mib: 32,
        table: Table::Part,
    };
    if fs::metadata(&subject.binary)?.len() > BINARY_MAX {
        report.note("not the release binary, which alone fits: without limits".into());
        people.name = "32 MiB, if there were a limit";
        return people.fill(subject, scale, report, ":", None);
    }
    let space = format!("ulimit -v {}", 32 << 10);
    people.fill(subject, scale, report, &space, None)?;
    for (limit_mib, table, name) in [
        (32, Table::Part, "32 MiB of memory"),
        (32, Table::Whole, "32 MiB of memory, all rows shown"),
        (64, Table::Whole, "64 MiB of memory, all rows shown"),
    ] {
        let people = People {
            name,
            limit_mib,
            table,
        };
        match Cage::new(limit_mib) {
            None => report.note("no cgroup can be made here: its part is left out".into()),
            Some(cage) => {
                let enter = format!("echo $$ > {}/cgroup.procs", cage.dir.display());
                people.fill(subject, scale, report, &enter, Some(&cage))?;
            }
        }
    }
    Ok(())
}

impl People<'_> {
    /// As many as fit: then it is said, and all who are there go on.
    fn fill(
        &self,
        subject: &Subject,
        scale: &Scale,
        report: &mut Report,
        before: &str,
        cage: Option<&Cage>,
    ) -> io::Result<()> {
        let host = Host::new("host")?;
        // Two thirds of it, as the file says of 32 MB.
        let total = format!("total_memory = \"{}M\"", self.limit_mib * 2 / 3 + 1);
        let settings = SMALL.replace(TOTAL_MEMORY, &total);
        fs::write(host.dir.join("site/lunette.toml"), settings)?;
        let server = host.serve(subject, before)?;
        let begin = || {
            let mut page = Demo::open(server.address)?;
            page.work(self.table).map(|()| page)
        };
        let mut pages = Vec::new();
        let refused = loop {
            match begin() {
                Ok(page) => pages.push(page),
                Err(error) => break error,
            }
            if pages.len() == TOO_MANY {
                return Err(Error::other("nobody is ever refused"));
            }
        };
        let mut served = 0;
        for page in &mut pages {
            served += usize::from(page.work(self.table).is_ok());
        }
        report.server_cpu(server.cpu()?.as_secs_f64());
        let name = format!("pages of the demo in {}", self.name);
        let figure = Figure::new(name, "", More, pages.len() as f64);
        report.add(match (cage, self.table) {
            (Some(_), Table::Part) => figure.target(scale.small_pages as f64),
            _ => figure,
        });
        let part = served as f64 / pages.len() as f64 * 100.0;
        report.add(Figure::new("... served when no more fit", "%", More, part).target(100.0));
        if let Some(cage) = cage {
            let most = cage.most_mib()?;
            let figure = Figure::new("... most that the kernel counted", "MiB", Less, most);
            report.add(figure.target(cage.limit_mib as f64));
        }
        let log = fs::read_to_string(host.dir.join("log"))?;
        let told = log.lines().last().unwrap_or_default();
        report.note(format!(
            "{}: one more is told {refused}; the log ends {told:?}",
            self.name
        ));
        Ok(())
    }
}

/// Pages that are open while nobody does anything.
pub fn idle_pages(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    for (name, interval) in [("with pings every 25 s", "25s"), ("without pings", "24h")] {
        let host = Host::new("idle")?;
        let roomy = SMALL.replace(TOTAL_MEMORY, "total_memory = \"256M\"");
        let settings = format!("{roomy}ping_interval = \"{interval}\"\n");
        fs::write(host.dir.join("site/lunette.toml"), settings)?;
        let server = host.serve(subject, ":")?;
        let mut pages = Vec::new();
        for _ in 0..scale.small_pages {
            let mut page = Demo::open(server.address)?;
            page.work(Table::Whole)?;
            pages.push(page);
        }
        // What the work left to be done: output that was gathered, notes that go away by themselves.
        thread::sleep(Duration::from_secs(scale.idle_seconds) * 5);
        let (sleeps, cpu) = (server.sleeps()?, server.cpu()?);
        let seconds = scale.idle_seconds * 20;
        for _ in 0..seconds * 4 {
            for page in &mut pages {
                page.0.drain()?;
            }
            thread::sleep(Duration::from_millis(250));
        }
        let woken = (server.sleeps()? - sleeps) as f64 / seconds as f64;
        let used = (server.cpu()? - cpu).as_secs_f64() * 1e3 / seconds as f64;
        report.server_cpu(server.cpu()?.as_secs_f64());
        let name = format!("{} idle pages {name}: wakeups", scale.small_pages);
        report.add(Figure::new(name, "1/s", Less, woken));
        report.add(Figure::new("... CPU", "ms/s", Less, used));
    }
    Ok(())
}

/// What one app does while a page looks at it, and how many keys are typed into it in a second.
struct Usage {
    name: &'static str,
    ticks: &'static str,
    keys_per_second: f64,
}

/// 20,000 keys in the eight hours of somebody's day.
const USAGES: [Usage; 4] = [
    Usage {
        name: "nobody does anything",
        ticks: "",
        keys_per_second: 0.0,
    },
    Usage {
        name: "20,000 keys a day of 8 hours",
        ticks: "",
        keys_per_second: 20_000.0 / 28_800.0,
    },
    Usage {
        name: "a tick a second that shows",
        ticks: "count",
        keys_per_second: 0.0,
    },
    Usage {
        name: "a tick a second that does not",
        ticks: "hidden",
        keys_per_second: 0.0,
    },
];
const DURABILITIES: [&str; 3] = ["process", "power", "none"];

/// A server with one page, whose journal is on a disk.
struct Writing {
    usage: &'static Usage,
    durability: &'static str,
    page: Socket,
    server: Server,
    before: Io,
    keys: usize,
    _host: Host,
}

/// What a process has written: bytes that reach the disk, and calls for it.
#[derive(Clone, Copy)]
struct Io {
    bytes: f64,
    calls: f64,
}

impl Io {
    fn of(server: &Server) -> io::Result<Io> {
        let text = fs::read_to_string(format!("/proc/{}/io", server.id()))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|value| value.trim().parse().ok());
            value.ok_or_else(|| Error::other(format!("no {name} in /proc/PID/io")))
        };
        Ok(Io {
            bytes: field("write_bytes:")?,
            calls: field("syscw:")?,
        })
    }
}

impl Writing {
    fn begin(
        subject: &Subject,
        usage: &'static Usage,
        durability: &'static str,
    ) -> io::Result<Writing> {
        let typed = if usage.keys_per_second > 0.0 {
            "typed"
        } else {
            usage.ticks
        };
        let host = Host::new(&format!("{durability}-{typed}"))?;
        let timer = match usage.ticks {
            "" => String::new(),
            field => {
                format!("session:setInterval(function() app.{field} = app.{field} + 1 end, 1000)\n")
            }
        };
        let main = format!(
            "local App = session:prototype('App', {{ count = 0, hidden = 0, name = '' }})\n\
             local app = session:create(App)\nsession:createAppVariable(app)\n{timer}"
        );
        fs::write(host.dir.join("site/lua/main.lua"), main)?;
        let settings = SMALL.replace(
            "[journal]",
            &format!("[journal]\ndurability = \"{durability}\""),
        );
        fs::write(host.dir.join("site/lunette.toml"), settings)?;
        let server = host.serve(subject, ":")?;
        let mut page = Socket::attach(server.address, &new_session(server.address)?)?;
        let open = [
            r#"{"type":"watch","data":{"varId":1}}"#.to_owned(),
            create(2, 1, r#""path":"count""#),
            create(SUMMARY, 1, r#""path":"name""#),
        ];
        page.send(&format!(
            r#"{{"userEvent":false,"messages":[{}]}}"#,
            open.join(",")
        ))?;
        receive_until(&mut page, &format!(r#""varId":{SUMMARY},"#))?;
        let before = Io::of(&server)?;
        Ok(Writing {
            usage,
            durability,
            page,
            server,
            before,
            keys: 0,
            _host: host,
        })
    }

    /// Types what is due after so many seconds.
    fn live(&mut self, seconds: f64) -> io::Result<()> {
        while (self.keys as f64) < seconds * self.usage.keys_per_second {
            self.keys += 1;
            let typed = "abcdefghijklmnopqrstuvwxyz0123456789";
            let value = format!("\"{}\"", &typed[..self.keys % typed.len()]);
            let message = update(SUMMARY, &value);
            self.page
                .send(&format!(r#"{{"userEvent":true,"messages":[{message}]}}"#))?;
        }
        self.page.drain().map(drop)
    }
}

/// What reaches the flash in an hour, as the kernel counts it.
pub fn flash(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let mut all = Vec::new();
    for usage in &USAGES {
        for durability in DURABILITIES {
            all.push(Writing::begin(subject, usage, durability)?);
        }
    }
    // What a beginning writes is over.
    thread::sleep(Duration::from_secs(2));
    for writing in &mut all {
        writing.before = Io::of(&writing.server)?;
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(scale.flash_seconds) {
        for writing in &mut all {
            writing.live(began.elapsed().as_secs_f64())?;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let hours = began.elapsed().as_secs_f64() / 3600.0;
    for writing in &all {
        let after = Io::of(&writing.server)?;
        report.server_cpu(writing.server.cpu()?.as_secs_f64());
        let name = format!("{}, {}", writing.usage.name, writing.durability);
        let kib = (after.bytes - writing.before.bytes) / 1024.0 / hours;
        report.add(Figure::new(name, "KiB/h", Less, kib));
        let calls = (after.calls - writing.before.calls) / hours;
        report.add(Figure::new("... calls of write", "1/h", Less, calls));
    }
    report.note(format!(
        "measured for {} s and reckoned up",
        scale.flash_seconds
    ));
    Ok(())
}
