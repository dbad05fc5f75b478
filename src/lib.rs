//! Lunette: live Lua objects as web pages.
pub mod core;
pub mod net;
pub mod wire;
