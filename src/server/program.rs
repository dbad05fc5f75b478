//! The server that the program runs: its sessions are Lua's, its world is this machine. Nothing here is generic, so that
//! the code of a server is compiled once, with the library.

use std::net::SocketAddr;

use super::files::built_in;
use super::reconfigure::Reread;
use super::world::Live;
use super::{Server, ServerError};
use crate::config::Config;
use crate::core::outside::Outside;
use crate::lua::LuaRuntime;
use crate::testing::check;
use crate::web::Folder;

/// A [`Server`] of Lua sessions.
pub struct Program(Server<LuaRuntime, Live>);

impl Program {
    /// One that listens as configured.
    ///
    /// # Errors
    /// As for [`Server::bind`], and when Lua cannot run here.
    pub fn start(config: &Config) -> Result<Program, ServerError> {
        let runtime = LuaRuntime::new()?;
        let server = Server::bind(config, runtime.clone())?;
        if config.dir.is_some() {
            // None of it keeps others from being served, nor what is mended from being read again.
            let site = server.core.site();
            let lacking = check::lacking(site).map(str::to_owned);
            for problem in check::problems(&runtime, site).into_iter().chain(lacking) {
                server.log.line(0, format_args!("{problem}"));
            }
        }
        Ok(Program(server))
    }

    /// The same with the built-in site of these files, whose scripts ask `outside` in place of the machine.
    ///
    /// # Errors
    /// As for [`Program::start`].
    pub fn start_with(
        config: &Config,
        files: &Folder,
        outside: Box<dyn Outside>,
    ) -> Result<Program, ServerError> {
        let mut program = Program::start(config)?;
        program.0.core.change_site(&built_in(files));
        program.0.core.set_outside(outside);
        Ok(program)
    }

    /// Its address in a browser.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Where it tells how it is, if it was told to.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.0.admin_address()
    }

    /// How settings are read again when SIGHUP asks for it.
    pub fn set_reread(&mut self, reread: Reread) {
        self.0.set_reread(reread);
    }

    /// Serves until a signal tells it to stop.
    ///
    /// # Errors
    /// As for [`Server::run`].
    pub fn run(&mut self) -> Result<(), ServerError> {
        self.0.run()
    }
}
