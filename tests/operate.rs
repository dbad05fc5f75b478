//! Living in a system and beginning: settings and where they come from, mistakes that are told before anybody visits,
//! signals, supervisors, health and metrics, commands that ask a running server, looking into its sessions.

mod admin;
mod manual;
mod mistakes;
mod settings;
mod signals;
mod small;
mod supervised;
mod syslog;
mod terminal;
mod variables;

use std::process::{Command, Output};

use crate::net::process::Folder;

/// Runs the program.
pub fn lunette(arguments: &[&str]) -> Output {
    lunette_in(arguments, &[])
}

/// Runs the program with these variables in its environment.
fn lunette_in(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.args(arguments).envs(variables.iter().copied());
    command.output().expect("the program runs")
}

/// What it printed, which must have been a success.
pub fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complained of, with this exit code.
pub fn complaint(output: &Output, code: i32) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    errors
}

/// A folder with a site that counts.
fn counting(settings: &str) -> Folder {
    let folder = Folder::new();
    folder.write("site/lunette.toml", settings);
    folder.write(
        "site/lua/main.lua",
        "App = session:prototype('App', { count = 0, pin = 'secret' })\n\
         function App:add() self.count = self.count + 1 end\n\
         app = session:create(App, { rows = { { name = 'a' }, { name = 'b' } } })\n\
         session:createAppVariable(app)\n",
    );
    folder.write(
        "site/viewdefs/App.DEFAULT.html",
        "<template><p ui-value=\"count\"></p></template>",
    );
    folder
}
