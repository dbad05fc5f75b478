//! The server over real sockets and as a process: what it refuses, how it closes, what it does when it
//! runs out of something, how it stops, and what its commands answer. Nothing asserts how long anything
//! takes; reads have a deadline so that silence is a failure and not a hang.

mod addresses;
mod downloads;
mod floods;
mod http;
mod limits;
mod links;
pub mod process;
mod program;
mod reload;
mod topics;
mod uploads;
pub mod websocket;
