//! The scenario `edit`: from the writing of a file of the site to the frame that shows it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Instant;

use crate::Scale;
use crate::client::{Socket, new_session};
use crate::report::Better::Less;
use crate::report::{Figure, Report, median};
use crate::subject::Subject;

const MAIN: &str = r#"
local App = session:prototype("App", { count = 0 })
function App:text() return "edit 0" end
session:createAppVariable(session:create(App))
"#;
const VIEWDEF: &str = "<template><p ui-value=\"text()\">edit 0</p></template>";
const OPEN: &str = concat!(
    r#"[{"type":"watch","data":{"varId":1}},"#,
    r#"{"type":"create","data":{"id":2,"parentId":1,"properties":{"path":"text()"}}}]"#
);
/// Files beside those that are edited: the site is read as a whole.
const OTHER_FILES: usize = 100;

/// A folder that is removed afterwards.
struct Site(PathBuf);

impl Site {
    fn new() -> io::Result<Site> {
        let name = format!("lunette-edit-{}", std::process::id());
        let site = Site(std::env::temp_dir().join(name));
        fs::create_dir_all(site.0.join("lua"))?;
        fs::create_dir_all(site.0.join("viewdefs"))?;
        for i in 0..OTHER_FILES {
            site.write(&format!("lua/other{i}.lua"), &"-- a line\n".repeat(100))?;
        }
        site.write("lua/main.lua", MAIN)?;
        site.write("viewdefs/App.DEFAULT.html", VIEWDEF)?;
        Ok(site)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.0.join(name), text)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn edit(subject: &Subject, scale: &Scale, report: &mut Report) -> io::Result<()> {
    let site = Site::new()?;
    let server = subject.folder(&site.0, &["--hotload"])?;
    let session = new_session(server.address)?;
    let mut page = Socket::attach(server.address, &session)?;
    page.send(OPEN)?;
    while !page.receive()?.contains("edit 0") {}
    let mut measure = |name: &str, text: &str| -> io::Result<f64> {
        let mut samples = Vec::new();
        for i in 1..=scale.saves {
            let word = format!("{name} {i}");
            let begun = Instant::now();
            site.write(name, &text.replace("edit 0", &word))?;
            while !page.receive()?.contains(&word) {}
            samples.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(median(&mut samples))
    };
    let lua = measure("lua/main.lua", MAIN)?;
    let viewdef = measure("viewdefs/App.DEFAULT.html", VIEWDEF)?;
    report.server_cpu(server.cpu()?.as_secs_f64());
    let figure = |name, value| Figure::new(name, "ms", Less, value).target(150.0);
    report.add(figure("edit of Lua code to its frame, p50", lua).before(124.0));
    report.add(figure("edit of a viewdef to its frame, p50", viewdef).before(268.0));
    report.note("50 ms of each are the wait for the editor to finish".into());
    Ok(())
}
