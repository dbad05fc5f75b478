//! The network protocols without a network: bytes in, typed things and bytes out.
//!
//! **Contract.** Nothing in here owns a socket, polls, or reads a clock. Whoever has the socket
//! feeds what arrived, takes what is to be sent, and passes the time in milliseconds of its
//! monotonic clock. Feeding the same bytes in other portions gives the same results. Nothing a peer
//! sends can panic, and every buffer has a cap, see [`limits`].
//!
//! Reading order: [`connection`] is one connection from its first byte to its last; it uses
//! [`http`] for request heads, [`response`] for answers and [`websocket`] after the upgrade. [`link`]
//! lets a view outlive its connection, [`links`] knows all of them.

pub mod connection;
pub mod http;
pub mod limits;
pub mod link;
pub mod links;
pub mod output;
pub mod response;
pub mod static_path;
pub mod websocket;
