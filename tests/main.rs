//! All integration tests, one binary. A module a topic; each says in its first lines what it proves.

mod base_client;
mod browser;
mod determinism;
mod golden;
mod net;
mod replay;
mod tidy;
