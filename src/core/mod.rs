//! The pure core: sessions, variables, watches, timers, change detection and batching.
//!
//! **Contract.** Everything outside feeds [`event::Event`]s in and carries [`effect::Effect`]s out.
//! Nothing in here reads a clock, randomness, a socket, a file, an address or an environment
//! variable, and nothing iterates a hash map; time arrives with each call as a [`event::Turn`], and what
//! scripts ask of the machine is answered through [`outside::Outside`]. The same events with the same
//! turns and answers give the same effects, byte for byte, in any process. The live server, the replay
//! tool and tests are shells around this module.
//!
//! Reading order: [`event`], [`effect`] and [`message`] say what goes in and out;
//! [`manager`] owns the sessions; [`session`] is one of them; [`host`] is what a script can reach
//! of its session; [`runs`] knows which files of code have run; [`variable`], [`watch`] and [`timer`]
//! are its parts; [`script`] is what core asks of a language, [`outside`] what scripts ask of the
//! machine; [`change`] runs detection; [`batch`] assembles what each view is told, `delta` in pieces of
//! what it was told before; [`topic`] and [`download`] are what sessions say to each other and give to
//! browsers; [`frozen`] is a session as bytes, written and read by `carry` and [`code`]; [`peek`] is what
//! those see who look into a session, [`witness`] what they see of its events; [`legible`] is what may be shown
//! of a text that anybody wrote; [`gather`] makes small maps.

mod allowed;
mod arrivals;
pub mod batch;
mod bindings;
pub(crate) mod carry;
pub mod change;
pub mod code;
pub mod deed;
mod delta;
pub mod download;
pub mod effect;
pub mod event;
mod fault;
pub mod frozen;
pub mod gather;
pub mod handle;
pub mod host;
pub mod id;
pub mod json;
pub mod legible;
pub mod limits;
pub mod manager;
pub mod message;
mod outbox;
pub mod outside;
pub mod path;
pub mod peek;
pub mod property;
mod reload;
pub mod runs;
mod saving;
pub mod script;
pub mod session;
pub mod site;
pub mod timer;
pub mod topic;
pub mod upload;
pub mod variable;
mod view;
pub mod viewdef;
pub mod watch;
pub mod witness;
