//! Lunette: live Lua objects as web pages.
pub mod core;
pub mod journal;
pub mod replay;
pub mod wire;
