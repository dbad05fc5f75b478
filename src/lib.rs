//! Lunette: live Lua objects as web pages, from one small deterministic daemon.
//!
//! # How data flows
//!
//! ```text
//! browser ── socket ──> server ──> net ──> wire ──> core ──> lua (a Lua state per session)
//!                         │                           │
//!                      journal <── events, frames ────┤
//! browser <── socket ── server <── net <── wire <── effects
//! ```
//!
//! One thread runs one poll loop. It reads the clock once a turn, turns what sockets bring into
//! [`core::event::Event`]s, lets [`core::manager::SessionManager`] handle them one after the other,
//! and carries out the [`core::effect::Effect`]s that come of it. Everything between event and
//! effect is a pure function of the events, and of what the machine answered to what scripts asked it
//! ([`core::outside`]): that is why a session can be recorded ([`journal`]) and run again ([`replay`])
//! byte for byte.
//!
//! # The modules, in reading order
//!
//! - [`core`]: sessions, variables, watches, timers, change detection, batching. Pure.
//! - [`lua`]: Lua as the language of sessions: states, memory, gas, the kernel, the API.
//! - [`wire`]: the protocol's spelling: frames to messages and back.
//! - [`net`]: HTTP, WebSocket and links (views that outlive connections) without sockets: bytes in,
//!   bytes out.
//! - [`server`]: the poll loop, connections, routes, files, the clock.
//! - [`journal`]: recordings of sessions, and the directory where a server keeps them. [`replay`]: running
//!   one again, comparing, transcripts, exports.
//! - [`inspect`]: looking at a recording turn by turn.
//! - [`variables`]: looking into a session that runs.
//! - [`testing`]: recordings as text that people edit, run against a site without a browser.
//! - [`web`]: the browser client, the theme and the demo site, embedded.
//! - [`operator`]: commands that ask a running server. [`scaffold`]: what `lunette new` and `lunette service` make.
//! - [`cli`], [`config`]: what the command line says and what it means.
//!
//! # Embedding
//!
//! `server::Server` serves a site; `core::manager::SessionManager` with `lua::LuaRuntime` runs
//! sessions without any server, which is what the tests and benches do.

pub mod cli;
pub mod config;
pub mod core;
pub mod inspect;
pub mod journal;
pub mod lua;
pub mod net;
pub mod operator;
pub mod replay;
pub mod scaffold;
pub mod server;
pub mod testing;
pub mod variables;
pub mod web;
pub mod wire;
