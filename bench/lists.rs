//! Scenarios about long lists: 10,000 rows as a base client shows them (by index) and as our own client does (by
//! item, arrays in pieces), each edit with what the page does about it; and 50,000 rows behind a window.

use std::fmt::Write;
use std::io::{self, Error};

use crate::Scale;
use crate::client::{Socket, new_session};
use crate::process::Server;
use crate::report::Better::Less;
use crate::report::{Figure, Report, median};
use crate::scenarios::{millis, receive_until};
use crate::subject::Subject;

/// Variables of the app: the size, where edits are made, and the actions from here on.
const SIZE_ID: usize = 2;
const AT_ID: usize = 3;
const FIRST_ACTION_ID: usize = 4;
const ACTIONS: [&str; 8] = [
    "fill()",
    "touch()",
    "append()",
    "insert()",
    "delete()",
    "move()",
    "reverse()",
    "sort()",
];
const FILTER_ID: usize = FIRST_ACTION_ID + ACTIONS.len();
const LIST_ID: usize = 20;
const ITEMS_ID: usize = 21;
const FIRST_ROW_ID: usize = 30;
/// Below the server's limit for one frame, as our client does it.
const FRAME_BYTES: usize = 250_000;
/// Variables of one row: the item, the element, and two of its fields.
const PER_ROW: usize = 4;

/// How a client names the rows.
#[derive(Clone, Copy, PartialEq)]
enum Naming {
    /// By their index in the array: the base protocol.
    Index,
    /// By their item, and arrays come in pieces.
    Item,
}

struct Page<'a> {
    server: &'a Server,
    socket: Socket,
    naming: Naming,
    batch: String,
    next_id: usize,
    /// The row variables, in the order of the rows.
    rows: Vec<usize>,
}

