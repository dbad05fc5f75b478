pub mod alloc;
pub mod arena;
pub mod budget;
pub mod determinism;
pub mod sandbox;
pub mod state;