impl<'a> Page<'a> {
    /// A session with so many rows, none of them shown.
    fn open(server: &'a Server, naming: Naming, rows: usize) -> io::Result<Page<'a>> {
        let socket = Socket::attach(server.address, &new_session(server.address)?)?;
        let mut page = Page {
            server,
            socket,
            naming,
            batch: String::new(),
            next_id: FIRST_ROW_ID,
            rows: Vec::new(),
        };
        page.say(r#"{"type":"watch","data":{"varId":1}}"#)?;
        page.create(SIZE_ID, 1, r#""path":"size""#)?;
        page.create(AT_ID, 1, r#""path":"at""#)?;
        for (i, action) in ACTIONS.into_iter().enumerate() {
            let properties = format!(r#""path":"{action}","access":"action""#);
            page.create(FIRST_ACTION_ID + i, 1, &properties)?;
        }
        page.create(FILTER_ID, 1, r#""path":"filter(_)""#)?;
        page.settle()?;
        page.set(SIZE_ID, &rows.to_string())?;
        page.act("fill()")?;
        Ok(page)
    }

    fn say(&mut self, message: &str) -> io::Result<()> {
        let comma = if self.batch.is_empty() { "" } else { "," };
        let _ = write!(self.batch, "{comma}{message}");
        if self.batch.len() > FRAME_BYTES {
            self.flush(false)?;
        }
        Ok(())
    }

    fn create(&mut self, id: usize, parent: usize, properties: &str) -> io::Result<()> {
        self.say(&format!(
            r#"{{"type":"create","data":{{"id":{id},"parentId":{parent},"properties":{{{properties}}}}}}}"#
        ))
    }

    fn set(&mut self, id: usize, value: &str) -> io::Result<()> {
        self.say(&format!(
            r#"{{"type":"update","data":{{"varId":{id},"value":{value}}}}}"#
        ))
    }

    fn flush(&mut self, user_event: bool) -> io::Result<()> {
        let frame = format!(
            r#"{{"userEvent":{user_event},"messages":[{}]}}"#,
            self.batch
        );
        self.batch.clear();
        self.socket.send(&frame)
    }

    /// Sends what waits and receives until it is all answered: the watch at its end is.
    fn settle(&mut self) -> io::Result<()> {
        self.say(&format!(
            r#"{{"type":"watch","data":{{"varId":{SIZE_ID}}}}}"#
        ))?;
        self.flush(true)?;
        receive_until(&mut self.socket, r#""varId":2,"#)
    }

    fn act(&mut self, action: &str) -> io::Result<()> {
        let at = ACTIONS.iter().position(|a| *a == action);
        let at = at.ok_or_else(|| Error::other("no such action"))?;
        self.set(FIRST_ACTION_ID + at, "null")?;
        self.settle()
    }

    /// The list and its items; the rows follow when the items are known.
    fn show_list(&mut self, path: &str) -> io::Result<Vec<u64>> {
        let (list, items) = match self.naming {
            Naming::Index => ("", ""),
            Naming::Item => (r#","identity":"true""#, r#","delta":"true""#),
        };
        let list = format!(r#""path":"{path}","wrapper":"lua.ViewList","elementId":"ui-9"{list}"#);
        self.create(LIST_ID, 1, &list)?;
        self.create(ITEMS_ID, LIST_ID, &format!(r#""path":"items"{items}"#))?;
        self.say(&format!(
            r#"{{"type":"watch","data":{{"varId":{SIZE_ID}}}}}"#
        ))?;
        self.flush(false)?;
        loop {
            let frame = self.socket.receive()?;
            let objects = objects_of(frame);
            if !objects.is_empty() && frame.contains(r#""varId":21,"#) {
                return Ok(objects);
            }
        }
    }

    /// The variables of new rows: of these items, or of the indexes at the end.
    fn show_rows(&mut self, items: &[u64]) -> io::Result<()> {
        let start = self.rows.len();
        for (row, item) in items.iter().enumerate() {
            let id = self.next_id + PER_ROW * row;
            if self.naming == Naming::Item {
                self.say(&format!(
                    r#"{{"type":"create","data":{{"id":{id},"parentId":{ITEMS_ID},"properties":{{}},"value":{{"obj":{item}}}}}}}"#
                ))?;
            } else {
                let index = start + row;
                let properties = format!(
                    r#""path":"{index}","elementId":"ui-{id}","fallbackNamespace":"list-item""#
                );
                self.create(id, ITEMS_ID, &properties)?;
            }
            self.create(
                id + 1,
                id,
                &format!(r#""path":"item","elementId":"ui-{}""#, id + 1),
            )?;
            self.rows.push(id);
        }
        let last = self.next_id + PER_ROW * items.len().saturating_sub(1);
        self.await_answer(last + 1)?;
        for row in 0..items.len() {
            let id = self.next_id + PER_ROW * row;
            self.create(id + 2, id + 1, r#""path":"name","access":"r""#)?;
            self.create(id + 3, id + 1, r#""path":"count","access":"r""#)?;
        }
        self.next_id += PER_ROW * items.len();
        self.await_answer(last + 3)
    }

    /// Sends what waits, as a page does that only makes variables, and receives until the last is told.
    fn await_answer(&mut self, id: usize) -> io::Result<()> {
        self.flush(false)?;
        receive_until(&mut self.socket, &format!(r#""varId":{id},"#))
    }

    /// Server CPU milliseconds and payload bytes of what `work` does.
    fn cost(&mut self, work: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<(f64, f64)> {
        let (cpu, bytes) = (self.server.cpu()?, self.socket.text_bytes);
        work(self)?;
        let cpu = millis(self.server.cpu()? - cpu);
        Ok((cpu, (self.socket.text_bytes - bytes) as f64))
    }

    /// An edit, and what the page does about it.
    fn edit(&mut self, action: &str) -> io::Result<()> {
        self.act(action)?;
        match action {
            "append()" | "insert()" => {
                let new = self.new_items()?;
                self.show_rows(&new)
            }
            "delete()" => match self.rows.pop() {
                Some(id) => {
                    self.say(&format!(r#"{{"type":"destroy","data":{{"varId":{id}}}}}"#))?;
                    self.flush(false)?;
                    receive_until(&mut self.socket, &format!(r#"{{"varId":{id}}}"#))
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The items that the last frame had and no row shows: one, since each edit adds one.
    fn new_items(&mut self) -> io::Result<Vec<u64>> {
        if self.naming == Naming::Index {
            return Ok(vec![0]);
        }
        let frame = self.socket.last_text().to_owned();
        Ok(objects_of(&frame))
    }
}

/// The numbers of the objects in the update of the items variable.
fn objects_of(frame: &str) -> Vec<u64> {
    let Some(at) = frame.find(r#""varId":21,"#) else {
        return Vec::new();
    };
    let update = &frame[at..];
    let update = &update[..update.find("}}").map_or(update.len(), |_| {
        update.find(r#""type":"#).unwrap_or(update.len())
    })];
    let numbers = update.split(r#"{"obj":"#).skip(1);
    numbers
        .filter_map(|rest| rest.split('}').next()?.parse().ok())
        .collect()
}

/// An edit of the long list: its action, its name in the table, target and predecessor's figure.
struct Edit {
    action: &'static str,
    by_index: &'static str,
    by_item: &'static str,
    target: Option<f64>,
    before: Option<f64>,
}

const fn edit(action: &'static str, by_index: &'static str, by_item: &'static str) -> Edit {
    Edit {
        action,
        by_index,
        by_item,
        target: None,
        before: None,
    }
}

const EDITS: [Edit; 7] = [
    Edit {
        target: Some(3.0),
        before: Some(65.0),
        ..edit("touch()", "... by index, touch", "... by item, touch")
    },
    Edit {
        target: Some(5.0),
        before: Some(370.0),
        ..edit("append()", "... by index, append", "... by item, append")
    },
    edit(
        "insert()",
        "... by index, insert in front",
        "... by item, insert in front",
    ),
    edit(
        "delete()",
        "... by index, delete in front",
        "... by item, delete in front",
    ),
    edit(
        "move()",
        "... by index, first to the end",
        "... by item, first to the end",
    ),
    edit("reverse()", "... by index, reverse", "... by item, reverse"),
    edit("sort()", "... by index, sort", "... by item, sort"),
];

pub fn long_list(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("longlist", &[])?;
    for naming in [Naming::Index, Naming::Item] {
        let mut renders = Vec::new();
        let mut shown = None;
        for _ in 0..scale.long_renders {
            let mut page = Page::open(&server, naming, scale.long_rows)?;
            let rows = scale.long_rows;
            let (cpu, bytes) = page.cost(|page| {
                let items = page.show_list("rows")?;
                if items.len() != rows {
                    return Err(Error::other(format!("{} items of {rows}", items.len())));
                }
                page.show_rows(&items)
            })?;
            renders.push(cpu);
            shown = Some((page, bytes));
        }
        let (mut page, bytes) = shown.ok_or_else(|| Error::other("nothing was rendered"))?;
        let name = match naming {
            Naming::Index => "list of 10,000 rows, by index",
            Naming::Item => "list of 10,000 rows, by item",
        };
        let render = Figure::new(name, "ms CPU", Less, median(&mut renders));
        report.add(render.target(200.0).before(2900.0));
        let mut note = format!("{name}: {bytes:.0} bytes to the page; bytes for each edit:");
        for edit in &EDITS {
            let (cpu, bytes) = edit_cost(&mut page, edit, scale.edits)?;
            let name = if naming == Naming::Index {
                edit.by_index
            } else {
                edit.by_item
            };
            report.add(Figure {
                target: edit.target,
                before: edit.before,
                ..Figure::new(name, "ms CPU", Less, cpu)
            });
            let _ = write!(note, " {} {bytes:.0},", edit.action);
        }
        report.note(note);
    }
    report.server_cpu(server.cpu()?.as_secs_f64());
    Ok(())
}

/// The median cost of an edit, and the mean of its bytes.
fn edit_cost(page: &mut Page, edit: &Edit, times: usize) -> io::Result<(f64, f64)> {
    // Rows are touched in the middle, all else happens in front.
    let at = if edit.action == "touch()" { "-1" } else { "0" };
    page.set(AT_ID, at)?;
    page.settle()?;
    let (mut costs, mut bytes) = (Vec::new(), 0.0);
    for _ in 0..times {
        let (cpu, told) = page.cost(|page| page.edit(edit.action))?;
        costs.push(cpu);
        bytes += told;
    }
    Ok((median(&mut costs), bytes / times as f64))
}

pub fn window(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let server = subject.site("longlist", &[])?;
    let rows = scale.window_rows;
    let (mut opens, mut page) = (Vec::new(), None);
    for _ in 0..scale.long_renders {
        let mut opened = Page::open(&server, Naming::Item, rows)?;
        let (cpu, bytes) = opened.cost(|page| {
            let items = page.show_list("rows?window=50")?;
            page.show_rows(&items)
        })?;
        opens.push(cpu);
        page = Some((opened, bytes));
    }
    let (mut page, bytes) = page.ok_or_else(|| Error::other("nothing was opened"))?;
    let open = Figure::new("window on 50,000 rows", "ms CPU", Less, median(&mut opens));
    report.add(open.target(20.0));
    let mut note = format!("{bytes:.0} bytes to open; bytes for each:");
    let mut add = |name, (cpu, bytes): (f64, f64), report: &mut Report| {
        report.add(Figure::new(name, "ms CPU", Less, cpu));
        let _ = write!(note, " {name} {bytes:.0},");
    };
    let (mut costs, mut told) = (Vec::new(), 0.0);
    for step in 0..scale.edits {
        let first = (step * 7919) % rows;
        let (cpu, bytes) = page.cost(|page| {
            page.say(&format!(
                r#"{{"type":"update","data":{{"varId":{LIST_ID},"properties":{{"range":"{first}-{}"}}}}}}"#,
                first + 49
            ))?;
            page.settle()
        })?;
        costs.push(cpu);
        told += bytes;
    }
    let scroll = (median(&mut costs), told / scale.edits as f64);
    add("... scroll anywhere", scroll, report);
    for (name, action) in [
        ("... touch", "touch()"),
        ("... insert in front", "insert()"),
        ("... reverse", "reverse()"),
        ("... sort", "sort()"),
    ] {
        let cost = page.cost(|page| page.act(action))?;
        add(name, cost, report);
    }
    let filtered = page.cost(|page| {
        page.set(FILTER_ID, "\"99\"")?;
        page.settle()
    })?;
    add("... filter", filtered, report);
    report.note(note);
    report.server_cpu(server.cpu()?.as_secs_f64());
    Ok(())
}
